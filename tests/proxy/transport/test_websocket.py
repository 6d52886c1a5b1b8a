"""One WebSocket without a socket: handshake, messages in any frames, the rules of RFC 6455 and 7118, and its end."""

from __future__ import annotations

import gc
from ipaddress import ip_network
from types import ModuleType

import pytest
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.uri import parse_uri

from proxy.events import GOING_AWAY, MessageReceived
from proxy.flow import CLIENT, WS, Flow, Listener
from proxy.transport.contract import StreamLimits, WebSocketRules
from proxy.transport.websocket import MAX_HANDSHAKE, WebSocketConnection, host_of
from tests.support.transport_ends import Owner, Wire

LISTENER = Listener(0, CLIENT, WS, "127.0.0.1", 8080, "127.0.0.1", 8080)
SOURCE = ("10.0.0.1", 4711)
TRUSTED = (ip_network("10.0.0.0/8"),)
MESSAGE = b"MESSAGE sip:a@example.com SIP/2.0\r\nX: \xc3\xa9\r\n\r\n"


class Port(Owner):
    """Stands for the port."""

    def __init__(self, rules, limits):
        super().__init__(limits)
        self.rules = rules
        self.greeting = 0
        self.sources = []

    def greets(self, connection):
        self.greeting += 1

    def new_flow(self, source):
        self.sources.append(source)
        return Flow(LISTENER, *source, 5)


class Bench:
    """A WebSocket and the client at its other end."""

    def __init__(self, paths=(), origins=(), max_message=1000, trusted=(), **limits):
        self.port = Port(WebSocketRules(frozenset(paths), frozenset(origins), max_message), StreamLimits(**limits))
        self.wire = Wire()
        self.connection = WebSocketConnection(self.port, SOURCE, trusted)
        self.connection.makeConnection(self.wire)
        self.client = None

    def request(self, path="/", subprotocols=("sip",), size=None, **headers):
        """Send a handshake; returns its response."""
        client = self.client = ClientProtocol(parse_uri(f"ws://edge.example.com{path}"), subprotocols=subprotocols)
        request = client.connect()
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        client.send_request(request)
        self.push(size)
        return client.events_received()[0]

    def open(self, **headers):
        assert self.request(**headers).status_code == 101
        return self

    def push(self, size=None):
        """What the client has written arrives, and what is written to it too."""
        for octets in self.client.data_to_send():
            step = size or max(len(octets), 1)
            for start in range(0, len(octets), step):
                self.connection.dataReceived(octets[start : start + step])
        self.pull()

    def pull(self):
        octets = self.wire.value()
        self.wire.clear()
        self.client.receive_data(octets)

    def frames(self):
        return [(frame.opcode, bytes(frame.data)) for frame in self.client.events_received()]

    def raw(self, octets):
        self.connection.dataReceived(octets)
        return self.wire.value()

    @property
    def messages(self):
        return [event.octets for event in self.port.events if isinstance(event, MessageReceived)]

    @property
    def dropped(self):
        return dict(self.port.counts.dropped)


# -- handshake


def test_a_browser_gets_its_subprotocol_and_no_compression():
    """> The client MUST include the value "sip" in the Sec-WebSocket-Protocol header (RFC 7118 section 4.1)"""
    bench = Bench()
    response = bench.request(
        Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits", Origin="https://app.example.com"
    )
    assert response.status_code == 101
    assert response.headers["Sec-WebSocket-Protocol"] == "sip"
    assert "Sec-WebSocket-Extensions" not in response.headers
    assert (bench.port.greeting, bench.port.up, bench.port.sources) == (1, 1, [SOURCE])
    assert bench.connection.flow.address == SOURCE


def test_the_flow_knows_which_host_was_asked_for():
    assert Bench().open().connection.flow.asked == b"edge.example.com"


@pytest.mark.parametrize(
    ("value", "host"),
    [("Edge.example.com:8443", b"edge.example.com"), ("[2001:DB8::1]:443", b"[2001:db8::1]"), ("a b", b""), ("", b"")],
)
def test_a_host_field(value, host):
    assert host_of(value) == host


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_handshake_may_come_in_any_pieces(size):
    bench = Bench()
    assert bench.request(size=size).status_code == 101


