"""Content-Length: missing where a stream needs it, or not the length of the body (RFC 3261 sections 18.3, 20.14)."""

from __future__ import annotations

from proxy.repair.rule import (
    HAS_LENGTH,
    PARSED_CLEANLY,
    REQUEST_IN,
    REQUEST_OUT,
    RESPONSE_IN,
    RESPONSE_OUT,
    Context,
    Edit,
    Finding,
    Insert,
    Rule,
    Sample,
)
from proxy.sip.message import Message
from proxy.sip.parser import EXTRA_OCTETS
from proxy.sip.registry import CONTENT_LENGTH


class ContentLengthMissing(Rule):
    name = "clen-missing"
    rfc = "RFC 3261 section 20.14, section 18.3, RFC 7118 section 5"
    summary = "Insert the Content-Length that a stream needs; WebSocket clients leave it out, TCP loses step without."
    stages = (REQUEST_IN, RESPONSE_IN, REQUEST_OUT, RESPONSE_OUT)
    unless = HAS_LENGTH
    touches = (CONTENT_LENGTH,)
    source = ("DoubangoTelecom/webrtc2sip/issues/5", "restsend/rsipstack/pull/31")
    samples = (
        Sample(
            before="""\
MESSAGE sip:bob@example.com SIP/2.0
Via: SIP/2.0/WSS 9sh.invalid;branch=z9hG4bK776sgdkse
Max-Forwards: 70
From: <sip:alice@example.com>;tag=49583
To: <sip:bob@example.com>
Call-ID: asd88asd77a
CSeq: 1 MESSAGE
Content-Type: text/plain

Watson, come here.""",
            after="""\
MESSAGE sip:bob@example.com SIP/2.0
Via: SIP/2.0/WSS 9sh.invalid;branch=z9hG4bK776sgdkse
Max-Forwards: 70
From: <sip:alice@example.com>;tag=49583
To: <sip:bob@example.com>
Call-ID: asd88asd77a
CSeq: 1 MESSAGE
Content-Type: text/plain
Content-Length: 18

Watson, come here.""",
            sender="wss:198.51.100.7:50112",
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        if not context.by_stream or CONTENT_LENGTH in message.names:
            return None
        return Finding("Content-Length is missing, so a stream connection could not tell where the message ends")

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        return [Insert(len(message.lines), CONTENT_LENGTH, b"Content-Length: %d" % len(message.body))]


class ContentLengthWrong(Rule):
    """The parser has cut the surplus when this rule sees the message: there is nothing left to edit, only to say."""

    name = "clen-wrong"
    rfc = "RFC 3261 section 18.3"
    summary = "Record that octets behind the body, as Content-Length counts it, were cut off."
    stages = (REQUEST_IN, RESPONSE_IN, REQUEST_OUT, RESPONSE_OUT)
    unless = PARSED_CLEANLY
    touches = (CONTENT_LENGTH,)
    source = ("pjsip/pjproject/pull/3960", "OpenSIPS/opensips/issues/2200")
    samples = (
        Sample(
            before="""\
MESSAGE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK776sgdkse
Max-Forwards: 70
From: <sip:alice@example.com>;tag=49583
To: <sip:bob@example.com>
Call-ID: asd88asd77a
CSeq: 1 MESSAGE
Content-Type: text/plain
Content-Length: 18

Watson, come here.~~~""",
            after="""\
MESSAGE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK776sgdkse
Max-Forwards: 70
From: <sip:alice@example.com>;tag=49583
To: <sip:bob@example.com>
Call-ID: asd88asd77a
CSeq: 1 MESSAGE
Content-Type: text/plain
Content-Length: 18

Watson, come here.""",
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        oddities = message.oddities
        if not oddities or EXTRA_OCTETS not in oddities or CONTENT_LENGTH not in message.names:
            return None
        size = len(message.body)
        reason = f"Content-Length says {size} octets and more came; what is beyond does not belong to the message"
        return Finding(reason, message.index(CONTENT_LENGTH))

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        return []


RULES = (ContentLengthMissing(), ContentLengthWrong())
