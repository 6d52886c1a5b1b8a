"""A Contact in which no URI can be found (RFC 3261 section 20.10): garbage, or a program's word for nothing."""

from __future__ import annotations

from typing import Final

from proxy.repair.rule import (
    REQUEST_IN,
    RESPONSE_IN,
    UNPARSABLE,
    Context,
    Edit,
    Finding,
    Remove,
    Replace,
    Rule,
    Sample,
)
from proxy.sip.address import parse_name_addr, split_list
from proxy.sip.contact import needs_contact
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, line_value
from proxy.sip.registry import CONTACT

# What programs write when they meant to write nothing.
_NOTHING: Final = frozenset(
    (b"", b"none", b"<none>", b"null", b"<null>", b"nil", b"undefined", b"<undefined>", b"false", b"<>")
)

_REPORTED: Final = ("drachtio/drachtio-server/issues/453",)
_NOT_REPORTED: Final = "The same fault as contact-none-literal, with other words."


class ContactUnparsable(Rule):
    """No URI can be found in the Contact: it is dropped, and replaced where the message needs one.

    A REGISTER is left as it is: without its Contact it would be a query, and the registrar's answer is the right one.
    """

    stages = (REQUEST_IN, RESPONSE_IN)
    reaches = (UNPARSABLE,)
    touches = (CONTACT,)

    def __init__(self, name: str, rfc: str, summary: str, empty: bool, sample: Sample) -> None:
        self.name = name
        self.rfc = rfc
        self.summary = summary
        self.empty = empty
        self.samples = (sample,)
        self.source = _REPORTED if empty else ()
        self.no_source = "" if empty else _NOT_REPORTED

    def applies(self, message: Message, context: Context) -> Finding | None:
        if context.renamed is not None:
            return None
        index = message.index(CONTACT)
        value = line_value(message.lines[index])
        if (value.lower() in _NOTHING) != self.empty:
            return None
        quoted = value[:60].decode("utf-8", "backslashreplace")
        return Finding(f"Contact is {quoted!r}, which is not a URI that the server could use", index)

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        lines = message.indexes(CONTACT)
        broken = [index for index in lines if _broken(line_value(message.lines[index]))]
        edits: list[Edit] = [Remove(index) for index in broken]
        if len(broken) == len(lines) and needs_contact(message):
            name = message.lines[broken[0]].partition(b":")[0]
            edits[0] = Replace(broken[0], name + b": <" + context.shown() + b">")
        return edits


def _broken(value: bytes) -> bool:
    """The value of a Contact line has an element that names no URI (or none at all)."""
    elements = split_list(value)
    try:
        for element in elements:
            contact = parse_name_addr(element)
            if contact.addr != b"*":
                contact.uri  # noqa: B018 - parsed for the error it raises
    except HeaderError:
        return True
    return not elements


_SUBSCRIBE: Final = """\
SUBSCRIBE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKb
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1928301774
To: <sip:bob@example.com>
Call-ID: a84b4c76e66710
CSeq: 1 SUBSCRIBE
Contact: %s
Event: presence
Content-Length: 0

"""
_AFTER: Final = _SUBSCRIBE % "<sip:alice@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1>"

RULES: Final = (
    ContactUnparsable(
        "contact-none-literal",
        "RFC 3261 section 20.10",
        "Replace a Contact that says None, null or nothing by a real one; drop it where none is needed.",
        True,
        Sample(_SUBSCRIBE % "None", _AFTER, registered=True),
    ),
    ContactUnparsable(
        "contact-unparsable",
        "RFC 3261 section 20.10, section 25.1",
        "Replace a Contact in which no URI can be found; drop it where none is needed.",
        False,
        Sample(_SUBSCRIBE % "<alice at home", _AFTER, registered=True),
    ),
)
