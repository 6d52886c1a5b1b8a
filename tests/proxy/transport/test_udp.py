"""One UDP socket: against a fake of Twisted's port, and for real on loopback."""

from __future__ import annotations

import errno
import os
import socket

import pytest
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorUDP
from twisted.internet.selectreactor import SelectReactor
from zope.interface.verify import verifyClass

from proxy.core.flows import Flows
from proxy.events import MessageReceived, SendFailed
from proxy.flow import CLIENT, UDP, Listener
from proxy.transport.udp import UdpPort
from tests.support.private_reactor import PrivateReactor


class FakeSocket:
    """Takes what is sent, or fails as told."""

    def __init__(self):
        self.sent = []
        self.options = {}
        self.error = None

    def setsockopt(self, level, option, value):
        self.options[option] = value

    def sendto(self, octets, address):
        if self.error is not None:
            raise self.error
        self.sent.append((octets, address))
        return len(octets)


class FakePort:
    """Stands where Twisted's port does."""

    def __init__(self):
        self.socket = FakeSocket()
        self.stopped = 0

    def stopListening(self):
        self.stopped += 1


class FakeReactor:
    def __init__(self):
        self.asked = []
        self.port = FakePort()

    def listenUDP(self, port, protocol, interface="", maxPacketSize=8192):
        self.asked.append((port, interface, maxPacketSize))
        protocol.transport = self.port
        protocol.startProtocol()
        return self.port


class Bench:
    def __init__(self, host="127.0.0.1", reactor=None, port=5060):
        self.listener = Listener(0, CLIENT, UDP, host, port, "192.0.2.1", 5060)
        self.events = []
        self.reactor = reactor or FakeReactor()
        self.flows = Flows((self.listener,), 100, 1)
        self.udp = UdpPort(self.listener, self.reactor, self.flows, self.events.append, lambda: 7.5)
        self.udp.listen()

    @property
    def socket(self):
        return self.reactor.port.socket


def test_a_datagram_is_a_message_on_the_flow_of_its_source():
    bench = Bench()
    bench.udp.datagramReceived(b"OPTIONS sip:a SIP/2.0\r\n\r\n", ("192.0.2.7", 4711))
    [event] = bench.events
    assert isinstance(event, MessageReceived)
    assert (event.octets, event.now) == (b"OPTIONS sip:a SIP/2.0\r\n\r\n", 7.5)
    assert event.flow is bench.flows.udp(bench.listener, "192.0.2.7", 4711)


def test_two_datagrams_of_one_source_share_a_flow():
    bench = Bench()
    for _ in range(2):
        bench.udp.datagramReceived(b"OPTIONS sip:a SIP/2.0\r\n\r\n", ("192.0.2.7", 4711))
    assert bench.events[0].flow is bench.events[1].flow


@pytest.mark.parametrize("octets", [b"", b"\r\n", b"\r\n\r\n", b"\0", b"\0\0\0\0", b" ", b"\r\n\r\n\r\n\r\n"])
def test_what_keeps_a_nat_open_is_counted_and_goes_no_further(octets):
    bench = Bench()
    bench.udp.datagramReceived(octets, ("192.0.2.7", 4711))
    assert bench.events == []
    assert bench.udp.keep_alives == 1


@pytest.mark.parametrize("octets", [b"x", b"\r\nx\r\n", b"\r\n" * 5, b"jak"])
def test_other_junk_is_for_the_core_to_count(octets):
    bench = Bench()
    bench.udp.datagramReceived(octets, ("192.0.2.7", 4711))
    assert [event.octets for event in bench.events] == [octets]
    assert bench.udp.keep_alives == 0


def test_a_message_leaves_by_the_socket_to_the_address_of_its_flow():
    bench = Bench()
    bench.udp.send(bench.flows.udp(bench.listener, "192.0.2.7", 4711), b"x")
    assert bench.socket.sent == [(b"x", ("192.0.2.7", 4711))]


@pytest.mark.parametrize("code", [errno.EMSGSIZE, errno.EPERM, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL])
def test_what_the_kernel_refuses_comes_back_as_an_event(code):
    bench = Bench()
    flow = bench.flows.udp(bench.listener, "192.0.2.7", 4711)
    bench.socket.error = OSError(code, os.strerror(code))
    bench.udp.send(flow, b"x")
    [event] = bench.events
    assert isinstance(event, SendFailed)
    assert (event.flow, event.now) == (flow, 7.5)
    assert event.reason == f"{errno.errorcode[code].lower()}: {os.strerror(code)}"
    # Only a datagram that is too large says nothing about the address it was for.
    assert event.octets == (b"x" if code == errno.EMSGSIZE else None)


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS])
def test_a_full_socket_is_loss_that_retransmission_heals(code):
    bench = Bench()
    bench.socket.error = OSError(code, os.strerror(code))
    bench.udp.send(bench.flows.udp(bench.listener, "192.0.2.7", 4711), b"x")
    assert bench.events == []


