"""Who comes in by a listening socket, on real sockets: first octets, PROXY headers, and those who do not hurry."""

from __future__ import annotations

import socket
from ipaddress import ip_network

import pytest
from twisted.internet.task import Clock
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from proxy.core.flows import Flows
from proxy.counts import Counts
from proxy.events import FlowClosed, FlowOpened, MessageReceived
from proxy.flow import CLIENT, TCP, WS, Listener
from proxy.transport.contract import StreamLimits
from proxy.transport.entrance import Entrance
from proxy.transport.stream import StreamPort
from tests.support.private_reactor import PrivateReactor

pytestmark = pytest.mark.loopback

LOCAL = (ip_network("127.0.0.0/8"), ip_network("::1"))
MESSAGE = b"MESSAGE sip:a@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n"
V1 = b"PROXY TCP4 198.51.100.7 203.0.113.10 4711 5060\r\n"
V2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\xcb\x00\x71\x0a\x12\x67\x13\xc4"


def upgrade():
    client = ClientProtocol(parse_uri("ws://edge.example.com/"), subprotocols=["sip"])
    client.send_request(client.connect())
    return b"".join(client.data_to_send())


class Bench:
    """An entrance for several transports."""

    def __init__(self, transports, trusted=(), host="127.0.0.1", **limits):
        self.reactor = PrivateReactor()
        self.listeners = [
            Listener(index, CLIENT, transport, host, 0, "192.0.2.1", 5060) for index, transport in enumerate(transports)
        ]
        self.flows = Flows(tuple(self.listeners), 100, 1)
        self.counts = Counts(len(transports))
        self.time = Clock()
        self.events = []
        self.notes = []
        self.ports = [
            StreamPort(
                listener, self.reactor, self.flows, self.deliver, self.time.seconds, StreamLimits(**limits), self.counts
            )
            for listener in self.listeners
        ]
        self.entrance = Entrance(self.reactor, self.ports, self.notes.append, trusted)
        for port in self.ports:
            port.listen()
        self.host = host
        self.clients = []

    def deliver(self, event):
        self.events.append(event)
        if isinstance(event, FlowClosed):
            self.flows.close(event.flow)

    def client(self, octets=b"", source=""):
        address = (self.host, self.entrance._port.getHost().port)
        client = socket.create_connection(address, timeout=10, source_address=(source or self.host, 0))
        self.clients.append(client)
        if octets:
            client.send(octets)
        else:
            self.reactor.until(lambda: self.entrance.waiting)
        return client

    def flow(self):
        """The flow of the next connection that is made."""
        self.reactor.until(lambda: any(isinstance(event, FlowOpened) for event in self.events))
        return self.events[0].flow

    def until_dropped(self, reason):
        self.reactor.until(lambda: self.counts.dropped[reason])

    @property
    def messages(self):
        return [event.octets for event in self.events if isinstance(event, MessageReceived)]

    def is_closed(self, client):
        """Whether the other end has closed; a reset counts."""
        client.setblocking(False)
        found = []

        def looks():
            try:
                found.append(client.recv(100))
            except BlockingIOError:
                return False
            except ConnectionResetError:
                found.append(b"")
            return True

        self.reactor.until(looks)
        return found == [b""]

    def close(self):
        for port in self.ports:
            port.stop()
        for client in self.clients:
            client.close()
        self.reactor.until(lambda: not self.entrance.waiting and not any(port.held for port in self.ports))
        self.reactor.turn()
        assert self.reactor.getDelayedCalls() == []
        self.reactor.close()


@pytest.fixture
def make():
    made = []

    def make(*transports, **options):
        made.append(Bench(transports, **options))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


# -- the first octets decide


@pytest.mark.parametrize(
    ("octets", "transport"),
    [(MESSAGE, TCP), (b"\r\n\r\n" + MESSAGE, TCP), (b"GET sip:a@example.com SIP/2.0\r\n", TCP), (b"G", None),
     (b"GET ", None), (b"GO sip:", TCP)],
)  # fmt: skip
def test_sip_and_websocket_share_a_port(make, octets, transport):
    bench = make(TCP, WS)
    bench.client(octets)
    if transport is None:
        bench.reactor.until(lambda: bench.entrance.waiting)
        bench.reactor.turn()
        assert bench.events == []
    else:
        assert bench.flow().listener.transport == transport


