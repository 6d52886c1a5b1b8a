"""The store with its thread: batches, answers that wait for them, and what happens when the disk does not keep up."""

from __future__ import annotations

import sqlite3
from queue import Queue
from threading import Event

import pytest
from kept_clients import client
from twisted.internet.task import Clock

from proxy.binding import GONE
from proxy.store import sqlite as module
from proxy.store.contract import FAILED, LATE, SKIPPED, WRITTEN, StoreError
from proxy.store.database import Database
from proxy.store.sqlite import BATCH, PATIENCE, RETRY, SqliteStore
from tests.support.private_reactor import PrivateReactor


class ScriptedDatabase:
    """Takes what is written; `trouble` is raised, `gate` holds the thread while it is not set."""

    def __init__(self):
        self.batches = []
        self.trouble = None
        self.aside = None
        self.gate = Event()
        self.gate.set()
        self.closed = False

    def open(self):
        if self.trouble is not None:
            raise self.trouble

    def load(self):
        return ["row"]

    def write(self, rows):
        self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        self.batches.append({token: row and row.contact for token, row in rows.items()})

    def close(self):
        self.closed = True


class Bench:
    """A store on a clock of the test; what its thread reports is taken up by `turn`."""

    def __init__(self, tmp_path, monkeypatch, queue=20):
        self.clock = Clock()
        self.clock.callFromThread = self.reports
        self.inbox = []
        self.reported = Event()
        self.notes = []
        self.database = ScriptedDatabase()
        monkeypatch.setattr(module, "Database", lambda path: self.database)
        self.store = SqliteStore(
            tmp_path / "b.db", self.clock, lambda note: self.notes.append((note.level, note.text)), self.clock.seconds,
            lambda: 1_000_000.0, queue,
        )  # fmt: skip
        self.done = []

    def reports(self, call, *args):
        self.inbox.append((call, args))
        self.reported.set()

    def turn(self):
        """Take up the next report of the thread."""
        assert self.reported.wait(10), "the thread is not done"
        self.reported.clear()
        while self.inbox:
            call, args = self.inbox.pop(0)
            call(*args)

    def load(self):
        results = []
        self.store.load().addBoth(results.append)
        self.turn()
        return results[0]

    def saves(self, *names, waits=True, **values):
        bindings = [client(name, **values) for name in names]
        self.store.save(bindings, (lambda: self.done.append(names)) if waits else None)

    def commit(self):
        self.clock.advance(BATCH)
        self.turn()


@pytest.fixture
def bench(tmp_path, monkeypatch):
    bench = Bench(tmp_path, monkeypatch)
    assert bench.load() == ["row"]
    yield bench
    bench.database.gate.set()
    bench.store.stop()


def test_what_comes_within_a_batch_is_one_transaction(bench):
    """At most 20 ms; a REGISTER answer waits for the commit and not for more (protocol 3.5)."""
    assert BATCH <= 0.02
    bench.saves("alice")
    bench.saves("bob", waits=False)
    assert bench.store.waiting() == 2
    assert bench.done == []
    bench.commit()
    assert bench.database.batches == [{b"balice": b"sip:alice@h", b"bbob": b"sip:bob@h"}]
    assert bench.done == [("alice",)]
    assert (bench.store.waiting(), bench.store.results[WRITTEN]) == (0, 2)


def test_latest_state_of_a_binding_is_written(bench):
    """And as it was when it was given: what the core changes later is not half written."""
    binding = client()
    bench.store.save([binding], None)
    binding.contact = b"sip:changed@h"
    bench.commit()
    bench.saves("alice", contact=b"sip:new@h")
    bench.saves("alice", state=GONE)
    bench.commit()
    assert bench.database.batches == [{b"balice": b"sip:alice@h"}, {b"balice": None}]


def test_what_comes_while_the_disk_works_is_the_next_batch(bench):
    bench.database.gate.clear()
    bench.saves("alice")
    bench.clock.advance(BATCH)
    bench.saves("bob")
    bench.clock.advance(1.0)
    assert (bench.store.waiting(), bench.done) == (1, [])
    bench.database.gate.set()
    bench.turn()
    assert bench.done == [("alice",)]
    bench.commit()
    assert bench.done == [("alice",), ("bob",)]
    assert [list(batch) for batch in bench.database.batches] == [[b"balice"], [b"bbob"]]


