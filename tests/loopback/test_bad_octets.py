"""What is no SIP, on real sockets: it is counted, the process lives, and the next call goes through."""

from __future__ import annotations

import contextlib
import random
import socket

import pytest
from registered import of_server, registers

from tests.support.certificates import Authority
from tests.support.stream_ends import STREAMS, TlsWireEnd, stream_end
from tests.support.wire_end import answer, free_port, request

pytestmark = pytest.mark.loopback


class Stage:
    """One proxy and its server."""

    def __init__(self, scene):
        self.scene = scene
        self.server = scene.udp()
        self.proxy = scene.proxy(f"sip:127.0.0.1:{self.server.port}")

    def assert_alive(self):
        """A request still goes through and its answer comes home."""
        client = self.scene.udp()
        client.send(request("OPTIONS", f"127.0.0.1:{client.port}", call="alive@test"), port=self.proxy.port)
        while (asked := self.server.read(b"OPTIONS")).one(b"Call-ID") != b"alive@test":
            self.server.send(answer(asked, 200))
        self.server.send(answer(asked, 200))
        assert client.read().status == 200
        assert self.proxy.dropped("internal_error") == 0
        assert "Traceback" not in self.proxy.errors

    def dropped(self):
        """All that was given up so far."""
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in self.proxy.get("/metrics").splitlines()
            if line.startswith("sipmend_dropped_total{")
        )


@pytest.fixture
def stage(scene):
    return Stage(scene)


def test_random_octets_by_udp(stage):
    client = stage.scene.udp()
    draw = random.Random(1)
    for _ in range(200):
        client.send(b"R" + draw.randbytes(draw.randrange(1, 1400)), port=stage.proxy.port)
    stage.assert_alive()
    stage.proxy.wait(lambda: stage.dropped() >= 200)


def test_random_octets_by_tcp(stage):
    draw = random.Random(2)
    for _ in range(10):
        client = stage.scene.tcp("127.0.0.1", stage.proxy.port)
        client.send(b"R" + draw.randbytes(3000) + b"\r\n\r\n")
        client.until_closed()
    stage.assert_alive()
    assert stage.dropped() >= 10


def test_every_truncation_of_a_message(stage):
    client = stage.scene.udp()
    whole = request("INVITE", f"127.0.0.1:{client.port}", contact="sip:alice@127.0.0.1", body="v=0\r\n")
    for end in range(9, len(whole) - 1, 3):
        client.send(whole[:end], port=stage.proxy.port)
    stage.assert_alive()
    assert stage.dropped() > 0


def test_a_request_cut_off_in_its_body_is_told_so(stage):
    client = stage.scene.udp()
    client.send(request("MESSAGE", f"127.0.0.1:{client.port}", body="hello")[:-2], port=stage.proxy.port)
    assert client.read().status == 400
    stage.assert_alive()


def test_the_largest_datagram(stage):
    client = stage.scene.udp()
    start = request("MESSAGE", f"127.0.0.1:{client.port}", body="")
    room = 65507 - len(start) - len("Subject: \r\n")
    octets = start.replace(b"Content-Length", b"Subject: %b\r\nContent-Length" % (b"x" * room))
    client.send(octets, port=stage.proxy.port)
    # Our own Via no longer fits into a datagram: the sender hears it, whatever the status.
    assert client.read().status >= 400
    stage.assert_alive()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_contradicting_lengths(stage, transport):
    client = stage.scene.udp() if transport == "udp" else stage.scene.tcp("127.0.0.1", stage.proxy.port)
    octets = request("MESSAGE", f"127.0.0.1:{client.port}", transport=transport.upper(), body="hello")
    octets = octets.replace(b"Content-Length: 5", b"Content-Length: 5\r\nContent-Length: 3")
    client.send(octets, port=stage.proxy.port)
    assert client.read().status == 400
    if transport == "tcp":
        assert client.until_closed() == b""
    stage.assert_alive()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_ten_thousand_header_lines(stage, transport):
    client = stage.scene.udp() if transport == "udp" else stage.scene.tcp("127.0.0.1", stage.proxy.port)
    octets = request("MESSAGE", f"127.0.0.1:{client.port}", transport=transport.upper())
    octets = octets.replace(b"Content-Length", b"X: y\r\n" * 10_000 + b"Content-Length")
    client.send(octets, port=stage.proxy.port)
    if transport == "tcp":
        assert 400 <= client.read().status < 600
        assert client.until_closed() == b""
    stage.assert_alive()
    stage.proxy.wait(lambda: stage.dropped() >= 1)