def test_messages_right_behind_the_handshake_are_not_lost():
    bench = Bench()
    client = bench.client = ClientProtocol(parse_uri("ws://edge.example.com/"), subprotocols=["sip"])
    client.send_request(client.connect())
    twin = ClientProtocol(parse_uri("ws://edge.example.com/"))
    twin.state = twin.state.OPEN
    twin.send_text(MESSAGE)
    bench.connection.dataReceived(b"".join(client.data_to_send() + twin.data_to_send()))
    assert bench.messages == [MESSAGE]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_an_open_connection_keeps_nothing_of_its_handshake(size):
    """A browser's header fields take more memory than all the rest of an idle client."""
    bench = Bench()
    bench.request(size=size, Cookie="very-long")
    seen, todo = set(), [bench.connection.__dict__]
    while todo:
        each = todo.pop()
        if id(each) not in seen and not isinstance(each, type | ModuleType | Bench):
            seen.add(id(each))
            assert not isinstance(each, Request)
            todo += gc.get_referents(each)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_breach_right_behind_the_handshake_is_one_of_an_open_connection(size):
    bench = Bench()
    client = bench.client = ClientProtocol(parse_uri("ws://edge.example.com/"), subprotocols=["sip"])
    client.send_request(client.connect())
    octets = b"".join(client.data_to_send()) + b"\x81\x05hello"
    for start in range(0, len(octets), size):
        bench.connection.dataReceived(octets[start : start + size])
    bench.pull()
    assert (client.close_rcvd.code, bench.dropped) == (1002, {"ws_protocol": 1})
    assert (bench.port.up, bench.port.left) == (1, ["ws_protocol"])


def test_what_follows_a_refused_handshake_is_not_read():
    bench = Bench(paths=["/sip"])
    client = ClientProtocol(parse_uri("ws://edge.example.com/"), subprotocols=["sip"])
    client.send_request(client.connect())
    assert bench.raw(b"".join(client.data_to_send()) + b"\x81\x05hello").startswith(b"HTTP/1.1 404 ")
    assert (bench.dropped, bench.port.left) == ({"ws_path": 1}, ["ws_path"])


def test_a_handshake_in_bare_lf_with_a_breach_behind_it_leaves_nothing_open():
    bench = Bench()
    client = ClientProtocol(parse_uri("ws://edge.example.com/"), subprotocols=["sip"])
    client.send_request(client.connect())
    bench.raw(b"".join(client.data_to_send()).replace(b"\r\n", b"\n") + b"\x81\x05hello")
    assert (bench.port.up, bench.port.left, bench.wire.ends) == (0, ["ws_handshake"], ["half-closed"])


@pytest.mark.parametrize("subprotocols", [None, ["chat"], ["SIP"]])
def test_without_the_subprotocol_sip_nobody_is_taken(subprotocols):
    bench = Bench()
    assert bench.request(subprotocols=subprotocols).status_code == 400
    assert bench.dropped == {"ws_subprotocol": 1}
    assert (bench.port.up, bench.port.left, bench.wire.ends) == (0, ["ws_subprotocol"], ["half-closed"])


def test_one_of_several_subprotocols_is_enough():
    assert Bench().request(subprotocols=["chat", "sip"]).headers["Sec-WebSocket-Protocol"] == "sip"


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://app.example.com", 101), ("HTTPS://APP.example.com", 101), ("https://evil.example.com", 403),
     ("https://app.example.com.evil.com", 403), ("null", 403), (None, 403)],
)  # fmt: skip
def test_only_pages_of_listed_sites_may_connect(origin, status):
    bench = Bench(origins=["https://app.example.com"])
    headers = {} if origin is None else {"Origin": origin}
    assert bench.request(**headers).status_code == status
    assert bench.dropped == ({} if status == 101 else {"ws_origin": 1})


def test_clients_without_origin_can_be_listed():
    assert Bench(origins=["none"]).request().status_code == 101
    assert Bench(origins=["none"]).request(Origin="https://a.example").status_code == 403