def test_an_upgrade_is_a_websocket(make):
    bench = make(TCP, WS)
    client = bench.client()
    for octet in upgrade():
        client.send(bytes([octet]))
        bench.reactor.turn(1)
    assert bench.flow().listener.transport == WS
    bench.reactor.turn()
    assert client.recv(1000).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(("transport", "octets"), [(TCP, b"GET / HTTP/1.1\r\n\r\n"), (WS, MESSAGE)])
def test_where_there_is_one_kind_everybody_is_of_that_kind(make, transport, octets):
    bench = make(transport)
    client = bench.client(octets)
    if transport == TCP:
        assert bench.flow().listener.transport == TCP
    else:
        bench.until_dropped("ws_handshake")
        assert bench.is_closed(client)


def test_what_is_sent_on_a_flow_goes_to_its_kind(make):
    bench = make(TCP, WS)
    client = bench.client(MESSAGE)
    flow = bench.flow()
    bench.ports[0].send(flow, b"hello")
    bench.ports[1].send(flow, b"nobody")
    bench.reactor.turn()
    assert client.recv(100) == b"hello"
    assert bench.counts.dropped["flow_gone"] == 1


# -- PROXY protocol


@pytest.mark.parametrize("header", [V1, V2], ids=["version 1", "version 2"])
@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("first", [MESSAGE, upgrade()], ids=["SIP", "WebSocket"])
def test_a_trusted_proxy_announces_the_client(make, header, size, first):
    bench = make(TCP, WS, trusted=LOCAL)
    client = bench.client()
    octets = header + first
    for start in range(0, len(octets), size):
        client.send(octets[start : start + size])
        bench.reactor.turn(1)
    assert bench.flow().address == ("198.51.100.7", 4711)
    assert bench.messages == ([MESSAGE] if first == MESSAGE else [])


@pytest.mark.parametrize("header", [b"", b"PROXY UNKNOWN\r\n", V2[:12] + b"\x20\x00\x00\x00"])
def test_a_trusted_proxy_may_speak_for_itself(make, header):
    bench = make(TCP, trusted=LOCAL)
    client = bench.client(header + MESSAGE)
    assert bench.flow().address == client.getsockname()