def test_answers_do_not_wait_for_a_disk_that_hangs(bench):
    """Two seconds, then they go without it; said once, and taken back when the disk is there again."""
    bench.database.gate.clear()
    bench.saves("alice")
    bench.clock.advance(BATCH)
    bench.saves("bob")
    bench.clock.advance(PATIENCE)
    assert bench.done == [("alice",), ("bob",)]
    bench.saves("carol")
    assert bench.done[-1] == ("carol",)
    assert bench.store.results[LATE] == 3
    assert bench.notes == [("warn", "the disk is slow: {file} is not written yet, answers go without it")]
    bench.database.gate.set()
    bench.turn()
    bench.commit()
    assert list(bench.database.batches[-1]) == [b"bbob", b"bcarol"], "nothing is lost by it"
    assert bench.notes[-1] == ("info", "{file} is written again")
    bench.saves("dave")
    assert bench.done[-1] == ("carol",), "and answers wait again"


@pytest.mark.parametrize("trouble", [sqlite3.OperationalError("disk I/O error"), OverflowError("too large")])
def test_disk_that_refuses_is_tried_again(bench, trouble):
    """Whatever the thread meets: it must not end, or nothing would ever be written again."""
    bench.database.trouble = trouble
    bench.saves("alice", "bob")
    bench.commit()
    assert bench.done == [("alice", "bob")], "clients are not made to wait for it"
    assert bench.store.results[FAILED] == 2
    assert [level for level, _ in bench.notes] == ["error"]
    bench.saves("alice", contact=b"sip:newer@h")
    bench.clock.advance(RETRY)
    bench.turn()
    assert len(bench.notes) == 1, "it is not said again and again"
    bench.database.trouble = None
    bench.clock.advance(RETRY)
    bench.turn()
    assert bench.database.batches == [{b"balice": b"sip:newer@h", b"bbob": b"sip:bob@h"}]
    assert bench.notes[-1][0] == "info"


def test_queue_is_bounded(bench):
    bench.database.gate.clear()
    bench.saves("first")
    bench.clock.advance(BATCH)
    for number in range(30):
        bench.saves(f"c{number}")
    assert (bench.store.waiting(), bench.store.results[SKIPPED]) == (20, 10)
    assert len(bench.done) == 10, "who finds it full does not wait"
    bench.saves("c0", contact=b"sip:newer@h", waits=False)
    assert bench.store.results[SKIPPED] == 10, "what waits already can still be brought up to date"


def test_stop_writes_what_waits(bench):
    bench.saves("alice")
    bench.store.stop()
    assert bench.database.batches == [{b"balice": b"sip:alice@h"}]
    assert bench.database.closed
    assert bench.clock.getDelayedCalls() == []
    bench.saves("bob")
    assert bench.done == [("bob",)]
    bench.store.stop()


def test_report_after_a_stop_is_ignored(bench):
    bench.saves("alice")
    bench.clock.advance(BATCH)
    bench.store.stop()
    bench.turn()
    assert bench.done == []
    assert bench.clock.getDelayedCalls() == []


@pytest.mark.parametrize("trouble", [StoreError("no"), sqlite3.OperationalError("no"), ZeroDivisionError("no")])
def test_file_that_cannot_be_opened(tmp_path, monkeypatch, trouble):
    bench = Bench(tmp_path, monkeypatch)
    bench.database.trouble = trouble
    failure = bench.load()
    assert failure.check(StoreError, ZeroDivisionError)
    assert "no" in failure.getErrorMessage()
    bench.store.stop()


def test_damaged_file_that_was_put_aside_is_told(tmp_path):
    made = Database(tmp_path / "b.db")
    made.open()
    made.close()
    with (tmp_path / "b.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 64)
    clock, inbox, notes = Clock(), Queue(), []
    clock.callFromThread = lambda call, *values: inbox.put((call, values))
    store = SqliteStore(tmp_path / "b.db", clock, lambda note: notes.append(note.fields["aside"]))
    loaded = []
    store.load().addCallback(loaded.append)
    for _ in range(2):
        call, values = inbox.get(timeout=10)
        call(*values)
    store.stop()
    assert loaded == [[]]
    assert notes == [str(tmp_path / "b.db.damaged")]


def test_stopped_before_it_was_opened(tmp_path, monkeypatch):
    bench = Bench(tmp_path, monkeypatch)
    bench.store.stop()
    results = []
    bench.store.load().addCallback(results.append)
    assert results == [[]]


def test_with_a_file_and_a_reactor(tmp_path):
    """Nothing scripted: written by one store, read by the next."""
    reactor = PrivateReactor()
    done, rows = [], []
    first = SqliteStore(tmp_path / "b.db", reactor, done.append)
    first.load().addCallback(rows.append)
    reactor.until(lambda: rows)
    first.save([client("alice"), client("bob")], lambda: done.append(1))
    reactor.until(lambda: done)
    # Not stopped: as after a `kill -9`.
    second = Database(tmp_path / "b.db")
    second.open()
    assert [row.aor for row in second.load()] == [b"alice@example.com", b"bob@example.com"]
    second.close()
    first.stop()
    reactor.close()
    assert (done, rows) == ([1], [[]])
