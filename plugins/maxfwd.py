"""Max-Forwards: missing, written twice, or beyond what the grammar allows (RFC 3261 sections 8.1.1.6, 16.6, 20.22)."""

from __future__ import annotations

from typing import Final

from proxy.repair.rule import (
    ONE_MAX_FORWARDS,
    REPORT,
    REQUEST_IN,
    REQUEST_OUT,
    Context,
    Edit,
    Finding,
    Insert,
    Remove,
    Replace,
    Rule,
    Sample,
)
from proxy.sip.message import Message, line_value
from proxy.sip.registry import MAX_FORWARDS, VIA

# > The Max-Forwards value is an integer in the range 0-255 [...] The recommended initial value is 70.
_INITIAL: Final = b"Max-Forwards: 70"
_MOST: Final = 255
# How nearly everybody writes it: a look-up instead of a number parsed per message.
_USUAL: Final = frozenset(b"Max-Forwards: %d" % hops for hops in range(_MOST + 1))


def _hops(line: bytes) -> int | None:
    """The number in a Max-Forwards line; None if there is none."""
    text = line_value(line)
    return int(text) if text.isdigit() and len(text) <= 10 else None


class MaxForwardsMissing(Rule):
    name = "maxfwd-missing"
    rfc = "RFC 3261 section 8.1.1.6, section 16.6"
    summary = "Insert `Max-Forwards: 70` into a request without it; servers answer 400 or 483, some even to ACK."
    stages = (REQUEST_IN, REQUEST_OUT)
    unless = ONE_MAX_FORWARDS
    touches = (MAX_FORWARDS,)
    source = (
        "onsip/SIP.js/pull/573",
        "baresip/re/pull/1217",
        "ghettovoice/gosip/pull/14",
        "tayler6000/pyVoIP/issues/194",
    )
    samples = (
        Sample(
            before="""\
BYE sip:bob@192.0.2.4 SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
From: <sip:alice@example.com>;tag=1928301774
To: <sip:bob@example.com>;tag=a6c85cf
Call-ID: a84b4c76e66710
CSeq: 2 BYE

""",
            after="""\
BYE sip:bob@192.0.2.4 SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1928301774
To: <sip:bob@example.com>;tag=a6c85cf
Call-ID: a84b4c76e66710
CSeq: 2 BYE

""",
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        if MAX_FORWARDS in message.names:
            return None
        return Finding("Max-Forwards is missing; servers answer 400 or 483, and a routing loop would never end")

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        vias = message.indexes(VIA)
        return [Insert(vias[-1] + 1 if vias else 1, MAX_FORWARDS, _INITIAL)]


class MaxForwardsDuplicate(Rule):
    name = "maxfwd-duplicate"
    rfc = "RFC 3261 section 7.3.1, section 20.22"
    summary = "Keep the lowest of several Max-Forwards headers; some servers ignore a request that has two."
    stages = (REQUEST_IN, REQUEST_OUT)
    unless = ONE_MAX_FORWARDS
    touches = (MAX_FORWARDS,)
    source = ("restsend/rsipstack/pull/49",)
    samples = (
        Sample(
            before="""\
OPTIONS sip:example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKhjhs8ass877
Max-Forwards: 70
Max-Forwards: 69
From: <sip:alice@example.com>;tag=1928301774
To: <sip:example.com>
Call-ID: a84b4c76e66710
CSeq: 63104 OPTIONS

""",
            after="""\
OPTIONS sip:example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKhjhs8ass877
Max-Forwards: 69
From: <sip:alice@example.com>;tag=1928301774
To: <sip:example.com>
Call-ID: a84b4c76e66710
CSeq: 63104 OPTIONS

""",
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        names = message.names
        if names.count(MAX_FORWARDS) < 2:
            return None
        return Finding("Max-Forwards is written more than once; the lowest counts", names.index(MAX_FORWARDS))

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        lines = message.indexes(MAX_FORWARDS)
        kept = min(lines, key=lambda line: _order(message.lines[line]))
        return [Remove(line) for line in lines if line != kept]


def _order(line: bytes) -> int:
    """Numbers by size, then what is no number: only when nothing better is there may that stay."""
    hops = _hops(line)
    return 10**10 if hops is None else hops


class MaxForwardsHigh(Rule):
    name = "maxfwd-high"
    rfc = "RFC 3261 section 20.22"
    summary = "Cap a Max-Forwards above 255 at 70: the grammar ends at 255, and a loop would run that many times."
    stages = (REQUEST_IN, REQUEST_OUT)
    unless = ONE_MAX_FORWARDS
    touches = (MAX_FORWARDS,)
    default = REPORT
    no_source = "RFC 4475 section 3.1.2.4 has such a number; repro caps what is above 255."
    samples = (
        Sample(
            before="""\
OPTIONS sip:example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKhjhs8ass877
Max-Forwards: 100000
From: <sip:alice@example.com>;tag=1928301774
To: <sip:example.com>
Call-ID: a84b4c76e66710
CSeq: 63104 OPTIONS

""",
            after="""\
OPTIONS sip:example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKhjhs8ass877
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1928301774
To: <sip:example.com>
Call-ID: a84b4c76e66710
CSeq: 63104 OPTIONS

""",
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        names = message.names
        if MAX_FORWARDS not in names:
            return None
        index = names.index(MAX_FORWARDS)
        line = message.lines[index]
        if line in _USUAL:
            return None
        hops = _hops(line)
        if hops is None or hops <= _MOST:
            return None
        return Finding(f"Max-Forwards is {hops}, above the 255 that the grammar allows", index)

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        return [Replace(finding.line, _INITIAL)]


RULES = (MaxForwardsMissing(), MaxForwardsDuplicate(), MaxForwardsHigh())