def test_an_error_without_number_has_a_reason_too():
    bench = Bench()
    bench.socket.error = OSError("odd")
    bench.udp.send(bench.flows.udp(bench.listener, "192.0.2.7", 4711), b"x")
    assert bench.events[0].reason.startswith("error: ")


def test_after_the_end_of_the_socket_a_send_fails_as_an_event():
    bench = Bench()
    bench.udp.stopProtocol()
    bench.udp.send(bench.flows.udp(bench.listener, "192.0.2.7", 4711), b"x")
    assert bench.socket.sent == []
    assert bench.events[0].reason.startswith("enotconn: ")


def test_the_socket_takes_whole_datagrams_and_bursts():
    bench = Bench()
    assert bench.reactor.asked == [(5060, "127.0.0.1", 65535)]
    assert bench.socket.options == {socket.SO_RCVBUF: 4 * 1024 * 1024, socket.SO_SNDBUF: 4 * 1024 * 1024}


def test_stop_closes_once():
    bench = Bench()
    bench.udp.stop()
    bench.udp.stop()
    assert bench.reactor.port.stopped == 1


def test_there_is_nothing_to_connect_or_close():
    bench = Bench()
    flow = bench.flows.udp(bench.listener, "192.0.2.7", 4711)
    bench.udp.connect(flow)
    bench.udp.close_flow(flow, "why")
    assert (bench.events, bench.socket.sent) == ([], [])


# -- [::] takes IPv4 as well


def test_an_ipv4_client_at_an_ipv6_wildcard_is_known_by_its_ipv4_address():
    """Its address stands in Via, and decides whether it is the server: it must not depend on our socket."""
    bench = Bench("::")
    bench.udp.datagramReceived(b"OPTIONS sip:a SIP/2.0\r\n\r\n", ("::ffff:192.0.2.7", 4711))
    assert bench.events[0].flow.remote_host == "192.0.2.7"


def test_an_ipv4_client_at_an_ipv6_wildcard_is_reached():
    """The kernel takes no IPv4 address for an IPv6 socket, only one mapped into IPv6."""
    bench = Bench("::")
    bench.udp.send(bench.flows.udp(bench.listener, "192.0.2.7", 4711), b"4")
    bench.udp.send(bench.flows.udp(bench.listener, "2001:db8::7", 4711), b"6")
    assert bench.socket.sent == [(b"4", ("::ffff:192.0.2.7", 4711)), (b"6", ("2001:db8::7", 4711))]


# -- real sockets, without running a reactor: what is read is read by hand


@pytest.fixture
def real():
    reactor = PrivateReactor()
    made = []

    def make(host, port=0):
        made.append(Bench(host, reactor, port))
        return made[-1]

    yield make
    for bench in made:
        bench.udp.stop()
    reactor.close()


def exchange(bench, family, host, octets):
    """One datagram to the port and the same back."""
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.bind((host, 0))
        client.sendto(octets, (host, bench.udp.transport.getHost().port))
        bench.udp.transport.doRead()
        [event] = bench.events
        bench.udp.send(event.flow, event.octets)
        assert client.recv(65535) == octets
        return event, client.getsockname()


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
def test_datagrams_go_both_ways(real, bound, family, host):
    event, source = exchange(real(bound), family, host, b"OPTIONS sip:a SIP/2.0\r\n\r\n")
    assert event.flow.address == (host, source[1])


@pytest.mark.loopback
def test_the_largest_datagram_arrives_whole(real):
    event, _ = exchange(real("127.0.0.1"), socket.AF_INET, "127.0.0.1", b"x" * 65507)
    assert len(event.octets) == 65507


@pytest.mark.loopback
def test_a_datagram_beyond_the_largest_is_refused_as_an_event(real):
    bench = real("127.0.0.1")
    bench.udp.send(bench.flows.udp(bench.listener, "127.0.0.1", 9), b"x" * 65508)
    assert bench.events[0].reason.startswith("emsgsize: ")


@pytest.mark.loopback
# Twisted drops the socket that it could not bind without closing it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_port_in_use_is_told(real):
    first = real("127.0.0.1")
    with pytest.raises(CannotListenError):
        real("127.0.0.1", first.udp.transport.getHost().port)


def test_the_fake_takes_what_twisted_takes():
    """The fake reactor above has the arguments of the real one."""
    assert verifyClass(IReactorUDP, SelectReactor)
    assert list(IReactorUDP["listenUDP"].getSignatureInfo()["positional"]) == [
        "port", "protocol", "interface", "maxPacketSize",
    ]  # fmt: skip
