"""A tag in To of a REGISTER, which some clients keep from the last answer (RFC 3261 sections 8.1.1.2 and 10.2).

A registration is no dialog, and registrars that look for one answer 481. The answer shows the client its own To with
its own tag, not the registrar's, as section 8.2.6.2 demands of the answer to a request that had one.
"""

from __future__ import annotations

from proxy.repair.rule import REPORT, REQUEST_IN, Context, Edit, Finding, Replace, Rule, Sample
from proxy.sip.contact import splice
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message
from proxy.sip.registry import IDENTITY, REGISTER, TO


class ToTagInRegister(Rule):
    name = "to-tag-in-register"
    rfc = "RFC 3261 section 8.1.1.2, section 10.2"
    summary = "Take the tag out of To in REGISTER, which is no request within a dialog; answers have it again."
    stages = (REQUEST_IN,)
    methods = (REGISTER,)
    touches = (TO,)
    default = REPORT
    source = ("kbalt/ezk/pull/62",)
    samples = (
        Sample(
            before="""\
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
Max-Forwards: 70
From: "Alice" <sip:alice@example.com>;tag=1928301774
To: <sip:alice@example.com>;tag=46UQm7ggKt1ZS
Call-ID: a84b4c76e66710
CSeq: 2 REGISTER
Content-Length: 0

""",
            after="""\
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
Max-Forwards: 70
From: "Alice" <sip:alice@example.com>;tag=1928301774
To: <sip:alice@example.com>
Call-ID: a84b4c76e66710
CSeq: 2 REGISTER
Content-Length: 0

""",
            home="""\
SIP/2.0 200 OK
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
From: "Alice" <sip:alice@example.com>;tag=1928301774
To: <sip:alice@example.com>;tag=46UQm7ggKt1ZS
Call-ID: a84b4c76e66710
CSeq: 2 REGISTER
Content-Length: 0

""",
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        try:
            if message.to.tag is None or context.second_hop or IDENTITY in message.names:
                return None  # right, of another hop's client, or signed (RFC 8224 section 4)
        except HeaderError:
            return None
        return Finding("To has a tag, but a REGISTER belongs to no dialog", message.index(TO))

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        address, line = message.to, message.lines[finding.line]
        return [Replace(finding.line, splice(line, [(address.raw, address.tagged(b""))]))]


RULES = (ToTagInRegister(),)
