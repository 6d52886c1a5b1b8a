"""What cannot be taken as a message: answered where that can be done, and counted; tests/ladders play the rest."""

from __future__ import annotations

import pytest
from parts import ALICE, EDGE_TCP, OWN, node, request

from proxy.core.unreadable import Unreadable
from proxy.effects import CloseFlow, Send
from proxy.events import FramingFailed
from proxy.flow import Flow
from proxy.sip.errors import SipError
from proxy.sip.parser import parse_message

TOM = Flow(EDGE_TCP, "198.51.100.7", 40000, 7)
OCTETS = request().octets()
TOO_LONG = SipError("the head has more than 9 octets", 513, "head_too_long")


@pytest.mark.parametrize("status", [400, 513])
def test_stream_is_answered_and_closed(status):
    part, out = node(), []
    Unreadable(part).stream(FramingFailed(TOM, OCTETS, "framing", "it cannot be read", 1.0, status), out)
    assert [type(effect) for effect in out] == [Send, CloseFlow]
    answer = parse_message(out[0].octets)
    assert (answer.status, answer.reason) == (status, b"it cannot be read")
    assert part.counts.dropped == {"framing": 1}


@pytest.mark.parametrize("octets", [b"", b"junk", b"SIP/2.0 200 OK" + OCTETS[OCTETS.index(b"\r") :]])
@pytest.mark.parametrize("status", [400, 513])
def test_stream_of_junk_is_closed(octets, status):
    part, out = node(), []
    Unreadable(part).stream(FramingFailed(TOM, octets, "framing", "no message", 1.0, status), out)
    assert [type(effect) for effect in out] == [CloseFlow]
    assert part.counts.dropped == {"framing": 1}


def test_datagram_that_is_too_large_is_answered():
    part, out = node(), []
    Unreadable(part).message(OCTETS, ALICE, TOO_LONG, out)
    assert parse_message(out[0].octets).status == 513


@pytest.mark.parametrize(
    ("octets", "flow", "error"),
    [
        (OCTETS, ALICE, SipError("a NUL", 400, "control_character")),
        (b"junk", ALICE, TOO_LONG),
        (OCTETS, Flow(OWN, "203.0.113.66", 5060), TOO_LONG),
    ],
    ids=["malformed", "junk", "a stranger on the server side"],
)
def test_other_datagrams_are_counted(octets, flow, error):
    part, out = node(), []
    Unreadable(part).message(octets, flow, error, out)
    assert out == []
    assert part.counts.dropped == {error.label: 1}
