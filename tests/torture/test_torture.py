"""Every torture message of RFC 4475 and RFC 5118 gets its right answer (`table`), over UDP and over TCP.

Each case is played with a message of the project's own writing (messages/NAME.sip, octets as on the wire), and with the
RFC's where the files are at hand: they may not be copied into this repository.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plugins import ORDER
from proxy.effects import CloseFlow, Send
from proxy.events import FramingFailed, MessageReceived
from proxy.flow import CLIENT, SERVER
from proxy.sip.errors import FramingError
from proxy.sip.framing import StreamFramer
from tests.support.sip_text import SipText, tag_of
from tests.support.world import World
from tests.torture.table import (
    ABSORBED,
    ANSWERED,
    BOTH,
    CLOSED,
    DROPPED,
    FORWARDED,
    PASSED,
    REPAIRED,
    RFC_4475,
    SAME,
    START_LINE,
    TABLE,
    WAITS,
    Row,
)

MESSAGES = Path(__file__).parent / "messages"
DATA = Path(__file__).parents[3] / "shared" / "data"
SOURCE = "198.51.100.20:5060"
UDP_LISTENER, TCP_LISTENER = 0, 1
HOP = {"via", "record-route"}  # what every proxy changes, checked on its own; and one less in Max-Forwards

REQUESTS = [row for row in TABLE if row.right in (FORWARDED, REPAIRED, ANSWERED)]
RESPONSES = [row for row in TABLE if row.right in (PASSED, ABSORBED, DROPPED)]


def message_of(row: Row, origin: str) -> bytes:
    """The octets of a case, of our own writing or of the RFC."""
    if origin == "own":
        return (MESSAGES / f"{row.name}.sip").read_bytes()
    if not row.rfc:
        pytest.skip(f"{row.name} is a case of our own: the RFC has no message for it")
    if not DATA.is_dir():
        pytest.skip(f"the messages of the RFCs are not at hand: {DATA} does not exist")
    if row in RFC_4475:
        return (DATA / "rfc4475" / f"{row.name}.dat").read_bytes()
    # Published with bare line feeds: with CRLF the body is longer than its Content-Length says.
    head, blank, body = (DATA / "rfc5118-crlf" / row.name).read_bytes().partition(b"\r\n\r\n")
    return re.sub(rb"(?<=Content-Length: )\d+", b"%d" % len(body), head) + blank + body


class Play:
    """The real core between a client and the server; what it sends is sorted by side."""

    def __init__(self, listener: int, **sections: object) -> None:
        self.world = World(clients=("udp://203.0.113.10:5060", "tcp://203.0.113.10:5060"), **sections)
        self.client = self.world.client("client", SOURCE, listener=listener)
        self.server = self.world.server("k")
        self.unfinished = b""

    def by_datagram(self, octets: bytes) -> None:
        self.world.feed(MessageReceived(self.client.flow, octets, self.world.now))

    def by_stream(self, octets: bytes) -> None:
        """As `proxy.transport.connection` does it."""
        framer = StreamFramer(65536, 65536, 500)
        framer.feed(octets)
        try:
            while (message := framer.next()) is not None:
                self.by_datagram(message)
        except FramingError as error:
            client, now = self.client.flow, self.world.now
            self.world.feed(FramingFailed(client, framer.broken, error.label, error.text, now, error.status))
        self.unfinished = octets if framer.pending else b""

    def from_server(self, octets: bytes) -> None:
        self.world.feed(MessageReceived(self.server.flow, octets, self.world.now))

    def take(self) -> tuple[list[SipText], list[SipText], bool]:
        """What was sent to the server and to the client since, and whether the connection was closed."""
        effects = [output.effect for output in self.world.outputs]
        self.world.outputs.clear()
        sends = [effect for effect in effects if isinstance(effect, Send)]
        assert all(
            send.flow.key == (self.client.flow if send.flow.listener.side == CLIENT else self.server.flow).key
            for send in sends
        ), "something was sent to somebody who has no part in this"
        to_server = [SipText(send.octets) for send in sends if send.flow.listener.side == SERVER]
        to_client = [SipText(send.octets) for send in sends if send.flow.listener.side == CLIENT]
        return to_server, to_client, any(isinstance(effect, CloseFlow) for effect in effects)


def sent_text(octets: bytes) -> SipText:
    """The message as its sender counts it: octets behind Content-Length are none of it."""
    text = SipText(octets)
    length = text.value("content-length")
    if length.isdigit():
        text.body = text.body[: int(length)]
    return text


def changed_headers(sent: SipText, got: SipText) -> set[str]:
    """The headers whose lines are not the same, octet for octet and in order; `order` if only that changed."""
    names = {*sent.names, *got.names} - HOP
    changed = {name for name in names if _lines(sent, name) != _lines(got, name)}
    rest = changed | HOP
    if [n for n in sent.names if n not in rest] != [n for n in got.names if n not in rest]:
        changed.add("order")
    if sent.start != got.start:
        changed.add(START_LINE)
    if sent.body != got.body:
        changed.add("body")
    return changed


def _lines(text: SipText, name: str) -> list[str]:
    return [line for line, found in zip(text.lines, text.names, strict=True) if found == name]


def without_received(via: str) -> str:
    return re.sub(r";received=[^;]*|(?<=;rport)=\d+", "", via)


def check_hop(sent: SipText, got: SipText, play: Play) -> None:
    """Via, Record-Route and Max-Forwards are what RFC 3261 section 16.6 makes of them."""
    before, after = _lines(sent, "via"), _lines(got, "via")
    transport = "UDP" if len(got.octets) <= 1300 else "TCP"  # RFC 3261 section 18.1.1
    assert re.fullmatch(rf"Via: SIP/2\.0/{transport} 10\.0\.0\.2:5070;branch=z9hG4bK[a-z0-9]+", after[0])
    assert after[2:] == before[1:]
    first, second = ("".join(text.elements("via")[place].split()) for text, place in ((sent, 0), (got, 1)))
    assert without_received(second) == without_received(first)
    host = SOURCE.partition(":")[0]
    # > ... if it contains an IP address that differs from the packet source address, the server MUST add a
    # > "received" parameter (18.2.1)
    assert f";received={host}" in second or re.match(rf"SIP/2\.0/[A-Z]+{re.escape(host)}[:;]", second)
    own = 2 if got.method == "INVITE" and not tag_of(got.value("to")) else 0
    assert _lines(got, "record-route")[own:] == _lines(sent, "record-route")
    assert all("@10.0.0.2:5070;" in line or "@203.0.113.10:5060;" in line for line in _lines(got, "record-route")[:own])
    hops = sent.value("max-forwards")
    assert int(got.value("max-forwards")) == (int(hops) - 1 if hops else 70)


def check_forwarded(row: Row, octets: bytes, play: Play) -> None:
    to_server, to_client, closed = play.take()
    assert (len(to_server), len(to_client), closed) == (1, 0, False)
    sent, got = sent_text(octets), to_server[0]
    check_hop(sent, got, play)
    # One less in Max-Forwards is checked above, and is no repair where the header was there.
    ignored = {"max-forwards"} if sent.value("max-forwards") else set()
    assert changed_headers(sent, got) - ignored == set(row.changed)
    if START_LINE in row.changed:
        assert got.start == " ".join(sent.start.split())
    check_way_home(sent, got, play)


def check_way_home(sent: SipText, got: SipText, play: Play) -> None:
    """The answer finds its way, with what identifies the transaction and the dialog octet for octet as it was sent."""
    kept = ("via", "from", "to", "call-id", "cseq")
    lines = [line for line, name in zip(got.lines, got.names, strict=True) if name in kept]
    answer = "\r\n".join(["SIP/2.0 404 Not Found", *lines, "Content-Length: 0", "", ""])
    play.from_server(answer.encode("utf-8", "surrogateescape"))
    to_server, to_client, _ = play.take()
    assert [text.method for text in to_server] == (["ACK"] if got.method == "INVITE" else [])
    assert [text.status for text in to_client] == [404]
    for name in kept[1:]:
        assert _lines(to_client[0], name) == _lines(sent, name)
    assert _lines(to_client[0], "via")[1:] == _lines(sent, "via")[1:]


def check_answered(row: Row, octets: bytes, play: Play, status: int, says: str) -> None:
    to_server, to_client, closed = play.take()
    assert to_server == []
    assert [text.status for text in to_client] == [status]
    sent, got = SipText(octets), to_client[0]
    assert says in got.start
    assert len(_lines(got, "via")) == len(_lines(sent, "via"))
    for name in ("from", "to", "call-id", "cseq"):
        # One of each, however many the request had: the answer itself must be right.
        first = _lines(sent, name)[:1]
        assert [line.partition(";tag=sm")[0] for line in _lines(got, name)] == first
    assert got.value("content-length") == "0"
    if status == 420:
        assert got.value("unsupported") == ", ".join(sent.value("proxy-require").split(", "))
    assert status == 200 or play.world.core.node.layer.servers == {}, "a refusal needs no state"
    assert closed == (row.tcp == CLOSED and play.client.flow.listener.reliable)


@pytest.mark.parametrize("origin", ["own", "rfc"])
@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: row.name)
def test_request_over_udp(row, origin):
    """The right answer to each request, in one datagram."""
    play = Play(UDP_LISTENER)
    octets = message_of(row, origin)
    play.by_datagram(octets)
    if row.right == ANSWERED:
        check_answered(row, octets, play, row.status, row.says)
    else:
        check_forwarded(row, octets, play)


@pytest.mark.parametrize("origin", ["own", "rfc"])
@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: row.name)
def test_request_over_tcp(row, origin):
    """The right answer to each request, cut from a stream by the framer."""
    play = Play(TCP_LISTENER)
    octets = message_of(row, origin)
    play.by_stream(octets)
    ends = b"\r\n\r\n" in octets
    if row.tcp == WAITS or not ends:
        assert play.unfinished
        assert play.take() == ([], [], False)
    elif row.tcp == CLOSED:
        check_answered(row, octets, play, 400, "Content-Length")
    elif row.tcp == BOTH:
        to_server, _, _ = play.take()
        first, second = to_server
        assert (first.method, second.method) == ("REGISTER", "INVITE")
        assert second.body in octets
        assert len(second.body) == int(second.value("content-length"))
    elif row.right == ANSWERED:
        check_answered(row, octets, play, row.status, row.says)
    else:
        check_forwarded(row, octets, play)


def forwarded_request(play: Play, method: str) -> SipText:
    """A request of the client on its way, as the server got it."""
    contact = "Contact: <sip:tess@198.51.100.20>\r\n" if method == "INVITE" else ""
    play.by_datagram(
        f"{method} sip:pia@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.20;branch=z9hG4bKasked\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:tess@example.com>;tag=q1\r\nTo: <sip:pia@example.com>\r\nCall-ID: asked\r\n"
        f"CSeq: 35 {method}\r\n{contact}Content-Length: 0\r\n\r\n".encode()
    )
    to_server, _, _ = play.take()
    return to_server[0]


def as_answer(octets: bytes, request: SipText, keep: tuple[str, ...] = ()) -> bytes:
    """The response with Via, From, To, Call-ID and CSeq of a request that was really sent; `keep` are left alone."""
    text = SipText(octets)
    lines = [f"Via: {value}" for value in request.values("via")]
    for line, name in zip(text.lines, text.names, strict=True):
        if name in ("from", "call-id", "cseq") and name not in keep:
            line = next(one for one, found in zip(request.lines, request.names, strict=True) if found == name)
        elif name == "to":
            line = f"To: <sip:pia@example.com>;tag={tag_of(text.value('to'))}"
        if name != "via":
            lines.append(line)
    head = "\r\n".join([text.start, *lines]).encode("utf-8", "surrogateescape")
    return head + b"\r\n\r\n" + text.body


@pytest.mark.parametrize("origin", ["own", "rfc"])
@pytest.mark.parametrize("row", RESPONSES, ids=lambda row: row.name)
def test_response(row, origin):
    """The right treatment of each response, as it is (a stray) and as the answer to a request that was forwarded."""
    octets = message_of(row, origin)
    play = Play(UDP_LISTENER)
    request = forwarded_request(play, row.answers)
    play.from_server(octets)
    assert play.take() == ([], [], False), "nobody asked for it"
    # The defect of scalarlg is in CSeq; that of bcast in the Via under ours, and no transaction of ours goes with it.
    answer = as_answer(octets, request, keep=("cseq",) if row.name == "scalarlg" else ())
    if row.name == "bcast":
        assert "255.255.255.255" in SipText(octets).values("via")[1]
        return
    play.from_server(answer)
    to_server, to_client, _ = play.take()
    if row.right == PASSED:
        sent, (got,) = SipText(answer), to_client
        assert (got.start, got.body) == (sent.start, sent.body)
        ours, *others = sent.lines
        assert ours.startswith("Via: SIP/2.0/UDP 10.0.0.2:5070")
        # The RFC's 2xx has no Record-Route: ours was in the request, and is put back.
        assert [line for line in got.lines if not line.startswith("Record-Route: <sip:r")] == others
        return
    assert (to_server, to_client) == ([], [])
    play.world.wait(1.0)
    again, _, _ = play.take()
    # A response that counts ends the retransmissions of Timer A; one that was dropped does not.
    assert bool(again) == (row.right == DROPPED)


@pytest.mark.parametrize("mode", ["default", "report"])
@pytest.mark.parametrize("origin", ["own", "rfc"])
@pytest.mark.parametrize("row", [row for row in TABLE if row.right in (FORWARDED, PASSED)], ids=lambda row: row.name)
def test_no_rule_finds_anything_in_what_is_right(row, origin, mode):
    """Neither as rules are by default, nor when all of them report.

    The documentation addresses of the RFCs stand for public ones: here they are some.
    """
    play = Play(UDP_LISTENER, repair={} if mode == "default" else {rule.name: "report" for rule in ORDER})
    octets = message_of(row, origin).replace(b"192.0.2.", b"192.9.2.").replace(b"203.0.113.", b"193.0.113.")
    if row.right == PASSED:
        octets = as_answer(octets, forwarded_request(play, row.answers))
        play.world.counts.repairs.clear()
        play.from_server(octets)
    else:
        play.by_datagram(octets)
    assert any(play.take())
    # A private Contact of the server is right; that rule is for clients that take it for wrong.
    names = {rule.name for rule in ORDER} - {"contact-private-server"}
    assert {name for name, _, _ in play.world.counts.repairs} & names == set()


def test_broadcast_via_is_never_followed():
    """An INVITE that claims to come from 255.255.255.255 is answered where it came from (RFC 4475 section 3.3.10)."""
    play = Play(UDP_LISTENER)
    row = next(row for row in TABLE if row.name == "sdp01")
    octets = re.sub(rb"(?<=SIP/2.0/UDP )[^;\r]+", b"255.255.255.255", message_of(row, "own"), count=1)
    play.by_datagram(octets)
    to_server, _, _ = play.take()
    check_way_home(SipText(octets), to_server[0], play)


def test_table_and_messages_are_complete():
    """Each case once, each with a message of our own, and no message without a case; each says why."""
    names = [row.name for row in TABLE]
    assert len(names) == len(set(names))
    assert sorted(names) == sorted(path.stem for path in MESSAGES.glob("*.sip"))
    assert sum(row.rfc for row in TABLE) == 49 + 12
    assert all(row.why.endswith((".", "?")) and re.fullmatch(r"[34](\.\d+)+", row.section) for row in TABLE)
    assert {row.tcp for row in TABLE} == {SAME, CLOSED, WAITS, BOTH}


def test_every_message_of_the_rfcs_has_its_row():
    """The archive of RFC 4475 has one file more than the RFC has cases: test.dat, which no section describes."""
    if not DATA.is_dir():
        pytest.skip(f"the messages of the RFCs are not at hand: {DATA} does not exist")
    found = {path.stem for path in (DATA / "rfc4475").iterdir()} - {"test"}
    found |= {path.name for path in (DATA / "rfc5118-crlf").iterdir()}
    assert found == {row.name for row in TABLE if row.rfc}