def test_a_framing_error_closes_that_connection_and_no_other(stage):
    innocent = stage.scene.tcp("127.0.0.1", stage.proxy.port)
    client = stage.scene.tcp("127.0.0.1", stage.proxy.port)
    octets = request("MESSAGE", f"127.0.0.1:{client.port}", transport="TCP")
    client.send(octets.replace(b"Content-Length: 0\r\n", b"") + b"GARBAGE" * 1000)
    assert client.read().status == 400
    client.until_closed()
    innocent.send(request("OPTIONS", f"127.0.0.1:{innocent.port}", transport="TCP", call="i@test"))
    while (asked := stage.server.read(b"OPTIONS")).one(b"Call-ID") != b"i@test":
        stage.server.send(answer(asked, 200))
    stage.server.send(answer(asked, 200))
    assert innocent.read().status == 200


def test_many_connections_that_say_next_to_nothing(stage):
    ends = [stage.scene.tcp("127.0.0.1", stage.proxy.port) for _ in range(200)]
    silent = [stage.scene.tcp("127.0.0.1", stage.proxy.port) for _ in range(200)]
    for end in ends:
        end.send(b"\r\n")
    stage.proxy.wait(lambda: stage.proxy.metric('sipmend_flows{transport="tcp"}') == 200)
    for end in ends + silent:
        end.close()
    stage.proxy.wait(lambda: stage.proxy.metric('sipmend_flows{transport="tcp"}') == 0)
    stage.assert_alive()


class SharedPort(Stage):
    """A proxy with every stream transport on one port."""

    def __init__(self, scene, folder, more="limits: {handshake: 1s}"):
        self.scene = scene
        self.server = scene.udp()
        authority = Authority(folder)
        pair = authority.issue("edge", "127.0.0.1")
        self.ca = authority.file
        self.shared = free_port()
        self.proxy = scene.proxy(
            f"sip:127.0.0.1:{self.server.port}",
            listen=[f"{name}://127.0.0.1:{self.shared}" for name in ("udp", "tcp", "ws", "tls", "wss")],
            extra=f"tls: {{certificate: {pair[0]}, private_key: {pair[1]}}}\n{more}",
        )
        self.proxy.port = self.shared

    def connect(self, octets=b""):
        end = self.scene.tcp("127.0.0.1", self.shared)
        if octets:
            end.send(octets)
        return end


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)


