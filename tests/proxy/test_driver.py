"""The driver on a clock of the test: order of events and effects, one call of the reactor, and the border."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from proxy.counts import Counts
from proxy.driver import Driver
from proxy.effects import CloseFlow, Note, OpenFlow, Ping, Record, Send, StoreBindings
from proxy.events import BindingsStored, FlowClosed, MessageReceived
from proxy.flow import CLIENT, SERVER, TCP, UDP, Flow, Listener
from proxy.inspector import Inspector
from proxy.store.memory import MemoryStore
from proxy.transaction.timers import NEVER, Wheel
from tests.support.private_log import private_log

LISTENERS = (
    Listener(0, CLIENT, UDP, "127.0.0.1", 5060, "127.0.0.1", 5060),
    Listener(1, SERVER, TCP, "127.0.0.1", 5070, "127.0.0.1", 5070),
)
FLOW = Flow(LISTENERS[0], "127.0.0.1", 4711)
STREAM = Flow(LISTENERS[1], "127.0.0.1", 5060, 7, True)


class ScriptedCore:
    """Gives the effects that the test wrote for an event; an exception among them is raised."""

    def __init__(self):
        self.events = []
        self.ticks = []
        self.script = {}
        self.on_tick = []
        self.deadline = None

    def handle(self, event):
        self.events.append(event)
        return self._play(self.script.get(getattr(event, "octets", None), []))

    def tick(self, now):
        self.ticks.append(now)
        self.deadline = None
        return self._play(self.on_tick)

    def next_deadline(self):
        return self.deadline

    def _play(self, found):
        if isinstance(found, BaseException):
            raise found
        return found() if callable(found) else list(found)


class RecordingTransport:
    """Writes down what the driver wants; `on_send` runs inside `send`."""

    def __init__(self, done, listener):
        self.done = done
        self.listener = listener
        self.on_send = None

    def connect(self, flow):
        self.done.append(("connect", flow))

    def send(self, flow, octets):
        self.done.append(("send", octets))
        if self.on_send is not None:
            self.on_send(octets)

    def close_flow(self, flow, reason):
        self.done.append(("close", reason))


class SlowStore:
    """Commits when the test says so."""

    def __init__(self):
        self.saved = []

    def save(self, bindings, done):
        self.saved.append((bindings, done))


class Bench:
    """One driver with everything around it faked."""

    def __init__(self, store=None, level="info"):
        self.core = ScriptedCore()
        self.counts = Counts(len(LISTENERS))
        self.reactor = Clock()
        self.done = []
        self.log, self.stream = private_log(self.reactor.callLater, level)
        self.inspector = Inspector()
        self.store = store or MemoryStore()
        self.driver = Driver(
            self.core, self.counts, self.reactor, self.reactor.seconds, self.store, self.log, self.inspector
        )
        self.transports = [RecordingTransport(self.done, listener) for listener in LISTENERS]
        self.driver.attach(self.transports)

    def message(self, octets):
        self.driver.deliver(MessageReceived(FLOW, octets, self.reactor.seconds()))

    def delayed(self):
        return [call for call in self.reactor.getDelayedCalls() if call.func == self.driver._tick]


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def failures():
    """What reaches Twisted's log, where an operator would read it."""
    events = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


def a_record(mode="repair"):
    return Record(
        "contact-missing", mode, "Contact", None, b"<sip:a@b>", "there was none", "RFC 3261 section 12.1.1", b"INVITE",
        b"1@x", FLOW, "to-server",
    )  # fmt: skip


# -- effects


def test_effects_are_carried_out_in_their_order(bench):
    first = [OpenFlow(STREAM), Send(STREAM, b"1", b"INVITE")]
    bench.core.script[b"m"] = [*first, Send(FLOW, b"2", b"1xx"), CloseFlow(STREAM, "why")]
    bench.message(b"m")
    assert bench.done == [("connect", STREAM), ("send", b"1"), ("send", b"2"), ("close", "why")]


def test_pings_are_sent_and_are_no_messages(bench):
    bench.core.script[b"m"] = [Ping(FLOW)]
    bench.message(b"m")
    assert bench.done == [("send", b"\r\n\r\n")]
    assert not any(bench.counts.sent)


def test_what_is_sent_is_counted_by_listener_and_kind(bench):
    bench.core.script[b"m"] = [Send(STREAM, b"1", b"INVITE"), Send(FLOW, b"2", b"1xx"), Send(FLOW, b"3", b"1xx")]
    bench.message(b"m")
    assert dict(bench.counts.sent[1]) == {b"INVITE": 1}
    assert dict(bench.counts.sent[0]) == {b"1xx": 2}


