"""A name before an address with signs that want quotes, and no quotes (RFC 3261 sections 20.10 and 25.1).

Without quotes a name is made of tokens: neither umlauts nor `@`, `:`, `(` or `/`. Many take it all the same; strict
parsers, SIP.js and sofia-sip among them, throw the message away. Both ways are looked at: what servers write for names
from their address books, and what clients send. What the name says stays as it is; octets that are no UTF-8 are not
translated.

From and To change in requests only, and dialogs match by their tags, whatever the name. Answers must have both as the
request had them (section 8.2.6.2): the core puts the asker's own lines back, octet for octet, into every answer, to a
client as to the server. Contact and the other headers are judged in answers too, and nobody needs them back.

A comma or semicolon without quotes is nothing for this rule: in From and To it makes a message that cannot be read,
which is answered 400, as RFC 4475 section 3.1.2.15 has it, and in a list it begins the next element.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.repair.rule import (
    PLAIN_NAMES,
    REPORT,
    REQUEST_IN,
    REQUEST_OUT,
    RESPONSE_IN,
    RESPONSE_OUT,
    Context,
    Edit,
    Finding,
    Replace,
    Rule,
    Sample,
)
from proxy.sip.address import parse_name_addr, split_list
from proxy.sip.contact import splice
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Request, line_value
from proxy.sip.places import NAMED
from proxy.sip.registry import CONTACT, FROM, IDENTITY, SPELLINGS, TO

# > display-name   =  *(token LWS)/ quoted-string
_TOKENS: Final = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~ \t]*").fullmatch
# > qdtext         =  LWS / %x21 / %x23-5B / %x5D-7E / UTF8-NONASCII
# > quoted-pair    =  "\" (%x00-09 / %x0B-0C / %x0E-7F)
_ESCAPE: Final = re.compile(rb'["\\\x01-\x08\x0b\x0c\x0e-\x1f\x7f]').sub
# No quotes make these right.
_HOPELESS: Final = re.compile(rb"[\0\r\n]").search


def _quoted(element: bytes) -> bytes:
    """The element with its name in quotes; as it is if nothing is wrong with it, or nothing can be done."""
    try:
        address = parse_name_addr(element)
    except HeaderError:
        return element
    name, raw = address.display, address.raw
    if not name or name[:1] == b'"' or _TOKENS(name) or _HOPELESS(name):
        return element
    return b'"%b"%b' % (_ESCAPE(rb"\\\g<0>", name), raw[len(name) :])


def _judged(message: Message) -> tuple[bytes, ...]:
    """The headers that may change in this message."""
    if not isinstance(message, Request) or IDENTITY in message.names:  # which signs From and To (RFC 8224 section 4)
        return (CONTACT, *NAMED)
    return (FROM, TO, CONTACT, *NAMED)


def _mended(line: bytes, name: bytes) -> bytes:
    """The line of that header with its names in quotes; as it is if nothing is wrong with it."""
    value = line_value(line)
    elements = [value] if name in (FROM, TO) else split_list(value)
    changes = [(element, _quoted(element)) for element in elements]
    return line if all(old == new for old, new in changes) else splice(line, changes)


class DisplayUnquoted(Rule):
    """One in quotes is left, whatever follows it."""

    name = "display-unquoted"
    rfc = "RFC 3261 section 20.10, section 25.1"
    summary = "Put a display name with umlauts or signs that are no token into quotes; answers have the asker's own."
    stages = (REQUEST_IN, RESPONSE_IN, REQUEST_OUT, RESPONSE_OUT)
    unless = PLAIN_NAMES
    touches = (FROM, TO, CONTACT, *NAMED)
    default = REPORT
    source = ("davehorton/sofia-sip/issues/3", "pjsip/pjproject/issues/1363")
    samples = (
        Sample(
            before="""\
MESSAGE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
Max-Forwards: 70
From: Alice (office) <sip:alice@example.com>;tag=1928301774
To: Bjørn \\o/ <sip:bob@example.com>
Call-ID: a84b4c76e66710
CSeq: 1 MESSAGE
Content-Length: 0

""",
            after="""\
MESSAGE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
Max-Forwards: 70
From: "Alice (office)" <sip:alice@example.com>;tag=1928301774
To: "Bjørn \\\\o/" <sip:bob@example.com>
Call-ID: a84b4c76e66710
CSeq: 1 MESSAGE
Content-Length: 0

""",
            home="""\
SIP/2.0 200 OK
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
From: Alice (office) <sip:alice@example.com>;tag=1928301774
To: Bjørn \\o/ <sip:bob@example.com>;tag=a6c85cf
Call-ID: a84b4c76e66710
CSeq: 1 MESSAGE
Content-Length: 0

""",
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        if context.second_hop:
            return None
        judged = _judged(message)
        for index, name in enumerate(message.names):
            if name in judged and _mended(message.lines[index], name) != message.lines[index]:
                label = SPELLINGS[name].decode()
                return Finding(f"the name in {label} has signs that only a quoted name may have", index)
        return None

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        judged = _judged(message)
        edits: list[Edit] = []
        for index, name in enumerate(message.names):
            if name in judged:
                line = message.lines[index]
                mended = _mended(line, name)
                if mended != line:
                    edits.append(Replace(index, mended))
        return edits


RULES = (DisplayUnquoted(),)
