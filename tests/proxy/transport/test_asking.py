"""One binding request, sent until it is answered or given up, and the socket that only asks."""

from __future__ import annotations

import errno
import os
import socket

import pytest
from twisted.internet.task import Clock

from proxy import stun
from proxy.stun import answer_to, binding_request, read_answer
from proxy.transport.asking import FEWER_REQUESTS, REQUESTS, AskingPort, NoAnswerError, StoppedError, Transaction
from tests.support.clock import run_until
from tests.support.private_reactor import PrivateReactor

SERVER = ("192.0.2.1", 3478)


class Asked:
    """A socket that keeps what is sent, with the time."""

    def __init__(self, clock):
        self.clock = clock
        self.heard = None
        self.sent = []
        self.error = None

    def ask(self, octets, host, port):
        if self.error is not None:
            raise self.error
        self.sent.append((self.clock.seconds(), octets, (host, port)))


class Bench:
    def __init__(self, host=SERVER[0], requests=REQUESTS):
        self.clock = Clock()
        self.socket = Asked(self.clock)
        self.transaction = Transaction(self.socket, self.clock, host, SERVER[1], requests)
        self.outcomes = []
        self.transaction.answer.addBoth(self.outcomes.append)
        self.transaction.send()

    @property
    def id(self):
        return self.socket.sent[0][1][8:20]

    @property
    def times(self):
        return [time for time, _, _ in self.socket.sent]

    def hear(self, octets, host=SERVER[0], port=SERVER[1]):
        return self.transaction.hear(octets, host, port)

    def answer(self, host="203.0.113.9", port=5060):
        return answer_to(self.socket.sent[-1][1], host, port)


# -- RFC 8489 section 6.2.1


def test_a_request_is_sent_seven_times_and_given_up_after_39_and_a_half_seconds():
    """> requests will be sent at times 0 ms, 500 ms, 1500 ms, 3500 ms, 7500 ms, 15500 ms, and 31500 ms. If the client
    > has not received a response after 39500 ms, the client will consider the transaction to have timed out."""
    bench = Bench()
    run_until(bench.clock, 39.49)
    assert bench.times == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert bench.outcomes == []
    run_until(bench.clock, 39.5)
    assert bench.outcomes[0].check(NoAnswerError)
    assert bench.outcomes[0].getErrorMessage() == "does not answer within 39.5 s"
    assert len(bench.socket.sent) == 7
    assert bench.clock.getDelayedCalls() == []


def test_where_there_is_a_further_address_it_is_given_up_sooner():
    bench = Bench(requests=FEWER_REQUESTS)
    run_until(bench.clock, 100)
    assert bench.times == [0, 0.5, 1.5, 3.5]
    assert bench.outcomes[0].getErrorMessage() == "does not answer within 11.5 s"


def test_each_retransmission_is_the_same_request_to_the_same_address():
    bench = Bench()
    run_until(bench.clock, 39)
    assert {(octets, address) for _, octets, address in bench.socket.sent} == {(binding_request(bench.id), SERVER)}


def test_an_answer_ends_it():
    bench = Bench()
    run_until(bench.clock, 2)
    assert bench.hear(bench.answer())
    assert bench.outcomes == [("203.0.113.9", 5060)]
    assert bench.clock.getDelayedCalls() == []


def test_no_two_requests_share_an_id():
    assert len({Bench().id for _ in range(10)}) == 10


# -- what is no answer


@pytest.mark.parametrize("source", [("192.0.2.2", 3478), ("192.0.2.1", 3479), ("2001:db8::1", 3478)])
def test_an_answer_from_elsewhere_is_not_heard(source):
    """Who only guesses our question must not tell us where we are."""
    bench = Bench()
    assert not bench.hear(bench.answer(), *source)
    assert bench.outcomes == []


def test_an_answer_to_another_question_is_not_heard():
    bench = Bench()
    assert not bench.hear(answer_to(binding_request(os.urandom(12)), "203.0.113.9", 5060))
    assert bench.outcomes == []


def test_an_ipv6_address_may_be_spelled_otherwise():
    bench = Bench("2001:db8:0:0::1")
    assert bench.hear(bench.answer(), "2001:db8::1")


def test_a_link_local_server_is_known_with_its_zone():
    bench = Bench("fe80::1")
    assert bench.hear(bench.answer(), "fe80::1%eth0")


def test_an_answer_of_no_use_ends_it():
    bench = Bench()
    error = b"\x00\x00\x04\x01Unauthorized"
    octets = b"\x01\x11\x00\x14" + stun.COOKIE + bench.id + b"\x00\x09\x00\x10" + error
    assert bench.hear(octets)
    assert bench.outcomes[0].getErrorMessage() == "answers 401 Unauthorized"
    assert bench.clock.getDelayedCalls() == []


def test_a_socket_that_refuses_ends_it():
    bench = Bench.__new__(Bench)
    bench.clock = Clock()
    bench.socket = Asked(bench.clock)
    bench.socket.error = OSError(errno.ENETUNREACH, "Network is unreachable")
    bench.transaction = Transaction(bench.socket, bench.clock, *SERVER, REQUESTS)
    bench.transaction.send()
    outcome = []
    bench.transaction.answer.addErrback(outcome.append)
    assert outcome[0].getErrorMessage() == "cannot be sent to: Network is unreachable"
    assert bench.clock.getDelayedCalls() == []


def test_it_can_be_stopped():
    bench = Bench()
    bench.transaction.stop()
    assert bench.outcomes[0].check(StoppedError)
    assert bench.clock.getDelayedCalls() == []


# -- the socket that only asks


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("bound", "family", "host"),
    [
        ("127.0.0.1", socket.AF_INET, "127.0.0.1"),
        ("0.0.0.0", socket.AF_INET, "127.0.0.1"),
        ("::1", socket.AF_INET6, "::1"),
        ("::", socket.AF_INET6, "::1"),
        ("::", socket.AF_INET, "127.0.0.1"),
    ],
)
def test_a_question_and_its_answer(bound, family, host):
    reactor = PrivateReactor()
    port = AskingPort(bound, reactor)
    heard = []
    port.heard = lambda *response: heard.append(response) or True
    port.listen()
    transaction = os.urandom(12)
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as server:
            server.settimeout(5)
            server.bind((host, 0))
            port.ask(binding_request(transaction), host, server.getsockname()[1])
            asked, source = server.recvfrom(1500)
            server.sendto(answer_to(asked, "203.0.113.9", 5060), source)
            port.transport.doRead()
            [(octets, *address)] = heard
            assert read_answer(octets, transaction) == ("203.0.113.9", 5060)
            assert address == [host, server.getsockname()[1]]
            port.heard = None
            server.sendto(b"nobody wants to know", source)
            port.transport.doRead()
            assert len(heard) == 1
    finally:
        port.stop()
        port.stop()
        reactor.close()
