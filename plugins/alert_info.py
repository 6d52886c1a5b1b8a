"""Alert-Info whose URI stands there without angle brackets (RFC 3261 section 20.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from proxy.repair.rule import (
    OFF,
    REQUEST_OUT,
    RESPONSE_OUT,
    Context,
    Edit,
    Finding,
    Remove,
    Replace,
    Rule,
    Sample,
    Setting,
)
from proxy.sip.address import split_list
from proxy.sip.message import Message, line_value
from proxy.sip.registry import ALERT_INFO, INVITE

_ACTION: Final = Setting(
    "action",
    ("bracket", "drop"),
    "`bracket`: put the brackets in, and drop what holds no URI; `drop`: take every Alert-Info without brackets out",
)
# > alert-param  =  LAQUOT absoluteURI RAQUOT *( SEMI generic-param )
_GOOD: Final = re.compile(rb"<[A-Za-z][A-Za-z0-9+.\-]*:[^<>]+>[^<>]*").fullmatch
_URI: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*:[^;<>\x00-\x20\"]+").match


def _mended(element: bytes, drop: bool) -> bytes:
    """The element as a strict parser takes it; empty if it is to go."""
    if _GOOD(element) is not None:
        return element
    found = None if drop else _URI(element)
    mended = b"" if found is None else b"<" + found[0] + b">" + element[found.end() :]
    return mended if _GOOD(mended) is not None else b""


class AlertWithoutBrackets(Rule):
    """What some phones take as a word for a melody (`Alert-Info: Bellcore-dr2`) is no URI: leave this off for them."""

    name = "hdr-alert-info"
    rfc = "RFC 3261 section 20.4, section 25.1"
    summary = "Put the brackets around the URI of Alert-Info, or drop it: strict clients refuse the call otherwise."
    stages = (REQUEST_OUT, RESPONSE_OUT)
    methods = (INVITE,)
    touches = (ALERT_INFO,)
    default = OFF
    settings = (_ACTION,)
    no_source = "Known of old Asterisk; siproxd has a work-around in its `sip_utils.c`."
    samples = (
        Sample(
            before="""\
INVITE sip:alice@198.51.100.7:5060 SIP/2.0
Via: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKs
Max-Forwards: 70
From: <sip:bob@example.com>;tag=1928301774
To: <sip:alice@example.com>
Call-ID: a84b4c76e66710
CSeq: 1 INVITE
Contact: <sip:bob@10.0.0.5:5060>
Alert-Info: http://www.example.com/sounds/moo.wav;info=ring
Content-Length: 0

""",
            after="""\
INVITE sip:alice@198.51.100.7:5060 SIP/2.0
Via: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKs
Max-Forwards: 70
From: <sip:bob@example.com>;tag=1928301774
To: <sip:alice@example.com>
Call-ID: a84b4c76e66710
CSeq: 1 INVITE
Contact: <sip:bob@10.0.0.5:5060>
Alert-Info: <http://www.example.com/sounds/moo.wav>;info=ring
Content-Length: 0

""",
            stage=REQUEST_OUT,
        ),
    )

    def __init__(self, action: str = "bracket") -> None:
        self.drop = action == "drop"

    def with_settings(self, chosen: Mapping[str, str]) -> Rule:
        return AlertWithoutBrackets(chosen["action"])

    def applies(self, message: Message, context: Context) -> Finding | None:
        if ALERT_INFO not in message.names:
            return None
        for index in message.indexes(ALERT_INFO):
            if any(_GOOD(element) is None for element in split_list(line_value(message.lines[index]))):
                return Finding("Alert-Info has no URI in angle brackets, which strict parsers refuse", index)
        return None

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        edits: list[Edit] = []
        for index in message.indexes(ALERT_INFO):
            line = message.lines[index]
            elements = split_list(line_value(line))
            kept = [mended for element in elements if (mended := _mended(element, self.drop))]
            if kept == elements:
                continue
            if kept:
                edits.append(Replace(index, line.partition(b":")[0] + b": " + b", ".join(kept)))
            else:
                edits.append(Remove(index))
        return edits


RULES = (AlertWithoutBrackets(),)