def test_notes_reach_the_operator(bench):
    bench.core.script[b"m"] = [Note("warn", "the server at {target} is down", {"target": "udp:192.0.2.1:5060"})]
    bench.message(b"m")
    assert "the server at udp:192.0.2.1:5060 is down" in bench.stream.getvalue()


@pytest.mark.parametrize(("level", "logged"), [("info", False), ("debug", True)])
def test_records_are_kept_for_the_inspector_and_logged_at_debug_only(level, logged):
    bench = Bench(level=level)
    record = a_record()
    bench.core.script[b"m"] = [record]
    bench.message(b"m")
    assert list(bench.inspector) == [record]
    assert ("contact-missing" in bench.stream.getvalue()) is logged


# -- events


def test_an_event_that_comes_during_another_waits_for_all_its_effects(bench):
    """A send that fails at once must not overtake what its own message still has to do."""
    bench.core.script[b"m"] = [Send(FLOW, b"1", b"BYE"), Send(FLOW, b"2", b"BYE")]
    bench.core.script[b"inner"] = [Send(FLOW, b"3", b"BYE")]

    def fail_once(octets):
        if octets == b"1":
            bench.message(b"inner")

    bench.transports[0].on_send = fail_once
    bench.message(b"m")
    assert [octets for _, octets in bench.done] == [b"1", b"2", b"3"]
    assert [event.octets for event in bench.core.events] == [b"m", b"inner"]


def test_events_that_come_during_a_tick_wait_too(bench):
    bench.core.on_tick = [Send(FLOW, b"1", b"BYE"), Send(FLOW, b"2", b"BYE")]
    bench.core.script[b"inner"] = [Send(FLOW, b"3", b"BYE")]
    bench.transports[0].on_send = lambda octets: bench.message(b"inner") if octets == b"1" else None
    bench.core.deadline = 1.0
    bench.message(b"first")
    bench.reactor.advance(1.0)
    assert [octets for _, octets in bench.done] == [b"1", b"2", b"3"]


def test_many_nested_events_do_not_grow_the_stack(bench):
    left = [5000]
    bench.core.script[b"m"] = [Send(FLOW, b"x", b"BYE")]

    def again(octets):
        left[0] -= 1
        if left[0]:
            bench.message(b"m")

    bench.transports[0].on_send = again
    bench.message(b"m")
    assert len(bench.done) == 5000


# -- the border


def test_an_exception_of_the_core_costs_its_message_only(bench, failures):
    bench.core.script[b"bad"] = ZeroDivisionError("a slip")
    bench.core.script[b"good"] = [Send(FLOW, b"1", b"BYE")]
    bench.message(b"bad")
    bench.message(b"good")
    assert bench.counts.dropped["internal_error"] == 1
    assert bench.done == [("send", b"1")]
    assert [event["log_failure"].type for event in failures if "log_failure" in event] == [ZeroDivisionError]


def test_an_exception_of_one_effect_leaves_the_others(bench, failures):
    def fail(octets):
        if octets == b"1":
            raise RuntimeError("a slip")

    bench.transports[0].on_send = fail
    bench.core.script[b"m"] = [Send(FLOW, b"1", b"BYE"), Send(FLOW, b"2", b"BYE"), CloseFlow(STREAM, "why")]
    bench.message(b"m")
    assert bench.done == [("send", b"1"), ("send", b"2"), ("close", "why")]
    assert bench.counts.dropped["internal_error"] == 1
    assert any("log_failure" in event for event in failures)


def test_an_exception_in_a_tick_does_not_stop_the_clock(bench, failures):
    bench.core.on_tick = ZeroDivisionError("a slip")
    bench.core.deadline = 1.0
    bench.message(b"m")
    bench.reactor.advance(1.0)
    assert bench.counts.dropped["internal_error"] == 1
    bench.core.on_tick = [Send(FLOW, b"1", b"BYE")]
    bench.core.deadline = 2.0
    bench.message(b"m")
    bench.reactor.advance(1.0)
    assert bench.done == [("send", b"1")]
    assert len([event for event in failures if "log_failure" in event]) == 1


# -- timers


def test_no_call_is_armed_while_no_timer_runs(bench):
    bench.message(b"m")
    assert bench.delayed() == []


def test_one_call_is_armed_and_moves_forward_only(bench):
    bench.core.deadline = 5.0
    bench.message(b"m")
    bench.core.deadline = 2.0
    bench.message(b"m")
    bench.core.deadline = 3.0
    bench.message(b"m")
    assert [call.getTime() for call in bench.delayed()] == [2.0]


