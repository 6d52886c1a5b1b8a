"""A 202 that a client gave to its own SUBSCRIBE, when the server sent it back to where it came from (RFC 6665 3.2)."""

from __future__ import annotations

from typing import Final

from proxy.repair.rule import LEFT, OFF, RESPONSE_OUT, STATUS_LINE, Context, Edit, Finding, Replace, Rule, Sample
from proxy.sip.contact import is_token, uri_param
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Response
from proxy.sip.registry import SUBSCRIBE

_ACCEPTED: Final = 202


class SubscribeAccepted(Rule):
    """Only a SUBSCRIBE of somebody to himself, answered by a client of this proxy, has this fault."""

    name = "resp-subscribe-202"
    rfc = "RFC 6665 section 4.1.2, section 3.2"
    summary = "Answer 404 where a phone accepts its own SUBSCRIBE by 202, and then asks again for ever."
    stages = (RESPONSE_OUT,)
    methods = (SUBSCRIBE,)
    reaches = (LEFT,)
    touches = (STATUS_LINE,)
    default = OFF
    no_source = "Known of phones of Grandstream with old firmware; siproxd has a work-around in its `proxy.c`."
    samples = (
        Sample(
            before="""\
SIP/2.0 202 Accepted
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKb
From: <sip:alice@example.com>;tag=1928301774
To: <sip:alice@example.com>;tag=a6c85cf
Call-ID: a84b4c76e66710
CSeq: 1 SUBSCRIBE
Contact: <sip:alice@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1>
Content-Length: 0

""",
            after="""\
SIP/2.0 404 Not Found
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKb
From: <sip:alice@example.com>;tag=1928301774
To: <sip:alice@example.com>;tag=a6c85cf
Call-ID: a84b4c76e66710
CSeq: 1 SUBSCRIBE
Contact: <sip:alice@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1>
Content-Length: 0

""",
            stage=RESPONSE_OUT,
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        if not isinstance(message, Response) or message.status != _ACCEPTED:
            return None
        try:
            contacts = message.contacts
            to_itself = message.from_.uri.equals(message.to.uri)
            if not to_itself or not contacts or not is_token(uri_param(contacts[0], b"b")):
                return None
        except HeaderError:
            return None
        return Finding("a phone accepted its own SUBSCRIBE, which the server sent back; it would ask again for ever", 0)

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        return [Replace(0, b"SIP/2.0 404 Not Found")]


RULES = (SubscribeAccepted(),)
