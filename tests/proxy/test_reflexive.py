"""Asking STUN servers where our sockets are seen: with a clock, a resolver and sockets of the test's own."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock

from proxy.config.uris import HostPort
from proxy.core.locate import Unlocatable
from proxy.flow import CLIENT, TCP, UDP, Listener
from proxy.reflexive import PublicAddresses, Question
from proxy.resolver import Location
from proxy.stun import answer_to
from proxy.transport.asking import NoAnswerError
from tests.support.clock import run_until

NAME = HostPort(host="stun.example.com", port=3478)
FIRST, SECOND = ("192.0.2.1", 3478), ("192.0.2.2", 3478)


class Socket:
    """A UDP listener's socket."""

    def __init__(self):
        self.heard = None
        self.asked = []
        self.stopped = 0

    def ask(self, octets, host, port):
        self.asked.append((octets, (host, port)))

    def answers(self, host="203.0.113.9", port=40000, source=None):
        """The server that was asked last answers; false if nobody wanted to hear it."""
        octets, address = self.asked[-1]
        return self.heard is not None and self.heard(answer_to(octets, host, port), *(source or address))


class Dns:
    """The resolver: each name has these addresses, or fails."""

    def __init__(self):
        self.questions = []
        self.result = [(UDP, *FIRST)]

    def locate(self, *question):
        self.questions.append(question)
        if isinstance(self.result, Deferred):
            return self.result
        if isinstance(self.result, Exception):
            return fail(self.result)
        return succeed(Location(self.result, 60.0, []))


class Bench:
    """Listeners that are seen through a NAT."""

    def __init__(self, listeners=1, interval=30.0, host="0.0.0.0"):
        self.clock = Clock()
        self.dns = Dns()
        self.sockets = [Socket() for _ in range(listeners)]
        self.listeners = [
            Listener(index, CLIENT, UDP, host, 5060 + index, "10.0.0.2", 5060 + index) for index in range(listeners)
        ]
        self.questions = []
        for listener in self.listeners:
            question = Question(NAME, host, listener.index)
            question.add(listener, False)
            self.questions.append(question)
        self.interval = interval
        self.notes = []
        self.outcomes = []
        self.public = None

    def start(self):
        self.public = PublicAddresses(
            self.questions, self.sockets, self.dns, self.clock, self.interval, self.deliver, self.notes.append
        )
        Deferred.fromCoroutine(self.public.find()).addBoth(self.outcomes.append)
        return self

    def deliver(self, event):
        """As the core does."""
        event.listener.rename(event.host, event.port)

    @property
    def said(self):
        return [note.text.format_map(note.fields) for note in self.notes]

    @property
    def seen(self):
        return [listener.sent_by.decode() for listener in self.listeners]

    @property
    def reason(self):
        """Why the start failed."""
        assert self.outcomes[0].check(NoAnswerError)
        return self.outcomes[0].getErrorMessage()


def test_a_listener_is_known_by_what_the_server_sees():
    bench = Bench().start()
    assert bench.dns.questions == [("stun.example.com", 3478, "udp", False, frozenset((UDP,)), ("A",))]
    assert bench.outcomes == []
    assert bench.sockets[0].answers()
    assert bench.outcomes == [True]
    assert bench.seen == ["203.0.113.9:40000"]
    assert bench.notes == []


@pytest.mark.parametrize(
    ("host", "families"), [("0.0.0.0", ("A",)), ("10.0.0.2", ("A",)), ("::1", ("AAAA",)), ("::", ("A", "AAAA"))]
)
def test_only_addresses_that_the_socket_can_reach_are_asked_for(host, families):
    assert Bench(host=host).start().dns.questions[0][-1] == families


def test_an_ipv6_address_is_written_with_brackets():
    bench = Bench(host="::1")
    bench.dns.result = [(UDP, "2001:db8::1", 3478)]
    bench.start()
    assert bench.sockets[0].answers("2001:db8::9", 5060)
    assert bench.seen == ["[2001:db8::9]:5060"]


