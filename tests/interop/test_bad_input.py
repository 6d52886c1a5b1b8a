"""Bad input on the wire against the running proxy: it answers or drops, counts what it drops, and stays up."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients import MakeClient
from peer_process import eventually, fresh_address
from sip_client import Address, Identity, SipClient
from sipmend_peer import Sipmend

WHOLE = (
    "OPTIONS sip:bob@pbx.test SIP/2.0\r\nVia: SIP/2.0/{via};branch=z9hG4bKbad1\r\nMax-Forwards: 70\r\n"
    "From: <sip:mallory@pbx.test>;tag=m1\r\nTo: <sip:bob@pbx.test>\r\nCall-ID: bad@mallory\r\n"
    "CSeq: 1 OPTIONS\r\n{more}\r\n"
)


class Scene:
    """The proxy between a client (mallory), the server it trusts, and a bystander who must hear nothing."""

    def __init__(self, proxy: Sipmend, server: SipClient, mallory: SipClient, bystander: socket.socket) -> None:
        self.proxy = proxy
        self.server = server
        self.mallory = mallory
        self.bystander = bystander
        self.trap: Address = bystander.getsockname()

    def text(self, more: str = "Content-Length: 0\r\n", via: str | None = None) -> str:
        """A valid OPTIONS request but for what `more` and `via` put in."""
        host, port = self.mallory.address
        return WHOLE.format(via=via or f"UDP {host}:{port}", more=more)

    def dropped(self) -> float:
        return self.proxy.total("sipmend_dropped_total")

    def refused(self) -> float:
        """Answers that the proxy itself gave or passed on to clients with a failure."""
        return sum(self.proxy.total("sipmend_messages_total", type=kind, direction="out") for kind in FAILURES)

    def assert_refused_or_dropped(self, before: tuple[float, float]) -> None:
        """One of the two counters moved since `before`."""
        moved = eventually(lambda: any(now > then for now, then in zip(self.counters(), before, strict=True)))
        assert moved, f"neither dropped nor refused: {before} before, {self.counters()} now"

    def counters(self) -> tuple[float, float]:
        return self.dropped(), self.refused()

    def passed_on(self) -> list[str]:
        """The requests of others that came to the server within 0.3 s; the proxy's own probes are answered."""
        heard = self.server.silence(0.3)
        for seen in heard:
            if seen.method == "OPTIONS" and len(seen.all("Via")) == 1:
                self.server.reply(seen, 200)
        return [seen.start for seen in heard if len(seen.all("Via")) != 1]

    def bystander_heard(self) -> bytes:
        """What came to the bystander within half a second."""
        self.bystander.settimeout(0.5)
        try:
            return self.bystander.recv(65535)
        except TimeoutError:
            return b""


FAILURES = ("4xx", "5xx", "6xx")
ENDLESS = 32 << 20
ENDLESS_LINE = b"X-Endless: " + b"x" * 4000 + b"\r\n"


@pytest.fixture
def scene(tmp_path: Path, make_client: MakeClient) -> Iterator[Scene]:
    """A proxy whose server is the test; afterwards an honest request must still pass and come back."""
    server_host = fresh_address()
    with SipClient(Identity("server", "pbx.test"), server_host, ("127.0.0.1", 9), port=5060) as server:
        proxy = Sipmend(f"sip:{server_host}:5060", tmp_path)
        try:
            with socket.socket(type=socket.SOCK_DGRAM) as bystander:
                bystander.bind((fresh_address(), 0))
                scene = Scene(proxy, server, make_client("mallory", proxy.address), bystander)
                yield scene
            scene.passed_on()
            honest = make_client("carol", proxy.address)
            asked = honest.start("OPTIONS", "sip:pbx.test")
            server.reply(server.expect("OPTIONS", where=lambda seen: asked.call_id in seen.raw.decode()), 200)
            assert honest.final(asked).status == 200
            proxy.assert_sound()
        finally:
            proxy.stop()