def test_two_origins_are_refused():
    """No browser sends two: the first could be put there to hide the second."""
    bench = Bench(origins=["https://a.example"])
    client = ClientProtocol(parse_uri("ws://edge.example.com/"), subprotocols=["sip"])
    request = client.connect()
    request.headers["Origin"] = "https://a.example"
    request.headers["Origin"] = "https://b.example"
    client.send_request(request)
    assert bench.raw(b"".join(client.data_to_send())).startswith(b"HTTP/1.1 400 ")
    assert bench.dropped == {"ws_handshake": 1}


@pytest.mark.parametrize(
    ("path", "status"), [("/sip", 101), ("/ws?token=1", 101), ("/", 404), ("/sip/x", 404), ("/SIP", 404)]
)
def test_other_paths_are_not_found(path, status):
    bench = Bench(paths=["/sip", "/ws"])
    assert bench.request(path).status_code == status
    assert bench.dropped == ({} if status == 101 else {"ws_path": 1})


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"426"),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
        (b"GET / HTTP/1.0\r\nHost: x\r\n\r\n", b"505"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 9000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
    ],
)
def test_what_is_no_handshake_is_answered_and_closed(octets, status):
    bench = Bench()
    assert bench.raw(octets).split()[1] == status
    assert bench.dropped == {"ws_handshake": 1}
    assert bench.wire.ends == ["half-closed"]


@pytest.mark.parametrize("octets", [b"nonsense\r\n\r\n", b"\x00\xff\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"])
def test_what_is_not_http_is_closed_without_a_word(octets):
    bench = Bench()
    assert bench.raw(octets) == b""
    assert bench.dropped == {"ws_handshake": 1}
    assert bench.wire.ends == ["half-closed"]


