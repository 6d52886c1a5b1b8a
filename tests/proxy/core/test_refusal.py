"""Requests that are answered and not forwarded: without state."""

from __future__ import annotations

import pytest
from parts import ALICE, EDGE, node, request

from proxy.core.refusal import refusal_tag, refuse
from proxy.core.validation import ExtensionError
from proxy.effects import Send
from proxy.sip.errors import SipError
from proxy.sip.parser import parse_message


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
    _, reply, _ = answer(request(), ExtensionError([b"foo", b"bar"]))
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


@pytest.mark.parametrize(
    "message",
    [request(without=("Via",)), request("INVITE", "To: <broken"), request("INVITE", "From: <broken"),
     request(without=("Call-ID",))],
)  # fmt: skip
def test_no_answer_where_none_would_find_its_way(message):
    part = node()
    out: list = []
    refuse(message, ALICE, SipError("x"), part, out)
    assert out == []
    assert part.counts.dropped == {"malformed": 1}
