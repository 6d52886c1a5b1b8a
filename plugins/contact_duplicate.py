"""Several Contacts in one REGISTER that name one client (RFC 3261 sections 10.2.1, 10.2.2).

Clients that change their address send the new Contact and the old one with expires=0. Both are shown to the server
as the one Contact of the client, and a server that reads them one by one would remove the binding it just made.
"""

from __future__ import annotations

from typing import Final

from proxy.repair.rule import REQUEST_IN, Context, Edit, Finding, Remove, Replace, Rule, Sample
from proxy.sip.address import split_list
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, line_value
from proxy.sip.registry import CONTACT, EXPIRES, REGISTER

# What registrars grant when nobody asks (RFC 3261 section 10.2.1.1 leaves it to them; 3600 is what most take).
_UNSAID: Final = 3600


def _seconds(text: bytes | None) -> int:
    return int(text) if text is not None and text.isdigit() and len(text) <= 10 else -1


def _losers(message: Message) -> set[int]:
    """Which Contacts (counted through all lines) to leave out: for each URI all but the one that asks for the longest
    time, the first of equals. None where one of them cannot be parsed: that answer is the registrar's.
    """
    fallback = _seconds(message.value(EXPIRES))
    if fallback < 0:
        fallback = _UNSAID
    try:
        contacts = message.contacts
    except HeaderError:
        return set()
    best: dict[bytes, tuple[int, int]] = {}
    losers: set[int] = set()
    for number, contact in enumerate(contacts):
        asked = _seconds(contact.param(b"expires"))
        if asked < 0:
            asked = fallback
        held = best.get(contact.addr)
        if held is not None and asked <= held[0]:
            losers.add(number)
            continue
        best[contact.addr] = (asked, number)
        if held is not None:
            losers.add(held[1])
    return losers


class ContactDuplicate(Rule):
    name = "contact-duplicate"
    rfc = "RFC 3261 section 10.2.1, section 10.2.2, section 10.3"
    summary = "Send one of several Contacts in a REGISTER that name the same client: the one with the largest expires."
    stages = (REQUEST_IN,)
    methods = (REGISTER,)
    touches = (CONTACT,)
    source = ("VoiSmart/pjsip-android/issues/203",)
    samples = (
        Sample(
            before="""\
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
Max-Forwards: 70
From: <sip:alice@example.com>;tag=a73kszlfl
To: <sip:alice@example.com>
Call-ID: 1j9FpLxk3uxtm8tn
CSeq: 2 REGISTER
Contact: <sip:alice@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1>;expires=300;+sip.ice
Contact: <sip:alice@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1>;expires=0
Content-Length: 0

""",
            after="""\
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
Max-Forwards: 70
From: <sip:alice@example.com>;tag=a73kszlfl
To: <sip:alice@example.com>
Call-ID: 1j9FpLxk3uxtm8tn
CSeq: 2 REGISTER
Contact: <sip:alice@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1>;expires=300;+sip.ice
Content-Length: 0

""",
            registered=True,
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        names = message.names
        if CONTACT not in names:
            return None
        index = names.index(CONTACT)
        if b"," not in message.lines[index] and names.count(CONTACT) == 1:
            return None
        losers = _losers(message)
        if not losers:
            return None
        count = len(losers) + 1
        return Finding(f"{count} Contacts of this REGISTER name one client; an expires=0 would remove it", index)

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        losers = _losers(message)
        edits: list[Edit] = []
        number = 0
        for index in message.indexes(CONTACT):
            line = message.lines[index]
            elements = split_list(line_value(line))
            kept = [e for position, e in enumerate(elements, number) if position not in losers]
            number += len(elements)
            if not kept:
                edits.append(Remove(index))
            elif len(kept) < len(elements):
                edits.append(Replace(index, line.partition(b":")[0] + b": " + b", ".join(kept)))
        return edits


RULES = (ContactDuplicate(),)