def test_the_start_waits_for_all():
    bench = Bench(2).start()
    assert bench.sockets[1].answers("203.0.113.9", 40001)
    assert bench.outcomes == []
    assert bench.sockets[0].answers()
    assert bench.outcomes == [True]
    assert bench.seen == ["203.0.113.9:40000", "203.0.113.9:40001"]


def test_without_questions_there_is_nothing_to_wait_for():
    assert Bench(0).start().outcomes == [True]


def test_a_port_that_is_given_stays():
    """A port forwarding says what clients see; the mapping of our own packets is another."""
    bench = Bench()
    bench.questions[0].fixed.add(0)
    bench.start().sockets[0].answers()
    assert bench.seen == ["203.0.113.9:5060"]


def test_streams_take_the_address_and_keep_their_port():
    bench = Bench()
    stream = Listener(1, CLIENT, TCP, "0.0.0.0", 5061, "10.0.0.2", 5061)
    bench.questions[0].add(stream, True)
    bench.start().sockets[0].answers()
    assert stream.sent_by == b"203.0.113.9:5061"
    assert bench.seen == ["203.0.113.9:40000"]


# -- failures at the start


def test_a_server_that_does_not_answer():
    bench = Bench().start()
    run_until(bench.clock, 39.4)
    assert bench.outcomes == []
    run_until(bench.clock, 39.5)
    assert bench.reason == "stun:stun.example.com:3478: 192.0.2.1:3478 does not answer within 39.5 s"
    assert len(bench.sockets[0].asked) == 7


def test_the_next_address_is_tried():
    bench = Bench()
    bench.dns.result = [(UDP, *FIRST), (UDP, *SECOND)]
    bench.start()
    run_until(bench.clock, 11.5)
    assert [address for _, address in bench.sockets[0].asked] == [FIRST] * 4 + [SECOND]
    assert not bench.sockets[0].answers(source=FIRST)  # too late, and to another question
    assert bench.sockets[0].answers()
    assert bench.outcomes == [True]


def test_all_that_was_tried_is_named():
    bench = Bench()
    bench.dns.result = [(UDP, *FIRST), (UDP, "2001:db8::1", 3478), (UDP, *SECOND), (UDP, "192.0.2.3", 3478)]
    bench.start()
    run_until(bench.clock, 100)
    assert bench.reason == (
        "stun:stun.example.com:3478: 192.0.2.1:3478 does not answer within 11.5 s, "
        "[2001:db8::1]:3478 does not answer within 11.5 s, 192.0.2.2:3478 does not answer within 39.5 s"
    )


def test_a_name_without_address():
    bench = Bench()
    bench.dns.result = Unlocatable("stun.example.com has no A record")
    assert bench.start().reason == "stun:stun.example.com:3478: stun.example.com has no A record"


def test_an_answer_of_no_use():
    bench = Bench().start()
    octets, address = bench.sockets[0].asked[0]
    error = b"\x01\x11\x00\x08" + octets[4:20] + b"\x00\x09\x00\x04\x00\x00\x05\x00"
    assert bench.sockets[0].heard(error, *address)
    assert bench.reason == "stun:stun.example.com:3478: 192.0.2.1:3478 answers 500"


# -- while it runs


def running(**options):
    bench = Bench(**options).start()
    bench.sockets[0].answers()
    return bench


def test_it_asks_again_at_the_interval():
    bench = running()
    run_until(bench.clock, 29.9)
    assert len(bench.sockets[0].asked) == 1
    run_until(bench.clock, 30)
    assert len(bench.sockets[0].asked) == 2
    assert bench.sockets[0].asked[0] != bench.sockets[0].asked[1]
    bench.sockets[0].answers()
    assert bench.notes == []
    run_until(bench.clock, 60)
    assert len(bench.sockets[0].asked) == 3


def test_a_new_address_is_taken_and_told():
    bench = running()
    run_until(bench.clock, 30)
    bench.sockets[0].answers("203.0.113.99", 41000)
    assert bench.seen == ["203.0.113.99:41000"]
    assert bench.said == [
        "the public address of udp://0.0.0.0:5060 is 203.0.113.99:41000 now, it was 203.0.113.9:40000"
    ]
    assert bench.notes[0].level == "warn"


