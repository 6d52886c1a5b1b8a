"""Between the core and the world: feeds it events, carries out its effects, arms one call for its timers.

The driver parses nothing and decides nothing. One event is finished, effects and all, before the next begins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from twisted.logger import Logger

from proxy.core.proxy_core import ProxyCore
from proxy.counts import Counts
from proxy.effects import CloseFlow, Effect, Note, OpenFlow, Ping, Record, Send, StoreBindings
from proxy.events import BindingsStored, Event
from proxy.flow import Flow
from proxy.inspector import Inspector
from proxy.logs import OperatorLog
from proxy.store.contract import Store
from proxy.transport.contract import Transport


class Driver:
    """Runs one core on one reactor. `clock` gives seconds that never go back."""

    log = Logger()

    def __init__(
        self,
        core: ProxyCore,
        counts: Counts,
        reactor: Any,
        clock: Callable[[], float],
        store: Store,
        operator_log: OperatorLog,
        inspector: Inspector,
    ) -> None:
        self._core = core
        self._counts = counts
        self._reactor = reactor
        self._clock = clock
        self._store = store
        self._operator_log = operator_log
        self._inspector = inspector
        self._transports: Sequence[Transport] = ()
        self._senders: list[Callable[[Flow, bytes], None]] = []
        self._next_deadline = core.next_deadline
        self._events: deque[Event] = deque()
        self._busy = False
        self._call: Any = None
        self._due = 0.0
        self._stopped = False

    def attach(self, transports: Sequence[Transport]) -> None:
        """The transports, in the order of the listeners' indexes."""
        self._transports = transports
        self._senders = [transport.send for transport in transports]

    def deliver(self, event: Event) -> None:
        """Take an event of a transport. One that comes while another is being worked on waits its turn."""
        if self._stopped:
            return
        if self._busy:
            self._events.append(event)
            return
        self._busy = True
        try:
            self._work(event)
            while self._events:
                self._work(self._events.popleft())
        finally:
            self._busy = False
        deadline = self._next_deadline()
        if deadline is not None and (deadline < self._due or self._call is None):
            self._arm(deadline)

    def stop(self) -> None:
        """Run no more timers and take no more events: sockets that close now must not make the core open new ones."""
        self._stopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _work(self, event: Event) -> None:
        try:
            effects = self._core.handle(event)
        except Exception:  # the border: whatever a message did, the next one must find the proxy alive
            self._report("internal error while handling an event; it was dropped, please report this")
            return
        if effects:
            self._execute(effects)

    def _execute(self, effects: list[Effect]) -> None:
        for effect in effects:
            try:
                if isinstance(effect, Send):
                    flow = effect.flow
                    index = flow.listener.index
                    self._counts.sent[index][effect.kind] += 1
                    self._senders[index](flow, effect.octets)
                elif isinstance(effect, Record):
                    self._record(effect)
                elif isinstance(effect, Note):
                    self._operator_log.write_note(effect)
                elif isinstance(effect, OpenFlow):
                    self._transports[effect.flow.listener.index].connect(effect.flow)
                elif isinstance(effect, CloseFlow):
                    self._transports[effect.flow.listener.index].close_flow(effect.flow, effect.reason)
                elif isinstance(effect, Ping):
                    self._senders[effect.flow.listener.index](effect.flow, b"\r\n\r\n")
                elif isinstance(effect, StoreBindings):
                    self._save(effect)
            except Exception:  # the border again: the other effects of the event belong to other peers
                self._report(f"internal error while carrying out {effect.__class__.__name__}, please report this")

    def _report(self, text: str) -> None:
        """Count and log the exception that is being handled."""
        self._counts.dropped["internal_error"] += 1
        self.log.failure(text)

    def _record(self, effect: Record) -> None:
        self._inspector.add(effect)
        if self._operator_log.debug:
            self._operator_log.write_record(effect)

    def _save(self, effect: StoreBindings) -> None:
        ticket = effect.ticket

        def saved() -> None:
            self.deliver(BindingsStored(ticket, self._clock()))

        self._store.save(effect.bindings, saved if ticket else None)

    # -- timers

    def _arm(self, deadline: float) -> None:
        """See to it that one call of the reactor stands for the next deadline."""
        if self._stopped:
            return
        self._due = deadline
        delay = max(0.0, deadline - self._clock())
        if self._call is None:
            self._call = self._reactor.callLater(delay, self._tick)
        else:
            self._call.reset(delay)

    def _tick(self) -> None:
        self._call = None
        self._busy = True
        try:
            # A reactor that wakes a little early must not find nothing due and spin.
            self._execute(self._core.tick(max(self._due, self._clock())))
        except Exception:  # as in _work: one bad timer must not stop the clock
            self._report("internal error while running timers, please report this")
        finally:
            self._busy = False
        while self._events:
            self.deliver(self._events.popleft())
        deadline = self._next_deadline()
        if deadline is not None and (deadline < self._due or self._call is None):
            self._arm(deadline)