def test_behind_a_proxy_ipv6_clients_have_their_address(make):
    bench = make(TCP, trusted=LOCAL, host="::1")
    bench.client(b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 5060\r\n" + MESSAGE)
    assert bench.flow().remote_host == "2001:db8::7"


@pytest.mark.parametrize("header", [V1, V2], ids=["version 1", "version 2"])
@pytest.mark.parametrize("trusted", [(), (ip_network("10.0.0.0/8"),)], ids=["nobody", "others"])
def test_nobody_else_may_claim_an_address(make, header, trusted):
    bench = make(TCP, WS, trusted=trusted)
    client = bench.client(header + MESSAGE)
    bench.until_dropped("proxy_header_untrusted")
    assert bench.is_closed(client)
    assert bench.events == []


def test_keep_alives_before_the_first_message_are_no_header(make):
    """The signature of version 2 begins with two CRLFs, as a keep-alive does."""
    bench = make(TCP)
    client = bench.client(b"\r\n\r\n")
    bench.flow()
    bench.reactor.turn()
    assert client.recv(10) == b"\r\n"


def test_a_malformed_header_is_counted_and_closed(make):
    bench = make(TCP, trusted=LOCAL)
    client = bench.client(b"PROXY TCP4 here there 1 2\r\n" + MESSAGE)
    bench.until_dropped("proxy_header_malformed")
    assert bench.is_closed(client)
    assert bench.events == []


def test_a_proxy_that_names_the_client_only_in_http_is_believed_too(make):
    bench = make(WS, trusted=LOCAL)
    request = upgrade().replace(b"Host:", b"X-Forwarded-For: 203.0.113.9, 198.51.100.7\r\nHost:")
    bench.client(request)
    assert bench.flow().remote_host == "198.51.100.7"


def test_two_proxies_in_a_row(make):
    """HAProxy announces nginx, nginx the client: each is believed as far as the one before it is trusted."""
    bench = make(WS, trusted=(*LOCAL, ip_network("10.0.0.0/8")))
    request = upgrade().replace(b"Host:", b"X-Forwarded-For: 198.51.100.7\r\nHost:")
    bench.client(b"PROXY TCP4 10.0.0.9 10.0.0.1 1000 80\r\n" + request)
    assert bench.flow().address == ("198.51.100.7", 1000)


# -- those who do not hurry


@pytest.mark.parametrize(
    ("octets", "more"), [(b"", b""), (b"G", b"E"), (b"GET / HTTP/1.1\r\n", b"X"), (b"PROXY TCP4 198.", b"5")]
)
def test_who_does_not_say_what_it_is_has_to_go(make, octets, more):
    bench = make(TCP, WS, trusted=LOCAL, handshake=15.0)
    slow = bench.client(octets)
    bench.client(MESSAGE)
    innocent = bench.flow()
    bench.reactor.turn()
    bench.time.advance(15.0)
    bench.entrance.sweep()
    bench.reactor.turn()
    assert not bench.counts.dropped["handshake_timeout"]
    slow.send(more)  # an octet now and then does not help
    bench.reactor.turn()
    bench.time.advance(0.1)
    bench.entrance.sweep()
    assert bench.counts.dropped["handshake_timeout"] == 1
    assert bench.is_closed(slow)
    assert innocent.open


def test_those_who_wait_take_places_too(make):
    """The one that waits longest is closed for whoever comes: a flood of silent connections keeps nobody out."""
    bench = make(TCP, connections=2)
    first, second = bench.client(), bench.client()
    bench.reactor.until(lambda: len(bench.entrance.waiting) == 2)
    bench.client(MESSAGE)
    bench.until_dropped("connections_full")
    bench.flow()
    assert bench.is_closed(first)
    assert list(bench.entrance.waiting) != []
    second.close()


def test_entrances_together_have_one_limit(make):
    bench = make(TCP, connections=1)
    other = StreamPort(
        bench.listeners[0], bench.reactor, bench.flows, bench.deliver, bench.time.seconds, bench.ports[0].limits,
        bench.counts,
    )  # fmt: skip
    entrance = Entrance(bench.reactor, [other], bench.notes.append, together=bench.entrance._together)
    silent = bench.client()
    assert entrance.buildProtocol(None) is not None
    assert bench.is_closed(silent)
    bench.client(MESSAGE)
    bench.flow()
    assert entrance.buildProtocol(None) is None
    assert bench.counts.dropped["connections_full"] == 2


def test_who_does_not_end_its_handshake_makes_room_too(make):
    bench = make(WS, connections=1)
    slow = bench.client(b"GET / HTTP/1.1\r\n")
    bench.reactor.until(lambda: bench.ports[0].greeting)
    bench.client(upgrade())
    bench.flow()
    assert bench.is_closed(slow)
    assert bench.counts.dropped["connections_full"] == 1


def test_who_parks_many_connections_keeps_nobody_out(make):
    """A ping now and then makes a connection last; nobody is registered on these."""
    bench = make(TCP, connections=4)
    phone = bench.client(MESSAGE, "127.0.0.8")
    parked = []
    for number in range(3):
        parked.append(bench.client(b"\r\n\r\n", "127.0.0.4"))
        bench.reactor.until(lambda number=number: len(bench.flows.streams) == number + 2)
        bench.time.advance(1)
    bench.client(MESSAGE, "127.0.0.9")
    bench.reactor.until(lambda: len(bench.messages) == 2)
    assert bench.counts.dropped["connection_gave_way"] == 1
    assert parked[0].recv(10) == b"\r\n"
    assert bench.is_closed(parked[0])
    phone.setblocking(False)
    with pytest.raises(BlockingIOError):
        phone.recv(10)


def test_a_client_that_leaves_before_it_said_anything_leaves_nothing(make):
    bench = make(TCP, WS)
    bench.client().close()
    bench.reactor.until(lambda: not bench.entrance.waiting)
    assert bench.events == []


def test_stop_closes_those_who_wait(make):
    bench = make(TCP)
    client = bench.client()
    bench.ports[0].stop()
    assert bench.is_closed(client)
    assert not bench.counts.dropped