def test_a_tick_arms_the_next_deadline(bench):
    bench.core.deadline = 1.0
    bench.message(b"m")

    def next_round():
        bench.core.deadline = 4.0
        return []

    bench.core.on_tick = next_round
    bench.reactor.advance(1.0)
    assert [call.getTime() for call in bench.delayed()] == [4.0]
    assert bench.core.ticks == [1.0]


def test_a_late_tick_says_how_late_it_is(bench):
    """A busy process must not believe that it is earlier than it is."""
    bench.core.deadline = 1.0
    bench.message(b"m")
    bench.reactor.advance(7.5)
    assert bench.core.ticks == [7.5]


def test_a_tick_that_comes_early_stands_for_its_deadline(bench):
    """Reactors wake up to a millisecond early: nothing would be due, and the call would be armed for now, again."""
    now = [0.0]
    driver = Driver(bench.core, bench.counts, bench.reactor, lambda: now[0], bench.store, bench.log, bench.inspector)
    bench.core.deadline = 1.0
    driver.deliver(FlowClosed(STREAM, "peer_closed", 0.0))
    now[0] = 0.9995
    bench.reactor.advance(1.0)
    assert bench.core.ticks == [1.0]


def test_a_deadline_in_the_past_is_run_at_once(bench):
    bench.reactor.advance(10.0)
    bench.core.deadline = 1.0
    bench.message(b"m")
    bench.reactor.advance(0.0)
    assert bench.core.ticks == [10.0]


def test_stop_ends_the_timers(bench):
    bench.core.deadline = 1.0
    bench.message(b"m")
    bench.driver.stop()
    bench.reactor.advance(2.0)
    assert bench.core.ticks == []


def test_after_stop_events_change_nothing(bench):
    """Connections that end while the service closes must not make the core open others, or leave a timer behind."""
    bench.driver.stop()
    bench.core.deadline = 1.0
    bench.driver.deliver(FlowClosed(STREAM, "shutdown", 0.0))
    assert bench.core.events == []
    assert bench.delayed() == []


def test_a_stop_in_the_middle_of_an_event_arms_no_timer(bench):
    bench.core.deadline = 1.0
    bench.core.script[b"m"] = [Send(FLOW, b"1", b"BYE")]
    bench.transports[0].on_send = lambda octets: bench.driver.stop()
    bench.message(b"m")
    assert bench.delayed() == []


# -- the store


def test_stored_bindings_come_back_with_their_ticket():
    store = SlowStore()
    bench = Bench(store)
    bindings = [object()]
    bench.core.script[b"m"] = [StoreBindings(bindings, 3)]
    bench.message(b"m")
    assert store.saved[0][0] is bindings
    assert len(bench.core.events) == 1
    bench.reactor.advance(2.0)
    store.saved[0][1]()
    event = bench.core.events[1]
    assert isinstance(event, BindingsStored)
    assert (event.ticket, event.now) == (3, 2.0)


def test_nobody_waits_for_ticket_zero():
    store = SlowStore()
    bench = Bench(store)
    bench.core.script[b"m"] = [StoreBindings([], 0)]
    bench.message(b"m")
    assert store.saved == [([], None)]


def test_a_store_that_is_done_at_once_keeps_the_order(bench):
    """The memory store answers inside `save`: what stands after the effect still goes first."""
    bench.core.script[b"m"] = [StoreBindings([], 1), Send(FLOW, b"1", b"2xx")]
    bench.message(b"m")
    assert bench.done == [("send", b"1")]
    assert [type(event) for event in bench.core.events] == [MessageReceived, BindingsStored]


# -- with the real wheel


class Item:
    """One entry of the wheel; may fail."""

    def __init__(self, done, name, fails=False):
        self.queued = NEVER
        self.done = done
        self.name = name
        self.fails = fails

    def run_due(self, now, out):
        if self.fails:
            raise RuntimeError("a slip")
        self.done.append(self.name)
        return NEVER


def test_a_timer_that_fails_costs_no_other_one(bench, failures):
    """Those of the same 50 ms would never run: their transactions would live for ever."""
    wheel, ran = Wheel(), []
    for item in (Item(ran, "1"), Item(ran, "2", fails=True), Item(ran, "3"), Item(ran, "4")):
        wheel.push(item, 1.0)
    wheel.push(Item(ran, "later"), 2.0)
    bench.driver._next_deadline = wheel.next_deadline
    bench.core.tick = lambda now: wheel.tick(now, []) or []
    bench.message(b"m")
    for _ in range(30):
        bench.reactor.advance(0.1)
    assert ran == ["1", "3", "4", "later"]
    assert bench.counts.dropped["internal_error"] == 1
    assert wheel.entries == 0
    assert bench.delayed() == []
