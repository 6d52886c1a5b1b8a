"""Messages above a limit: 513 with the limit in the phrase, where it can be told whom to answer (21.5.7)."""

from __future__ import annotations

import pytest

from proxy.events import FramingFailed, SendFailed
from proxy.sip.errors import FramingError
from proxy.sip.framing import StreamFramer
from tests.support.flows import registration
from tests.support.ladder import Ladder, does, nothing
from tests.support.sip_text import SipText
from tests.support.world import World

LIMITS = {"max_message": 4000, "max_head": 2000, "max_header_lines": 20}
LINES = {"x": ["y"] * 30}
MORE_LINES = {"x": ["y"] * 3000}
HEAD = {"subject": "y" * 2000}
BODY = b"y" * 3900
URI = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"


@pytest.fixture
def small():
    """The field with small limits."""
    return World(clients=("udp://203.0.113.10:5060", "tcp://203.0.113.10:5060"), limits=LIMITS)


@pytest.fixture
def phone(small):
    return small.client("phone", "198.51.100.20:31000", contact="<sip:anna@192.168.1.20:5060>", user="anna")


@pytest.fixture
def server(small):
    return small.server("server")


TOO_LARGE = pytest.mark.parametrize(
    ("more", "body", "answer", "label"),
    [
        (LINES, b"", "513 the message has more than 20 header lines", "too_many_lines"),
        (MORE_LINES, BODY, "513 the head has more than 2000 octets", "head_too_long"),
        (HEAD, b"", "513 the head has more than 2000 octets", "head_too_long"),
        ({}, BODY, "513 the message has more than 4000 octets", "message_too_long"),
    ],
    ids=["lines", "more lines", "head", "message"],
)


@TOO_LARGE
def test_datagram_of_a_client(small, phone, server, more, body, answer, label):
    """The server hears nothing of it."""
    assert Ladder(small) >> phone.sends("MESSAGE sip:bob@example.com", body=body, **more) << phone.gets(answer)
    assert small.counts.dropped[label] == 1


@TOO_LARGE
def test_datagram_of_the_server(small, phone, server, more, body, answer, label):
    """The same from the other side."""
    assert (
        Ladder(small)
        >> registration(phone, server, "T")
        >> server.sends(f"MESSAGE {URI}", body=body, **more)
        << server.gets(answer)
    )
    assert small.counts.dropped[label] == 1


@TOO_LARGE
@pytest.mark.parametrize("what", ["ACK sip:bob@example.com", 200])
def test_what_takes_no_answer(small, phone, server, more, body, answer, label, what):
    """An ACK or a response that is too large is counted only."""
    asked = SipText(b"MESSAGE sip:x SIP/2.0\r\nVia: x\r\nFrom: a\r\nTo: b\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n\r\n")
    phone.received.append(asked)
    assert Ladder(small) >> phone.sends(what, body=body, **more) << nothing
    assert small.counts.dropped == {label: 1}


@TOO_LARGE
def test_stranger_on_the_server_side_hears_nothing(small, more, body, answer, label):
    """No address but the server's gets an answer there."""
    stranger = small.server("stranger", "203.0.113.66:5060")
    assert Ladder(small) >> stranger.sends("MESSAGE sip:x@10.0.0.2", body=body, **more) << nothing
    assert small.counts.dropped == {label: 1}


@pytest.mark.parametrize("name", ["via", "from_", "to", "call_id", "cseq"])
def test_first_lines_have_to_say_whom_to_answer(small, phone, name):
    """What an answer is made of stands behind the limit, or nowhere: counted only."""
    assert Ladder(small) >> phone.sends("MESSAGE sip:bob@example.com", **HEAD, **{name: None}) << nothing
    assert small.counts.dropped == {"head_too_long": 1}


@pytest.mark.parametrize(
    "octets", [b"y" * 5000, b"MESSAGE x SIP/2.0\r\n" + b"y" * 5000, b"\r\n" * 3000, b"y\r\n" * 3000]
)
def test_large_junk_is_dropped(small, phone, octets):
    assert Ladder(small) >> phone.sends_octets(octets) << nothing
    assert sum(small.counts.dropped.values()) == 1


def test_bare_line_feeds_count_too(small, phone):
    """A client that ends its lines with LF only."""
    ladder = Ladder(small) >> phone.sends("MESSAGE sip:bob@example.com", **HEAD)
    assert ladder << phone.gets("513 the head has more than 2000 octets")
    octets = phone.sent[-1].octets.replace(b"\r\n", b"\n")
    for more in (b"", b"y" * 3000):
        assert Ladder(small) >> phone.sends_octets(octets + more) << phone.gets(513, again=True)


@pytest.mark.parametrize(
    ("more", "body", "answer"),
    [
        ("X: y\r\n" * 30, b"", "513 the head has more than 20 lines"),
        ("X: " + "y" * 2000 + "\r\n", b"", "513 the head has more than 2000 octets"),
        ("", b"y" * 5000, "513 the body has more than 4000 octets"),
    ],
    ids=["lines", "head", "body"],
)
def test_stream(small, more, body, answer):
    """The framer gives up: the answer, and then the end of the connection."""
    tom = small.client("tom", "198.51.100.30:42000", listener=1)
    octets = (
        "MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.168.1.30:5060;rport;branch=z9hG4bKx\r\n"
        "From: <sip:tom@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n"
        f"Max-Forwards: 70\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body

    def stream(world):
        framer = StreamFramer(LIMITS["max_head"], LIMITS["max_message"], LIMITS["max_header_lines"])
        tom.sent.append(SipText(octets))
        framer.feed(octets)
        with pytest.raises(FramingError) as caught:
            framer.next()
        error = caught.value
        world.feed(FramingFailed(tom.flow, framer.broken, error.label, error.text, world.now, error.status))

    assert Ladder(small) >> does(stream, "a stream") << tom.gets(answer) << tom.is_closed()


def too_large(party):
    """The kernel refuses the last datagram for this party: EMSGSIZE."""

    def refuse(world):
        octets = party.received[-1].octets
        world.feed(SendFailed(party.flow, "emsgsize: Message too long", world.now, octets))

    return does(refuse, f"the datagram for {party.name} is too large")


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_datagram_that_does_not_leave_for_the_server(field, anna, pbx, method):
    """Our own Via and Record-Route made it too large: the client hears it, and not that the server is out of reach."""
    own = {"contact": "{*}", "record_route": ["{*}", "{*}"]} if method == "INVITE" else {}
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:carol@example.com")
        << pbx.gets("MESSAGE")
        >> anna.sends(f"{method} sip:bob@example.com")
        << pbx.gets(method, **own)
        >> too_large(pbx)
        << anna.gets("513 Too large for a datagram to the next hop")
        << nothing
    )
    assert field.counts.dropped == {"datagram_too_large": 1}
    assert field.core.node.targets.all[0].up


def test_datagram_that_does_not_leave_for_a_client(field, anna, pbx):
    """The same towards a client."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> pbx.sends(f"MESSAGE {URI}")
        << anna.gets("MESSAGE sip:anna@192.168.1.20:5060")
        >> too_large(anna)
        << pbx.gets("513 Too large for a datagram to the next hop")
    )


def test_response_that_does_not_leave(field, anna, pbx):
    """Nobody waits for an answer to that one."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        >> pbx.sends(200)
        << anna.gets(200)
        >> too_large(anna)
        << nothing
    )
    assert field.counts.dropped == {"datagram_too_large": 1}