def test_random_octets(scene: Scene) -> None:
    """Noise is dropped and counted; none of it reaches the server."""
    noise = random.Random(4475)
    for size in (1, 2, 3, 4, 7, 40, 300, 1400, 9000):
        scene.mallory.send(noise.randbytes(size))
        scene.mallory.send(b"INVITE " + noise.randbytes(size))
        scene.mallory.send(b"SIP/2.0 200 " + noise.randbytes(size) + b"\r\n\r\n")
    assert scene.proxy.becomes("sipmend_dropped_total", 9)
    assert scene.passed_on() == []


def test_every_truncation_of_a_message(scene: Scene) -> None:
    """A datagram cut off anywhere in its head is refused or dropped, never forwarded as something else."""
    whole = scene.text().encode()
    end = whole.index(b"\r\nCSeq")
    before = scene.counters()
    for length in range(0, end, 7):
        scene.mallory.send(whole[:length])
    scene.assert_refused_or_dropped(before)
    assert scene.passed_on() == []


def test_largest_datagram(scene: Scene) -> None:
    """65,507 octets, the most that UDP carries: refused or dropped where it is over a limit, no crash."""
    before = scene.counters()
    head = scene.text(more="Subject: {}\r\n")
    scene.mallory.send(head.replace("{}", "s" * (65507 - len(head) + 2)))
    scene.assert_refused_or_dropped(before)
    scene.mallory.send(b"\xff" * 65507)
    assert scene.proxy.becomes("sipmend_dropped_total", 1)


def test_ten_thousand_header_lines(scene: Scene, make_client: MakeClient) -> None:
    """Over the limit of header lines, by datagram and by stream: refused or dropped."""
    before = scene.counters()
    scene.mallory.send(scene.text(more="X: 1\r\n" * 10000))
    scene.assert_refused_or_dropped(before)
    stream = make_client("dave", scene.proxy.address, transport="tcp")
    before = scene.counters()
    stream.send(scene.text(more="X: 1\r\n" * 10000, via="TCP 192.168.77.7"))
    scene.assert_refused_or_dropped(before)
    assert scene.passed_on() == []


