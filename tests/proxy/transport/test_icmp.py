"""ICMP errors at a UDP socket that faces the server, with real sockets on loopback."""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys

import pytest
from twisted.logger import globalLogPublisher

from proxy.core.flows import Flows
from proxy.events import MessageReceived, SendFailed
from proxy.flow import CLIENT, SERVER, UDP, Listener
from proxy.transport.icmp import ask_for_errors, unreachable_addresses
from proxy.transport.udp import UdpPort
from tests.support.private_reactor import PrivateEPollReactor, PrivateReactor

pytestmark = [
    pytest.mark.loopback,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a socket what ICMP says"),
]
FAMILIES = [
    ("127.0.0.1", socket.AF_INET, "127.0.0.1"),
    ("0.0.0.0", socket.AF_INET, "127.0.0.1"),
    ("::1", socket.AF_INET6, "::1"),
    ("::", socket.AF_INET6, "::1"),
    ("::", socket.AF_INET, "127.0.0.1"),
]


class Bench:
    """A UDP port and what it tells the driver."""

    def __init__(self, reactor, host="127.0.0.1", side=SERVER):
        self.reactor = reactor
        self.listener = Listener(0, side, UDP, host, 0, "192.0.2.1", 5060)
        self.events = []
        self.flows = Flows((self.listener,), 100, 1)
        self.udp = UdpPort(self.listener, reactor, self.flows, self.events.append, lambda: 7.5)
        self.udp.listen()

    def send(self, address, octets=b"x"):
        self.udp.send(self.flows.udp(self.listener, *address), octets)

    def failed(self):
        """The addresses of which it was told that nobody listens there."""
        return [event.flow.address for event in self.events if isinstance(event, SendFailed)]

    def taken(self):
        return [event.octets for event in self.events if isinstance(event, MessageReceived)]


@pytest.fixture(params=[PrivateReactor, PrivateEPollReactor])
def reactor(request):
    made = request.param()
    yield made
    made.close()


@pytest.fixture
def make(reactor):
    made = []

    def bench(*words, **names):
        made.append(Bench(reactor, *words, **names))
        return made[-1]

    yield bench
    for one in made:
        one.udp.stop()


def bound(family=socket.AF_INET, host="127.0.0.1"):
    opened = socket.socket(family, socket.SOCK_DGRAM)
    opened.settimeout(5)
    opened.bind((host, 0))
    return opened


def closed(family=socket.AF_INET, host="127.0.0.1"):
    """An address at which nobody listens."""
    with bound(family, host) as opened:
        return opened.getsockname()[:2]


@pytest.mark.parametrize(("host", "family", "peer"), FAMILIES)
def test_a_closed_port_is_told_as_a_failure_of_its_flow(make, reactor, host, family, peer):
    """> host, network, port or protocol unreachable errors ... SHOULD cause the transport layer to inform the
    > transport user of a failure in sending (RFC 3261 section 18.4)
    """
    bench = make(host)
    nobody = closed(family, peer)
    bench.send(nobody)
    reactor.until(bench.failed)
    [event] = bench.events
    assert (event.flow, event.now, event.octets) == (bench.flows.udp(bench.listener, *nobody), 7.5, None)
    assert event.reason.startswith("econnrefused: ")


@pytest.mark.parametrize(("host", "family", "peer"), FAMILIES)
def test_the_socket_outlives_the_error(make, reactor, host, family, peer):
    bench = make(host)
    bench.send(closed(family, peer))
    reactor.until(bench.failed)
    with bound(family, peer) as client:
        client.sendto(b"OPTIONS", (peer, bench.udp.transport.getHost().port))
        reactor.until(bench.taken)
        bench.send(client.getsockname()[:2], b"answer")
        assert client.recv(100) == b"answer"


def test_the_next_datagram_reaches_another_server_all_the_same(make, reactor):
    """The kernel fails whatever is sent next; that is not this address's fault."""
    bench = make()
    nobody = closed()
    with bound() as server:
        bench.send(nobody)
        bench.send(server.getsockname(), b"INVITE")
        assert server.recv(100) == b"INVITE"
        assert bench.failed() == [nobody]
        bench.send(server.getsockname(), b"again")
        assert server.recv(100) == b"again"
    reactor.turn()
    assert bench.failed() == [nobody]


def test_errors_and_datagrams_at_once(make, reactor):
    """Several addresses are closed, one of them twice, while datagrams wait to be read."""
    bench = make()
    here = ("127.0.0.1", bench.udp.transport.getHost().port)
    nobodies = [closed() for _ in range(3)]
    with bound() as client:
        for nobody in (*nobodies, nobodies[0]):
            bench.send(nobody)
            client.sendto(b"OPTIONS", here)
        reactor.until(lambda: len(bench.taken()) == 4 and set(bench.failed()) == set(nobodies))


