"""The sockets of the demo: UDP and TCP on one port, what is no SIP, and what cannot leave."""

from __future__ import annotations

import socket

import demo_reactor
import pytest

from proxy.demo.compose import request
from proxy.demo.wire import DatagramSocket, DatagramWay, StreamSocket, UnreachableError

pytestmark = pytest.mark.loopback

MESSAGE = request(b"OPTIONS", b"sip:x", [(b"Via", b"SIP/2.0/UDP a;branch=z9hG4bK1"), (b"Call-ID", b"1")], b"body")


@pytest.fixture
def received():
    return []


@pytest.fixture
def udp(reactor, received):
    sock = DatagramSocket(lambda message, way: received.append((message, way)))
    sock.listen(reactor, "127.0.0.1", 0)
    yield sock
    sock.close()


@pytest.fixture
def tcp(reactor, received):
    sock = StreamSocket(lambda message, way: received.append((message, way)))
    sock.bound = sock.listen(reactor, "127.0.0.1", 0)
    yield sock
    sock.close()
    demo_reactor.turn(reactor, lambda: not sock.ways)


@pytest.fixture
def peer():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(2)
        yield sock


def test_datagram_becomes_a_message_with_a_way_back(reactor, udp, received, peer):
    there = udp.transport.getHost()
    peer.sendto(MESSAGE, (there.host, there.port))
    assert demo_reactor.turn(reactor, lambda: received)
    message, way = received[0]
    assert message.method == b"OPTIONS"
    assert way.address == peer.getsockname()
    assert not way.reliable
    way.send(b"answer")
    assert peer.recv(100) == b"answer"
    assert way.at_port(5060).address == ("127.0.0.1", 5060)


@pytest.mark.parametrize("octets", [b"\r\n\r\n", b"\0", b"hello", b"\xff" * 50])
def test_what_is_no_sip_is_dropped(reactor, udp, received, peer, octets):
    there = udp.transport.getHost()
    peer.sendto(octets, (there.host, there.port))
    peer.sendto(MESSAGE, (there.host, there.port))
    assert demo_reactor.turn(reactor, lambda: received)
    assert len(received) == 1


def test_private_address_cannot_be_reached_from_loopback(udp):
    """What an unrepaired Contact comes to; no datagram leaves this machine."""
    with pytest.raises(UnreachableError, match=r"192\.168\.77\.7:5062 cannot be reached from here"):
        DatagramWay(udp, ("192.168.77.7", 5062)).send(b"x")


def test_closed_socket_says_so(reactor, udp):
    udp.close()
    demo_reactor.turn(reactor, lambda: udp.transport is None)
    with pytest.raises(UnreachableError, match="closed"):
        udp.send(b"x", ("127.0.0.1", 9))


@pytest.mark.parametrize("pieces", [[MESSAGE], [MESSAGE[:30], MESSAGE[30:]], [b"\r\n" + MESSAGE]])
def test_stream_is_cut_into_messages(reactor, tcp, received, pieces):
    with socket.create_connection(tcp.bound) as peer:
        for piece in pieces:
            peer.sendall(piece)
            reactor.iterate(0.01)
        assert demo_reactor.turn(reactor, lambda: received)
        message, way = received[0]
        assert message.body == b"body"
        assert way.reliable
        assert way.at_port(5060) is way
        assert tcp.ways == {peer.getsockname(): way}
        way.send(b"answer")
        demo_reactor.turn(reactor, lambda: False, rounds=3)
        assert peer.recv(100) == b"answer"
    assert demo_reactor.turn(reactor, lambda: not tcp.ways)


def test_keep_alive_is_answered(reactor, tcp):
    """RFC 5626 4.4.1: a double CRLF is answered with one."""
    with socket.create_connection(tcp.bound) as peer:
        peer.settimeout(2)
        peer.sendall(b"\r\n\r\n")
        demo_reactor.turn(reactor, lambda: False, rounds=5)
        assert peer.recv(100) == b"\r\n"


def test_stream_that_cannot_be_cut_is_closed(reactor, tcp, received):
    with socket.create_connection(tcp.bound) as peer:
        peer.settimeout(2)
        peer.sendall(b"OPTIONS sip:x SIP/2.0\r\nCall-ID: 1\r\n\r\n")
        demo_reactor.turn(reactor, lambda: False, rounds=5)
        assert peer.recv(100) == b""
    assert received == []
