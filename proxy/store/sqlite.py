"""Bindings in an SQLite file, written by one thread of its own: the reactor never waits for the disk.

What is given within a few milliseconds becomes one transaction. The queue is bounded, and a disk that fails or hangs
holds up no client: their answers go without it, counted and said once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from time import monotonic, time
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed

from proxy.binding import GONE, Binding
from proxy.effects import Note
from proxy.store.contract import FAILED, LATE, SKIPPED, WRITTEN, StoreError
from proxy.store.database import Database, complaint
from proxy.store.row import Row, row_of

BATCH: Final = 0.01  # seconds: how long the first of a batch waits for others
PATIENCE: Final = 2.0  # seconds that answers wait for one batch
RETRY: Final = 5.0  # seconds until a batch that failed is tried again
CLOSING: Final = 5.0  # seconds that a stop waits for the last batch
# Bindings that wait at once; about 1 kB each. More than a disk that works ever leaves waiting.
QUEUE: Final = 20_000

Rows = dict[bytes, Row | None]
Done = list[Callable[[], None]]


class SqliteStore:
    """Implements `store.contract.Store`. `note` takes what the operator's log should say."""

    def __init__(
        self,
        path: Path,
        reactor: Any,
        note: Callable[[Note], None],
        clock: Callable[[], float] = monotonic,
        wall: Callable[[], float] = time,
        queue: int = QUEUE,
    ) -> None:
        self.results: dict[str, int] = dict.fromkeys((WRITTEN, FAILED, SKIPPED, LATE), 0)
        self._path = path
        self._database = Database(path)
        self._reactor = reactor
        self._note = note
        self._clock = clock
        self._wall = wall
        self._limit = queue
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: Thread | None = None
        # What waits for the next batch, by token: the latest state of a binding is the one to write.
        self._pending: Rows = {}
        self._waiters: Done = []
        self._in_flight: Done = []
        self._writing = False
        self._sick = False  # the last batch failed or is late: nobody waits for it
        self._next: Any = None
        self._alarm: Any = None
        self._stopped = False

    # -- Store

    def load(self) -> Deferred[list[Row]]:
        if self._stopped:
            return succeed([])
        loaded: Deferred[list[Row]] = Deferred()
        self._thread = Thread(target=self._work, name="sipmend-store", daemon=True)
        self._thread.start()
        self._jobs.put(partial(self._open, loaded))
        return loaded

    def save(self, bindings: Sequence[Binding], done: Callable[[], None] | None) -> None:
        now, wall = self._clock(), self._wall()
        for binding in bindings:
            if binding.token not in self._pending and len(self._pending) >= self._limit:
                self.results[SKIPPED] += 1
            else:
                self._pending[binding.token] = None if binding.state == GONE else row_of(binding, now, wall)
        if done is not None:
            if self._sick or self._stopped or len(self._waiters) >= self._limit:
                self.results[LATE] += 1
                done()
            else:
                self._waiters.append(done)
        if self._next is None and not self._writing:
            self._later(BATCH)

    def waiting(self) -> int:
        return len(self._pending)

    def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        for call in (self._next, self._alarm):
            if call is not None and call.active():
                call.cancel()
        self._next = self._alarm = None
        if self._thread is not None:
            if self._pending:
                self._jobs.put(partial(self._write, self._pending))
                self._pending = {}
            self._jobs.put(None)
            self._thread.join(CLOSING)
            self._thread = None

    # -- on the reactor's thread

    def _later(self, delay: float) -> None:
        if not self._stopped:
            self._next = self._reactor.callLater(delay, self._begin)

    def _begin(self) -> None:
        """Hand what waits to the thread."""
        self._next = None
        rows, self._pending = self._pending, {}
        self._in_flight, self._waiters = self._waiters, []
        self._writing = True
        self._alarm = self._reactor.callLater(PATIENCE, self._overdue)
        self._jobs.put(partial(self._write, rows))

    def _overdue(self) -> None:
        self._alarm = None
        if not self._sick:
            self._note(Note("warn", "the disk is slow: {file} is not written yet, answers go without it", self._file))
        self._sick = True
        self.results[LATE] += len(self._in_flight) + len(self._waiters)
        self._release()

    def _release(self) -> None:
        done, self._in_flight = self._in_flight, []
        if self._sick:
            done += self._waiters
            self._waiters = []
        for call in done:
            call()

    def _ended(self, rows: Rows, error: sqlite3.Error | None) -> None:
        """The thread is done with a batch."""
        if self._stopped:
            return
        self._writing = False
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if error is None:
            self.results[WRITTEN] += len(rows)
            if self._sick:
                self._note(Note("info", "{file} is written again", self._file))
            self._sick = False
        else:
            self.results[FAILED] += len(rows)
            if not self._sick:
                text = "{problem}; answers go without it, it is tried again"
                self._note(Note("error", text, {"problem": complaint(self._path, error)}))
            self._sick = True
            # What came since is newer than what failed.
            self._pending = {**rows, **self._pending}
        self._release()
        if self._pending and self._next is None:
            self._later(BATCH if error is None else RETRY)

    def _tell_damage(self, aside: str) -> None:
        text = "{file} was damaged and is {aside} now; clients are known again with their next REGISTER"
        self._note(Note("error", text, {**self._file, "aside": aside}))

    @property
    def _file(self) -> dict[str, object]:
        return {"file": str(self._path)}

    # -- on the store's own thread

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        self._database.close()

    def _open(self, loaded: Deferred[list[Row]]) -> None:
        try:
            self._database.open()
            rows = self._database.load()
        except sqlite3.Error as error:
            refused = StoreError(complaint(self._path, error))
            self._reactor.callFromThread(loaded.errback, refused)
        except Exception as error:  # the border of the thread: whoever waits for it has to hear of it
            self._reactor.callFromThread(loaded.errback, error)
        else:
            if self._database.aside is not None:
                self._reactor.callFromThread(self._tell_damage, str(self._database.aside))
            self._reactor.callFromThread(loaded.callback, rows)

    def _write(self, rows: Rows) -> None:
        failed: sqlite3.Error | None = None
        try:
            self._database.write(rows)
        except sqlite3.Error as error:
            failed = error
        except Exception as error:  # the border of the thread: without it nothing would be written any more
            failed = sqlite3.InternalError(repr(error))
        self._reactor.callFromThread(self._ended, rows, failed)