def test_random_octets_on_a_port_of_all_transports(scene, tmp_path):
    stage = SharedPort(scene, tmp_path)
    draw = random.Random(3)
    for start in (b"\x16\x03\x01", b"GET /", b"GET / HTTP/1.1\r\n", UPGRADE, b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n"):
        for _ in range(5):
            end = stage.connect(start + draw.randbytes(draw.randrange(3000)) + b"\r\n\r\n")
            end.close()
    stage.assert_alive()


def test_frames_that_break_the_rules_close_their_own_connection(scene, tmp_path):
    stage = SharedPort(scene, tmp_path)
    innocent = stage.connect(UPGRADE)
    not_masked, too_long, not_utf_8 = b"\x81\x05hello", b"\x81\xff" + b"\x7f" * 8 + b"mask", b"\x81\x81\0\0\0\0\xff"
    for frame, code in ((not_masked, 1002), (too_long, 1009), (not_utf_8, 1007)):
        end = stage.connect(UPGRADE + frame)
        octets = end.until_closed()
        assert octets.startswith(b"HTTP/1.1 101 ")
        assert code.to_bytes(2, "big") in octets.partition(b"\r\n\r\n")[2]
    for protocol in (b"Sec-WebSocket-Protocol: chat\r\n", b""):
        end = stage.connect(UPGRADE.replace(b"Sec-WebSocket-Protocol: sip\r\n", protocol))
        assert end.until_closed().startswith(b"HTTP/1.1 400 ")
    claims = stage.connect(b"PROXY TCP4 198.51.100.7 127.0.0.1 4711 80\r\n" + UPGRADE)
    with contextlib.suppress(ConnectionResetError):
        assert claims.until_closed() == b""
    innocent.send(b"\x81\x84\0\0\0\0\r\n\r\n")
    stage.assert_alive()
    stage.proxy.wait(lambda: stage.proxy.metric('sipmend_flows{transport="ws"}') == 1)
    found = ("ws_protocol", "ws_too_long", "ws_not_utf8", "ws_subprotocol", "proxy_header_untrusted")
    assert [stage.proxy.dropped(reason) for reason in found] == [1, 1, 1, 2, 1]


def test_those_who_never_finish_their_handshake_are_closed(scene, tmp_path):
    """Silent, or with an octet now and then, by TCP, TLS, WebSocket, and WebSocket inside TLS."""
    stage = SharedPort(scene, tmp_path)
    hello = b"\x16\x03\x01\x3f\x00\x01\x00\x3e\xfc\x03\x03"
    starts = ((b"", b""), (b"G", b""), (UPGRADE[:-2], b"x"), (b"\x16", b""), (hello, b"\0"))
    ends = [(stage.connect(start), drip) for start, drip in starts]
    inside = [TlsWireEnd("127.0.0.1", stage.shared, stage.ca) for _ in range(2)]
    inside[1].send(UPGRADE[:-2])
    ends += [(inside[0], b""), (inside[1], b"x")]

    def dripped():
        for end, drip in ends:
            with contextlib.suppress(OSError):
                end.send(drip)
        return stage.proxy.dropped("handshake_timeout") == len(ends)

    stage.proxy.wait(dripped)
    for end, _ in ends:
        end.close()
    stage.assert_alive()


def test_a_client_that_does_not_read_is_closed_and_the_others_are_reached(scene, tmp_path):
    """By every kind of stream; what waits for it meanwhile is bounded."""
    stage = SharedPort(scene, tmp_path, "limits: {write_buffer: 65536}")
    proxy, server = stage.proxy, stage.server

    def registered(name, call):
        end = scene.keep(stream_end(name, "127.0.0.1", stage.shared, stage.ca))
        own = f"sip:alice@{call}.invalid;transport={name.replace('wss', 'ws')}"
        return end, registers(end, server, proxy, own, name.upper(), call=call)

    for count, name in enumerate(STREAMS, 1):
        quick, reached = registered(name, f"{name}-quick")
        slow, flooded = registered(name, f"{name}-slow")
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for number in range(1000):
            if not number % 8 and proxy.dropped("slow_reader") == count:
                break
            sent = of_server("MESSAGE", flooded, server, call=f"{name}-{number}", body="x" * 60000)
            server.send(sent, port=proxy.side)
        assert proxy.dropped("slow_reader") == count
        last = of_server("MESSAGE", reached, server, call=f"{name}-last")
        server.send(last, port=proxy.side)
        while quick.silent(0.5):  # the flood may have filled the socket of the server side
            server.send(last, port=proxy.side)
        quick.send(answer(quick.read(b"MESSAGE"), 200))
        while server.read(200).one(b"Call-ID") != f"{name}-last".encode():
            pass
    stage.assert_alive()
