"""Where the server is, on a clock of the test and with a resolver that says what the test wants."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from proxy.core.locate import Unlocatable
from proxy.flow import TCP, UDP
from proxy.resolver import Location
from proxy.whereabouts import RETRY, SHORTEST, SUPPORTED, NotFoundError, Whereabouts

ONE = (UDP, "192.0.2.1", 5060)
TWO = (UDP, "192.0.2.2", 5060)


@dataclass(frozen=True)
class Name:
    host: str = "pbx.example.com"
    port: int | None = None
    transport: str | None = None
    scheme: str = "sip"

    def __str__(self):
        return f"{self.scheme}:{self.host}"


class Bench:
    def __init__(self, *names):
        self.clock = Clock()
        self.asked = []
        self.answers = []
        self.moves = []
        self.notes = []
        self.where = Whereabouts(
            self, self.clock, names or (Name(),), ("A",), self.moves.append, lambda note: self.notes.append(note)
        )

    def locate(self, *question):
        self.asked.append(question)
        answer = self.answers.pop(0)
        if isinstance(answer, Deferred):
            return answer
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)

    def find(self, *answers):
        self.answers = list(answers)
        result = []
        Deferred.fromCoroutine(self.where.find()).addBoth(result.append)
        return result[0] if result else None

    def lines(self):
        return [(note.level, note.text.format_map(note.fields)) for note in self.notes]


def location(*addresses, ttl=60.0, troubles=()):
    return Location(list(addresses), ttl, list(troubles))


@pytest.fixture
def bench():
    return Bench()


def test_the_addresses_come_in_the_order_of_the_targets():
    bench = Bench(Name("a.example.com"), Name("b.example.com", 5070, "tcp"))
    assert bench.find(location(TWO), location(ONE)) == (TWO, ONE)
    assert bench.where.addresses == (TWO, ONE)
    assert bench.asked == [
        ("a.example.com", 0, None, False, SUPPORTED, ("A",)),
        ("b.example.com", 5070, "tcp", False, SUPPORTED, ("A",)),
    ]
    assert frozenset((UDP, TCP)) == SUPPORTED


def test_a_machine_named_twice_is_one_target():
    bench = Bench(Name("a.example.com"), Name("b.example.com"))
    assert bench.find(location(ONE, TWO), location(ONE)) == (ONE, TWO)


def test_a_target_without_address_is_named(bench):
    failure = bench.find(Unlocatable("no such name"))
    assert failure.type is NotFoundError
    assert str(failure.value) == "sip:pbx.example.com cannot be resolved: no such name"
    assert bench.clock.getDelayedCalls() == []


def test_after_its_time_the_name_is_looked_up_again(bench):
    bench.find(location(ONE, ttl=60.0), location(TWO, ttl=90.0), location(TWO, ttl=60.0))
    bench.clock.advance(59.9)
    assert len(bench.asked) == 1
    bench.clock.advance(0.1)
    assert bench.moves == [(TWO,)]
    assert bench.where.addresses == (TWO,)
    bench.clock.advance(90)
    assert (len(bench.asked), bench.moves, bench.notes) == (3, [(TWO,)], [])


def test_the_shortest_life_of_all_targets_counts():
    bench = Bench(Name("a.example.com"), Name("b.example.com"))
    bench.find(location(ONE, ttl=600.0), location(TWO, ttl=30.0))
    assert [call.getTime() for call in bench.clock.getDelayedCalls()] == [30.0]


def test_however_short_a_life_is_there_is_no_flood_of_questions(bench):
    bench.find(location(ONE, ttl=0.0))
    assert [call.getTime() for call in bench.clock.getDelayedCalls()] == [SHORTEST]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Unlocatable("no such name"), "sip:pbx.example.com cannot be resolved: no such name"),
        (location(TWO, troubles=["SRV _sip._udp.x: no answer within 5 s"]), "SRV _sip._udp.x: no answer within 5 s"),
    ],
)
def test_what_was_known_stays_when_dns_fails(bench, bad, reason):
    bench.find(location(ONE), bad, bad, location(TWO))
    bench.clock.advance(60)
    assert bench.where.addresses == (ONE,)
    assert bench.lines() == [("warn", f"the server's name: {reason}; the known addresses stay")]
    bench.clock.advance(RETRY)
    assert len(bench.notes) == 1, "said once until it is over"
    bench.clock.advance(RETRY)
    assert bench.moves == [(TWO,)]
    assert bench.lines()[1:] == [("info", "the server's name is resolved again")]


def test_a_start_without_all_answers_uses_what_it_has_and_looks_again_soon(bench):
    bench.find(location(ONE, ttl=3600.0, troubles=["SRV x: timeout"]), location(TWO, ttl=3600.0))
    assert bench.where.addresses == (ONE,)
    assert bench.lines() == [("warn", "the server's name: SRV x: timeout; what was found without it is used")]
    bench.clock.advance(RETRY)
    assert bench.moves == [(TWO,)]


def test_after_stop_nothing_is_asked(bench):
    bench.find(location(ONE))
    bench.where.stop()
    bench.where.stop()
    assert bench.clock.getDelayedCalls() == []


def test_an_answer_after_stop_changes_nothing(bench):
    late = Deferred()
    bench.find(location(ONE), late)
    bench.clock.advance(60)
    bench.where.stop()
    late.callback(location(TWO))
    assert (bench.moves, bench.where.addresses) == ([], (ONE,))
    assert bench.clock.getDelayedCalls() == []


def test_a_first_answer_after_stop_arms_nothing(bench):
    late = Deferred()
    bench.find(late)
    bench.where.stop()
    late.callback(location(ONE))
    assert bench.clock.getDelayedCalls() == []


def test_an_error_of_ours_does_not_end_the_looking(bench):
    events = []
    globalLogPublisher.addObserver(events.append)
    try:
        bench.find(location(ONE), ZeroDivisionError("a slip"), location(TWO))
        bench.clock.advance(60)
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert [event["log_failure"].type for event in events if "log_failure" in event] == [ZeroDivisionError]
    bench.clock.advance(RETRY)
    assert bench.moves == [(TWO,)]