def test_nobody_is_told_of_clients(make, reactor):
    """Anyone can forge ICMP, and a phone may be back before the last retransmission."""
    bench = make(side=CLIENT)
    bench.send(closed())
    with bound() as client:
        bench.send(client.getsockname(), b"INVITE")
        assert client.recv(100) == b"INVITE"
        client.sendto(b"OPTIONS", ("127.0.0.1", bench.udp.transport.getHost().port))
        reactor.until(bench.taken)
    assert bench.failed() == []


def test_a_datagram_that_raises_is_dropped_and_told(make, reactor):
    bench = make()
    told = []
    globalLogPublisher.addObserver(told.append)
    try:
        bench.udp.datagramReceived = None
        with bound() as client:
            client.sendto(b"OPTIONS", ("127.0.0.1", bench.udp.transport.getHost().port))
            reactor.until(lambda: told)
            del bench.udp.datagramReceived
            client.sendto(b"OPTIONS", ("127.0.0.1", bench.udp.transport.getHost().port))
            reactor.until(bench.taken)
    finally:
        globalLogPublisher.removeObserver(told.append)
    assert "please report this" in told[0]["log_format"]


class Errors:
    """A socket whose errors are these: (level, option, errno, origin, type, address)."""

    def __init__(self, *errors):
        self._errors = list(errors)

    def recvmsg(self, octets, notes, flags):
        if not self._errors:
            raise BlockingIOError
        level, option, number, origin, kind, address = self._errors.pop(0)
        return b"", [(level, option, struct.pack("=IBBBBII", number, origin, kind, 1, 0, 0, 0))], flags, address


A = ("192.0.2.7", 5060)
ICMP = (socket.IPPROTO_IP, 11)
ICMP6 = (socket.IPPROTO_IPV6, 25)


@pytest.mark.parametrize(
    ("error", "found"),
    [
        ((*ICMP, errno.ECONNREFUSED, 2, 3, A), {A: errno.ECONNREFUSED}),
        ((*ICMP, errno.EHOSTUNREACH, 2, 3, A), {A: errno.EHOSTUNREACH}),
        ((*ICMP6, errno.ECONNREFUSED, 3, 1, ("2001:db8::7", 5060, 0, 0)), {("2001:db8::7", 5060): errno.ECONNREFUSED}),
        ((*ICMP6, errno.ECONNREFUSED, 2, 3, ("::ffff:192.0.2.7", 5060, 0, 0)), {A: errno.ECONNREFUSED}),
        # A path that is too narrow, too many hops, our own machine, and what is no such error.
        ((*ICMP, errno.EMSGSIZE, 2, 3, A), {}),
        ((*ICMP, errno.EHOSTUNREACH, 2, 11, A), {}),
        ((*ICMP6, errno.EHOSTUNREACH, 3, 3, ("2001:db8::7", 5060, 0, 0)), {}),
        ((*ICMP, errno.EHOSTUNREACH, 1, 0, A), {}),
        ((socket.SOL_SOCKET, 29, errno.ECONNREFUSED, 2, 3, A), {}),
    ],
)
def test_only_what_cannot_be_reached_counts(error, found):
    assert unreachable_addresses(Errors(error)) == found


def test_each_address_is_told_once_and_no_more_than_some():
    one, two = ((*ICMP, errno.ECONNREFUSED, 2, 3, (host, 5060)) for host in ("192.0.2.7", "192.0.2.8"))
    assert list(unreachable_addresses(Errors(one, two, one))) == [("192.0.2.7", 5060), ("192.0.2.8", 5060)]
    flood = [(*ICMP, errno.ECONNREFUSED, 2, 3, ("192.0.2.7", port)) for port in range(1000)]
    assert len(unreachable_addresses(Errors(*flood))) == 64


class Sendto:
    """Fails with these errors, one after the other; takes everything then."""

    def __init__(self, *numbers):
        self._numbers = list(numbers)
        self.sent = []

    def __call__(self, octets, address):
        if self._numbers:
            number = self._numbers.pop(0)
            raise OSError(number, os.strerror(number))
        self.sent.append(octets)


@pytest.mark.parametrize(
    ("numbers", "sent", "failed"),
    [
        ((errno.EHOSTUNREACH,), [b"x"], []),
        ((errno.ECONNREFUSED, errno.ECONNREFUSED), [], []),
        ((errno.EAGAIN, errno.EAGAIN), [], []),
        ((errno.ENETUNREACH, errno.ENETUNREACH), [], [None]),
        ((errno.EMSGSIZE, errno.EMSGSIZE), [], [b"x"]),
    ],
)
def test_a_call_that_fails_is_tried_again_before_the_address_is_blamed(make, numbers, sent, failed):
    bench = make()
    bench.udp._sendto = Sendto(*numbers)
    bench.send(("192.0.2.7", 5060))
    assert bench.udp._sendto.sent == sent
    assert [event.octets for event in bench.events] == failed


def test_elsewhere_nobody_asks(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with bound() as opened:
        assert not ask_for_errors(opened)
