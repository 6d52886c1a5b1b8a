"""A Contact URI with parameters but without angle brackets: they read as parameters of the header (RFC 3261 20.10)."""

from __future__ import annotations

from proxy.repair.rule import (
    ABSENT,
    ONE_CONTACT,
    REACHES,
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
from proxy.sip.address import NameAddr
from proxy.sip.contact import contacts_at, misplaced, splice
from proxy.sip.message import Message
from proxy.sip.registry import CONTACT


def _bracketed(contact: NameAddr) -> bytes:
    """The element with brackets around URI and URI parameters; as it is if nothing is wrong with it."""
    if contact.bracketed or not contact.params or contact.addr == b"*":
        return contact.raw
    inside, outside = misplaced(contact)
    return b"<" + contact.addr + inside + b">" + outside if inside else contact.raw


class ContactNoBrackets(Rule):
    """Only parameters that can belong to nothing but a URI are moved; `expires`, `q` and unknown ones stay outside."""

    name = "contact-no-brackets"
    rfc = "RFC 3261 section 20.10, section 20"
    summary = "Put the brackets around a Contact URI whose transport, ob, lr, maddr ... read as header parameters."
    stages = (REQUEST_IN, RESPONSE_IN, REQUEST_OUT, RESPONSE_OUT)
    reaches = tuple(reach for reach in range(REACHES) if reach != ABSENT)
    unless = ONE_CONTACT
    touches = (CONTACT,)
    source = ("resiprocate/resiprocate/issues/403", "OpenSIPS/opensips/issues/2172", "OpenSIPS/opensips/issues/4254")
    samples = (
        Sample(
            before="""\
SUBSCRIBE sip:bob@example.com SIP/2.0
Via: SIP/2.0/TCP 198.51.100.7:5060;branch=z9hG4bKnashds7
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1928301774
To: <sip:bob@example.com>
Call-ID: a84b4c76e66710
CSeq: 1 SUBSCRIBE
Contact: sip:alice@198.51.100.7;transport=tcp;q=0.5
Event: presence
Content-Length: 0

""",
            after="""\
SUBSCRIBE sip:bob@example.com SIP/2.0
Via: SIP/2.0/TCP 198.51.100.7:5060;branch=z9hG4bKnashds7
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1928301774
To: <sip:bob@example.com>
Call-ID: a84b4c76e66710
CSeq: 1 SUBSCRIBE
Contact: <sip:alice@198.51.100.7;transport=tcp>;q=0.5
Event: presence
Content-Length: 0

""",
            sender="tcp:198.51.100.7:5060",
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        names = message.names
        if CONTACT not in names:
            return None
        index = names.index(CONTACT)
        line = message.lines[index]
        if (b";" not in line or (b"<" in line and b"," not in line)) and names.count(CONTACT) == 1:
            return None
        for index in message.indexes(CONTACT):
            if any(_bracketed(contact) != contact.raw for contact in contacts_at(message, index)):
                return Finding(
                    "Contact has URI parameters but no angle brackets, so they read as parameters of the header", index
                )
        return None

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        edits: list[Edit] = []
        for index in message.indexes(CONTACT):
            line = message.lines[index]
            changes = [(contact.raw, _bracketed(contact)) for contact in contacts_at(message, index)]
            if any(old != new for old, new in changes):
                edits.append(Replace(index, splice(line, changes)))
        return edits


RULES = (ContactNoBrackets(),)