def test_a_server_that_fails_later_changes_nothing_and_is_told_once():
    bench = running()
    run_until(bench.clock, 30 + 3 * (39.5 + 30))
    assert bench.seen == ["203.0.113.9:40000"]
    assert bench.said == [
        "the public address cannot be asked for again, what was known stays: "
        "stun:stun.example.com:3478: 192.0.2.1:3478 does not answer within 39.5 s"
    ]
    bench.sockets[0].answers()
    assert bench.said[1:] == ["stun:stun.example.com:3478 answers again"]
    assert [note.level for note in bench.notes] == ["warn", "info"]


def test_a_name_that_resolves_no_more_changes_nothing():
    bench = running()
    bench.dns.result = Unlocatable("no answer")
    run_until(bench.clock, 70)
    assert bench.said == [
        "the public address cannot be asked for again, what was known stays: stun:stun.example.com:3478: no answer"
    ]
    bench.dns.result = [(UDP, *SECOND)]
    run_until(bench.clock, 90)
    assert bench.sockets[0].asked[-1][1] == SECOND


def test_an_error_of_ours_does_not_end_the_asking():
    bench = running()
    bench.dns.result = RuntimeError("ours")
    failures = []
    bench.public._inquiries[0].log = type("Log", (), {"failure": lambda self, text, why: failures.append(why)})()
    run_until(bench.clock, 30)
    assert [str(why.value) for why in failures] == ["ours"]
    bench.dns.result = [(UDP, *FIRST)]
    run_until(bench.clock, 60)
    assert len(bench.sockets[0].asked) == 2


# -- the end


def test_stopped_while_it_asks_for_the_first_time():
    bench = Bench().start()
    bench.public.stop()
    assert bench.outcomes == [False]
    assert bench.clock.getDelayedCalls() == []
    assert not bench.sockets[0].answers()


def test_stopped_while_the_name_is_looked_up():
    bench = Bench()
    late = bench.dns.result = Deferred()
    bench.start().public.stop()
    late.callback(Location([(UDP, *FIRST)], 60.0, []))
    assert bench.outcomes == [False]
    assert bench.sockets[0].asked == []


@pytest.mark.parametrize("seconds", [1, 30, 31])
def test_stopped_later_it_leaves_nothing_behind(seconds):
    bench = running()
    run_until(bench.clock, seconds)
    bench.public.stop()
    assert bench.clock.getDelayedCalls() == []


def test_a_failure_after_the_end_begins_nothing_new():
    bench = running()
    late = bench.dns.result = Deferred()
    run_until(bench.clock, 30)
    bench.public.stop()
    late.errback(Unlocatable("too late"))
    assert bench.clock.getDelayedCalls() == []


# -- a socket that only asks


class OwnReactor(Clock):
    """Gives out sockets, or none."""

    def __init__(self):
        super().__init__()
        self.bound = []
        self.refuse = False

    def listenUDP(self, port, protocol, interface=""):
        if self.refuse:
            raise CannotListenError(interface, port, OSError(99, "Cannot assign requested address"))
        self.bound.append((port, interface))
        return self

    def stopListening(self):
        self.bound.append("stopped")


def test_where_no_udp_listener_can_ask_a_socket_is_opened():
    bench = Bench(0)
    bench.clock = OwnReactor()
    bench.dns.result = Deferred()
    question = Question(NAME, "10.0.0.2", None)
    question.add(Listener(0, CLIENT, TCP, "10.0.0.2", 5060, "10.0.0.2", 5060), True)
    bench.questions = [question]
    bench.start()
    assert bench.clock.bound == [(0, "10.0.0.2")]
    bench.public.stop()
    assert bench.clock.bound == [(0, "10.0.0.2"), "stopped"]


def test_a_socket_that_cannot_be_opened_refuses_the_start():
    bench = Bench(0)
    bench.clock = OwnReactor()
    bench.clock.refuse = True
    bench.questions = [Question(NAME, "10.0.0.2", None)]
    assert "Cannot assign requested address" in bench.start().reason