def test_a_handshake_is_bounded():
    bench = Bench()
    bench.raw(b"GET / HTTP/1.1\r\n")
    for _ in range(3):
        bench.raw(b"X: " + b"y" * (MAX_HANDSHAKE // 3) + b"\r\n")
    assert bench.dropped == {"ws_handshake": 1}
    assert bench.wire.ends == ["half-closed"]
    bench.raw(b"more")
    assert len(bench.port.left) == 1


def test_a_slow_handshake_is_timed_from_the_start():
    """The sweep of the port goes by `begun`: an octet now and then must not move it."""
    bench = Bench()
    bench.port.time.advance(10)
    bench.raw(b"GET")
    assert bench.connection.begun == 0


# -- the client's address


@pytest.mark.parametrize(
    ("trusted", "value", "source", "dropped"),
    [
        (TRUSTED, "198.51.100.7", ("198.51.100.7", 4711), {}),
        (TRUSTED, "203.0.113.5, 198.51.100.7, 10.0.0.2", ("198.51.100.7", 4711), {}),
        ((), "198.51.100.7", SOURCE, {"forwarded_for_untrusted": 1}),
        ((ip_network("10.9.0.0/16"),), "198.51.100.7", SOURCE, {"forwarded_for_untrusted": 1}),
        (TRUSTED, "unknown", SOURCE, {"forwarded_for_malformed": 1}),
        (TRUSTED, None, SOURCE, {}),
    ],
)
def test_x_forwarded_for_counts_from_trusted_proxies_only(trusted, value, source, dropped):
    bench = Bench(trusted=trusted)
    bench.open(**({} if value is None else {"X_Forwarded_For": value}))
    assert bench.port.sources == [source]
    assert bench.dropped == dropped


# -- messages


@pytest.mark.parametrize("size", [None, 1, 5])
def test_one_message_in_one_frame(size):
    """> Each SIP message MUST be carried within a single WebSocket message (RFC 7118 section 5)"""
    bench = Bench().open()
    bench.client.send_text(MESSAGE)
    bench.client.send_binary(b"MESSAGE \xff\xfe")
    bench.push(size)
    assert bench.messages == [MESSAGE, b"MESSAGE \xff\xfe"]
    assert [event.flow for event in bench.port.events] == [bench.connection.flow] * 2
    assert not bench.connection.partial


def test_a_message_may_come_in_fragments_with_pings_between():
    bench = Bench().open()
    bench.client.send_text(MESSAGE[:10], fin=False)
    bench.client.send_ping(b"there?")
    bench.client.send_continuation(b"", fin=False)
    bench.client.send_continuation(MESSAGE[10:41], fin=False)  # cut inside a character
    bench.push()
    assert bench.connection.partial
    assert bench.frames() == [(Opcode.PONG, b"there?")]
    bench.client.send_continuation(MESSAGE[41:], fin=True)
    bench.push()
    assert bench.messages == [MESSAGE]
    assert not bench.connection.partial


def test_what_begins_and_does_not_end_is_timed_from_its_start():
    bench = Bench().open()
    bench.port.time.advance(10)
    bench.client.send_text(b"MESS", fin=False)
    bench.push()
    bench.port.time.advance(10)
    bench.client.send_continuation(b"AGE", fin=False)
    bench.push()
    assert (bench.connection.partial, bench.connection.begun) == (True, 10)


def test_half_a_frame_is_under_way():
    bench = Bench().open()
    bench.raw(b"\x81")
    assert bench.connection.partial


@pytest.mark.parametrize(
    ("octets", "opcode"), [(MESSAGE, Opcode.TEXT), (b"SIP/2.0 200 OK\r\n\r\n", Opcode.TEXT), (b"x\xff", Opcode.BINARY)]
)
def test_what_is_sent_is_text_where_it_can_be(octets, opcode):
    bench = Bench().open()
    bench.connection.send(octets)
    bench.pull()
    assert bench.frames() == [(opcode, octets)]


def test_a_keep_alive_is_answered_by_a_message():
    """JsSIP sends CRLF CRLF; an answer alone, or nothing, means nothing."""
    bench = Bench().open()
    for octets in (b"\r\n\r\n", b"\r\n", b"", b" "):
        bench.client.send_text(octets)
    bench.push()
    assert bench.frames() == [(Opcode.TEXT, b"\r\n")]
    assert bench.port.events == []


def test_a_message_that_closes_the_connection_is_the_last_one():
    bench = Bench().open()
    bench.port.on_event = lambda event: bench.connection.close("refused")
    bench.client.send_text(b"one")
    bench.client.send_text(b"two")
    bench.push()
    assert bench.messages == [b"one"]
    assert bench.wire.ends == ["half-closed"]
    assert bench.client.close_rcvd.code == 1000


# -- broken rules


def test_text_that_is_not_utf_8_ends_the_connection():
    bench = Bench().open()
    bench.client.send_text(b"MESSAGE \xff")
    bench.push()
    assert (bench.client.close_rcvd.code, bench.messages) == (1007, [])
    assert bench.dropped == {"ws_not_utf8": 1}
    assert (bench.port.left, bench.wire.ends) == (["ws_not_utf8"], ["half-closed"])


@pytest.mark.parametrize("fragments", [1, 4])
def test_a_message_that_is_too_long_ends_the_connection(fragments):
    bench = Bench(max_message=1000).open()
    size = 1004 // fragments
    bench.client.send_text(b"x" * size, fin=fragments == 1)
    for number in range(1, fragments):
        bench.client.send_continuation(b"x" * size, fin=number == fragments - 1)
    bench.push()
    assert (bench.client.close_rcvd.code, bench.messages) == (1009, [])
    assert bench.dropped == {"ws_too_long": 1}
    assert bench.port.left == ["ws_too_long"]


@pytest.mark.parametrize(
    "octets",
    [
        b"\x81\x05hello",  # not masked
        b"\x83\x80\0\0\0\0",  # an unknown kind of frame
        b"\xc1\x80\0\0\0\0",  # compressed, which was not agreed
        b"\x80\x80\0\0\0\0",  # a continuation of nothing
        b"\x01\x80\0\0\0\0\x81\x80\0\0\0\0",  # a message inside another
        b"\x89\xfe\x00\x7e" + b"\0" * 130,  # a ping too long
        b"\x88\x81\0\0\0\0x",  # a close with half a code
    ],
)
def test_a_breach_of_the_protocol_ends_the_connection(octets):
    bench = Bench().open()
    bench.raw(octets)
    bench.pull()
    assert bench.client.close_rcvd.code == 1002
    assert bench.dropped == {"ws_protocol": 1}
    assert (bench.port.left, bench.wire.ends) == (["ws_protocol"], ["half-closed"])


def test_after_a_breach_nothing_more_is_read():
    bench = Bench().open()
    bench.raw(b"\x81\x05hello")
    bench.client.send_text(MESSAGE)
    bench.push()
    assert bench.messages == []


# -- ends


@pytest.mark.parametrize(
    ("code", "reason"), [(1001, GOING_AWAY), (1000, "peer_closed"), (None, "peer_closed"), (4000, "peer_closed")]
)
def test_the_core_hears_why_a_browser_closed(code, reason):
    """1001: the page was left or closed, its random Contact never returns."""
    bench = Bench().open()
    bench.client.send_close(code)
    bench.push()
    assert (bench.port.left, bench.wire.ends) == ([reason], ["half-closed"])
    assert bench.client.close_rcvd.code == (1005 if code is None else code)
    bench.connection.connectionLost(Failure(ConnectionDone()))
    assert bench.port.gone == 1
    assert bench.dropped == {}


def test_a_message_before_the_goodbye_counts_and_its_answer_has_nowhere_to_go():
    bench = Bench().open()
    bench.port.on_event = lambda event: bench.connection.send(b"SIP/2.0 200 OK\r\n\r\n")
    bench.client.send_text(MESSAGE)
    bench.client.send_close(1001)
    bench.raw(b"".join(bench.client.data_to_send()))  # in one segment
    bench.pull()
    assert bench.messages == [MESSAGE]
    assert [opcode for opcode, _ in bench.frames()] == [Opcode.CLOSE]
    assert bench.port.left == [GOING_AWAY]


@pytest.mark.parametrize(("reason", "code"), [("shutdown", 1001), ("idle", 1000)])
def test_our_end_is_told_by_its_code(reason, code):
    bench = Bench().open()
    bench.connection.send(MESSAGE)
    bench.connection.close(reason)
    bench.pull()
    assert bench.client.close_rcvd.code == code
    assert bench.frames()[0] == (Opcode.TEXT, MESSAGE)
    bench.push()  # the client's own goodbye
    assert (bench.port.left, bench.wire.ends) == ([reason], ["half-closed"])


def test_the_end_of_the_process_is_a_goodbye_too():
    bench = Bench().open()
    bench.connection.shut("shutdown")
    bench.pull()
    assert (bench.client.close_rcvd.code, bench.wire.ends) == (1001, ["closed"])


def test_a_peer_that_does_not_read_has_its_bound():
    bench = Bench(write_buffer=1000).open()
    bench.connection.pauseProducing()
    bench.connection.send(b"x" * 600)
    bench.connection.send(b"x" * 500)
    assert bench.dropped == {"slow_reader": 1}
    assert (bench.port.left, bench.wire.ends) == (["slow_reader"], ["aborted"])


def test_pings_without_end_have_the_same_bound():
    bench = Bench(write_buffer=1000).open()
    bench.connection.pauseProducing()
    for _ in range(20):
        bench.client.send_ping(b"x" * 100)
    bench.push()
    assert bench.port.left == ["slow_reader"]


# -- signs of life


def test_a_silent_peer_is_pinged_once_and_then_given_up():
    bench = Bench(ping=30.0).open()
    bench.port.time.advance(29)
    bench.connection.rest(29)
    assert bench.wire.value() == b""
    bench.port.time.advance(1)
    bench.connection.rest(30)
    bench.connection.rest(35)
    bench.pull()
    assert bench.frames() == [(Opcode.PING, b"")]
    assert bench.wire.ends == []
    bench.connection.rest(60)
    assert (bench.wire.ends, bench.port.left) == (["aborted"], ["ping_timeout"])
    assert bench.dropped == {"ping_timeout": 1}


def test_a_peer_that_answers_is_pinged_again_later():
    bench = Bench(ping=30.0).open()
    for now in (30, 61, 92):
        bench.port.time.advance(now - bench.port.clock())
        bench.connection.rest(now)
        bench.pull()
        bench.port.time.advance(1)
        bench.push()  # the pong
        bench.connection.rest(now + 5)
    assert bench.frames() == [(Opcode.PING, b"")] * 3
    assert bench.wire.ends == []


def test_pongs_are_no_messages():
    """A connection that nobody uses still runs into the idle time."""
    bench = Bench().open()
    bench.port.time.advance(100)
    bench.client.send_pong(b"")
    bench.push()
    assert bench.connection.heard == 0
