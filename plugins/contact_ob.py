"""The `ob` of a Contact URI, which some servers do not know (RFC 5626 section 5.4, section 11.1)."""

from __future__ import annotations

import re
from typing import Final

from proxy.repair.rule import (
    ABSENT,
    OFF,
    REACHES,
    REQUEST_IN,
    RESPONSE_IN,
    Context,
    Edit,
    Finding,
    Replace,
    Rule,
    Sample,
)
from proxy.sip.address import NameAddr
from proxy.sip.contact import contacts_at, splice
from proxy.sip.message import Message
from proxy.sip.registry import CONTACT

_OB: Final = re.compile(rb";ob(?:=[^;?]*)?(?=[;?]|$)", re.IGNORECASE)


def _without(contact: NameAddr) -> bytes:
    """The element without `ob`; as it is where there is none."""
    who, at, where = contact.addr.rpartition(b"@")
    mended = contact.with_addr(who + at + _OB.sub(b"", where))
    if contact.bracketed or not contact.params:
        return mended
    return contact.addr + _OB.sub(b"", contact.params)


class ObUnsupported(Rule):
    """A server that knows `ob` needs it to keep the dialog on the client's flow; so this is for those that do not."""

    name = "ob-unsupported"
    rfc = "RFC 5626 section 5.4, RFC 3261 section 19.1.1"
    summary = "Take `ob` out of Contact URIs, for servers that cannot cope with it; else it stays."
    stages = (REQUEST_IN, RESPONSE_IN)
    reaches = tuple(reach for reach in range(REACHES) if reach != ABSENT)
    touches = (CONTACT,)
    default = OFF
    source = ("versatica/JsSIP/issues/85", "pjsip/pjproject/issues/1256")
    samples = (
        Sample(
            before="""\
INVITE sip:bob@example.com SIP/2.0
Via: SIP/2.0/WSS 9sh.invalid;branch=z9hG4bKb
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1928301774
To: <sip:bob@example.com>
Call-ID: a84b4c76e66710
CSeq: 1 INVITE
Contact: <sip:alice@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1;ob>
Content-Length: 0

""",
            after="""\
INVITE sip:bob@example.com SIP/2.0
Via: SIP/2.0/WSS 9sh.invalid;branch=z9hG4bKb
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1928301774
To: <sip:bob@example.com>
Call-ID: a84b4c76e66710
CSeq: 1 INVITE
Contact: <sip:alice@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1>
Content-Length: 0

""",
            sender="wss:198.51.100.7:50112",
            registered=True,
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        places = message.places()
        if places.contacts == 1 and b";ob" not in message.lines[places.contact].lower():
            return None
        for index in message.indexes(CONTACT):
            if b";ob" not in message.lines[index].lower():
                continue
            if any(_without(contact) != contact.raw for contact in contacts_at(message, index)):
                return Finding("Contact has the parameter ob, which this server is known not to cope with", index)
        return None

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        edits: list[Edit] = []
        for index in message.indexes(CONTACT):
            changes = [(contact.raw, _without(contact)) for contact in contacts_at(message, index)]
            if any(old != new for old, new in changes):
                edits.append(Replace(index, splice(message.lines[index], changes)))
        return edits


RULES = (ObUnsupported(),)