def test_stream_that_never_ends_its_headers(scene: Scene, make_client: MakeClient) -> None:
    """The proxy keeps a bounded amount, then says what is wrong at most, and closes the connection."""
    stream = make_client("dave", scene.proxy.address, transport="tcp")
    before, memory = scene.counters(), scene.proxy.total("process_resident_memory_bytes")
    stream.socket.settimeout(5)
    # A proxy that is done with us may also reset the connection while we still send.
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        stream.send("OPTIONS sip:bob@pbx.test SIP/2.0\r\n")
        for _ in range(ENDLESS // len(ENDLESS_LINE)):
            stream.socket.sendall(ENDLESS_LINE)
        answer = b""
        while octets := stream.socket.recv(65535):
            answer += octets
        assert answer == b"" or answer.startswith(b"SIP/2.0 513 ")
    scene.assert_refused_or_dropped(before)
    assert scene.proxy.total("process_resident_memory_bytes") < memory + ENDLESS / 4


@pytest.mark.parametrize("lengths", ["Content-Length: 0\r\nContent-Length: 5\r\n", "l: 7\r\nContent-Length: 0\r\n"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_contradicting_lengths(scene: Scene, make_client: MakeClient, lengths: str, transport: str) -> None:
    """Two different Content-Lengths are how a second request is smuggled in: refused, and not one octet passes."""
    client = make_client("dave", scene.proxy.address, transport=transport)
    before = scene.counters()
    smuggled = scene.text().replace("bob", "smuggled")
    client.send(scene.text(more=lengths, via=f"{transport.upper()} 192.168.77.7") + smuggled)
    scene.assert_refused_or_dropped(before)
    assert scene.passed_on() == []


@pytest.mark.parametrize("length", ["-1", "99999999999999999999", "5 5", "abc", "0x10"])
def test_nonsense_lengths_on_a_stream(scene: Scene, make_client: MakeClient, length: str) -> None:
    """A stream whose next message cannot be found is answered or closed."""
    stream = make_client("dave", scene.proxy.address, transport="tcp")
    before = scene.counters()
    stream.send(scene.text(more=f"Content-Length: {length}\r\n", via="TCP 192.168.77.7"))
    scene.assert_refused_or_dropped(before)
    assert scene.passed_on() == []


def invite(uri: str, via: Address, routes: str = "", to_tag: str = "") -> str:
    """An INVITE as an attacker would write it."""
    return (
        f"INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {via[0]}:{via[1]};branch=z9hG4bKforged{to_tag}\r\n{routes}"
        f"Max-Forwards: 70\r\nFrom: <sip:mallory@pbx.test>;tag=f1\r\nTo: <sip:x@pbx.test>{to_tag}\r\n"
        f"Call-ID: forged{to_tag[5:]}@mallory\r\nCSeq: 1 INVITE\r\nContact: <sip:mallory@{via[0]}:{via[1]}>\r\n"
        "Content-Length: 0\r\n\r\n"
    )


FORGED = "bforged0000000000000000"


def test_forged_token_from_the_server(scene: Scene) -> None:
    """A token that names no binding: the server gets 404, and nobody else gets anything."""
    uri = f"sip:x@{scene.proxy.inside}:5070;b={FORGED}"
    scene.server.send(invite(uri, scene.server.address), scene.proxy.server_side)
    assert scene.server.expect(404).method == "INVITE"
    assert scene.mallory.silence(0.3) == []


def test_forged_token_from_a_client(scene: Scene) -> None:
    """A token in a client's Request-URI means nothing: the request goes to the server like any other."""
    uri = f"sip:x@{scene.proxy.inside}:5070;b={FORGED}"
    scene.mallory.send(invite(uri, scene.mallory.address))
    arrived = scene.server.expect("INVITE")
    assert arrived.source == f"{scene.proxy.inside}:5070"
    scene.server.reply(arrived, 403, "Forbidden")
    assert scene.mallory.expect(403).method == "INVITE"


@pytest.mark.parametrize("to_tag", ["", ";tag=t9"], ids=["out of dialog", "in dialog"])
def test_route_to_somewhere_else(scene: Scene, to_tag: str) -> None:
    """A client's Route or Request-URI to a third party leads to the server: we are nobody's relay."""
    host, port = scene.trap
    routes = f"Route: <sip:{host}:{port};lr>\r\n"
    scene.mallory.send(invite(f"sip:x@{host}:{port}", scene.mallory.address, routes, to_tag))
    arrived = scene.server.expect("INVITE")
    assert arrived.uri == f"sip:x@{host}:{port}"
    assert scene.bystander_heard() == b""
    scene.server.reply(arrived, 403, "Forbidden")
    assert scene.mallory.expect(403).method == "INVITE"


def test_route_of_the_server_to_somewhere_else(scene: Scene) -> None:
    """A request of the server goes to a client we know or nowhere."""
    host, port = scene.trap
    routes = f"Route: <sip:{scene.proxy.inside}:5070;lr>\r\nRoute: <sip:{host}:{port};lr>\r\n"
    scene.server.send(invite(f"sip:x@{host}:{port}", scene.server.address, routes), scene.proxy.server_side)
    assert scene.bystander_heard() == b""
    assert [seen for seen in scene.server.silence(0.5) if seen.status >= 400]


@pytest.mark.parametrize("side", ["client", "server"])
def test_unsolicited_response(scene: Scene, side: str) -> None:
    """A response to nothing we sent is dropped and counted, whatever its Via lines name."""
    host, port = scene.trap
    edge = scene.proxy.address if side == "client" else scene.proxy.server_side
    vias = (
        f"Via: SIP/2.0/UDP {edge[0]}:{edge[1]};branch=z9hG4bKnever\r\n"
        f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bKtrap\r\n"
    )
    answer = scene.text().replace("OPTIONS sip:bob@pbx.test SIP/2.0", "SIP/2.0 200 OK")
    answer = answer.replace(answer.split("\r\n")[1] + "\r\n", vias)
    sender = scene.mallory if side == "client" else scene.server
    before = scene.dropped()
    sender.send(answer, edge)
    assert scene.proxy.becomes("sipmend_dropped_total", before + 1)
    assert scene.bystander_heard() == b""


def test_request_of_a_stranger_on_the_server_side(scene: Scene) -> None:
    """Only the server may use the socket that faces it."""
    scene.mallory.send(scene.text(), scene.proxy.server_side)
    assert scene.proxy.becomes("sipmend_dropped_total", 1, reason="not_server")
    assert scene.mallory.silence(0.3) == []
    assert scene.passed_on() == []
