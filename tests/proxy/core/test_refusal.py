"""Requests that are answered and not forwarded: without state."""

from __future__ import annotations

import pytest
from parts import ALICE, EDGE, node, request

from proxy.core.refusal import refusal_tag, refuse
from proxy.core.validation import ExtensionError
from proxy.effects import Send
from proxy.sip.errors import SipError
from proxy.sip.parser import parse_message
from proxy.sip.registry import PROXY_REQUIRE


def answer(message, error, part=None):
    part = part or node()
    out: list = []
    refuse(message, ALICE, error, part, out)
    (send,) = out
    assert isinstance(send, Send)
    assert part.layer.servers == {}
    return send, parse_message(send.octets), part


def test_says_what_is_wrong():
    send, reply, part = answer(request(), SipError("the thing is broken", 400, "malformed"))
    assert (reply.status, reply.reason, send.kind, send.flow) == (400, b"the thing is broken", b"4xx", ALICE)
    assert part.counts.dropped == {"malformed": 1}
    assert part.counts.responses == {(EDGE.side, 400): 1}


def test_goes_to_where_the_request_came_from():
    send, reply, _ = answer(request("OPTIONS", "Via: SIP/2.0/UDP 192.168.1.5;rport;branch=x"), SipError("x"))
    assert send.flow is ALICE
    assert reply.via.param(b"rport") == b"4711"
    assert reply.via.received == b"198.51.100.7"


def test_same_request_gets_the_same_tag():
    """> ... all responses of a stateless element to the same request MUST have the same tag (8.2.7)"""
    part = node()
    tags = [answer(request(), SipError("x"), part)[1].to.tag for _ in range(2)]
    assert tags[0] == tags[1] == refusal_tag(request(), part)
    assert tags[0] != refusal_tag(request("INVITE", "Call-ID: c2"), part)
    assert tags[0] != refusal_tag(request("INVITE", "From: <sip:a@b>;tag=f2"), part)
    assert refusal_tag(request("INVITE", "From: <sip:a@b>"), part).startswith(b"sm")


def test_unknown_extensions_are_listed():
    _, reply, _ = answer(request(), ExtensionError(PROXY_REQUIRE, [b"foo", b"bar"]))
    assert (reply.status, reply.value(b"unsupported")) == (420, b"foo, bar")


def test_503_says_when_to_try_again():
    _, reply, _ = answer(request(), SipError("too busy", 503, "draining"))
    assert reply.value(b"retry-after") == b"5"


def test_ack_is_never_answered():
    part = node()
    out: list = []
    refuse(request("ACK"), ALICE, SipError("x"), part, out)
    assert out == []
    assert part.counts.dropped == {"malformed": 1}


@pytest.mark.parametrize("via", [None, "Via: SIP/2.0/UDP"])
def test_no_answer_where_none_would_find_its_way(via):
    part = node()
    out: list = []
    message = request(without=("Via",)) if via is None else request("INVITE", via)
    refuse(message, ALICE, SipError("x"), part, out)
    assert out == []
    assert part.counts.dropped == {"malformed": 1}


@pytest.mark.parametrize(
    "message",
    [request("INVITE", "To: <broken"), request("INVITE", "From: <broken"), request(without=("Call-ID",)),
     request(without=("From", "To", "Call-ID"))],
)  # fmt: skip
def test_headers_that_cannot_be_read_are_no_reason_to_be_silent(message):
    """> Ideally, an element answers 400 to a request without From, To and Call-ID (RFC 4475 section 3.3.1)."""
    _, reply, part = answer(message, SipError("x"))
    kept = [line for line, name in zip(message.lines, message.names, strict=True) if name in (b"from", b"call-id")]
    assert [line for line in reply.lines if line in kept] == kept
    assert refusal_tag(message, part).startswith(b"sm")


def test_header_that_came_twice_goes_back_once():
    message = request()
    for name in ("From", "To", "Call-ID", "CSeq"):
        message.append(name.lower().encode(), b"%b: <sip:other@example.com>;tag=2" % name.encode())
    _, reply, _ = answer(message, SipError("From stands there more than once"))
    assert sorted(reply.names) == sorted((b"", b"via", b"from", b"to", b"call-id", b"cseq", b"content-length"))
    assert b"other@" not in reply.octets()


@pytest.mark.parametrize("own", [b"Via: SIP/2.0/UDP ;;,;", b""])
def test_client_gets_back_the_via_that_it_wrote(own):
    """Where a rule put another in its place: an unreadable one as it was, a missing one not at all."""
    part = node()
    out: list = []
    refuse(request(), ALICE, SipError("x"), part, out, own)
    reply = parse_message(out[0].octets)
    assert [line for line in reply.lines if line.startswith(b"Via")] == ([own] if own else [])
