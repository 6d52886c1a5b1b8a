"""The topmost Via is missing or cannot be parsed, so no answer could find its way (RFC 3261 sections 8.1.1.7, 18.2.1).

The Via written in its place names the address the request came from. Its branch is derived from the request, so that
a retransmission, and the ACK or CANCEL that belongs to an INVITE, carry the same one.
"""

from __future__ import annotations

from hashlib import blake2s
from typing import Final

from proxy.flow import VIA_TRANSPORTS, host_octets
from proxy.repair.rule import REQUEST_IN, Context, Edit, Finding, Insert, Replace, Rule, Sample
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, line_value
from proxy.sip.registry import ACK, CALL_ID, CANCEL, CSEQ, INVITE, VIA
from proxy.sip.via import first_value

# The cookie of RFC 3261 section 8.1.1.7 and our mark: answers under such a branch belong to a sender without a Via.
BRANCH_PREFIX: Final = b"z9hG4bKsm"


def _branch(message: Message) -> bytes:
    words = [*(message.value(CSEQ) or b"").split(), b"", b""]
    number = words[0]
    method = INVITE if words[1] in (ACK, CANCEL) else words[1]
    text = b"\n".join((message.value(CALL_ID) or b"", number.lstrip(b"0"), method))
    return BRANCH_PREFIX + blake2s(text, digest_size=10).hexdigest().encode()


def _via(message: Message, context: Context) -> bytes:
    flow = context.flow
    transport = VIA_TRANSPORTS[flow.listener.transport]
    source = host_octets(flow.remote_host)
    return b"SIP/2.0/%b %b:%d;rport;branch=%b" % (transport, source, flow.remote_port, _branch(message))


class ViaMissing(Rule):
    name = "via-missing"
    rfc = "RFC 3261 section 8.1.1.7, section 18.2.2"
    summary = "Insert a Via with the source address into a request that has none, so that the answer finds its way."
    stages = (REQUEST_IN,)
    touches = (VIA,)
    no_source = "RFC 3261 section 18.2.1 leaves such a request without a way back; home-made clients leave Via out."
    samples = (
        Sample(
            before="""\
OPTIONS sip:example.com SIP/2.0
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1928301774
To: <sip:example.com>
Call-ID: a84b4c76e66710
CSeq: 63104 OPTIONS

""",
            after="""\
OPTIONS sip:example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;rport;branch=z9hG4bKsm12a91041a43a5480aa91
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1928301774
To: <sip:example.com>
Call-ID: a84b4c76e66710
CSeq: 63104 OPTIONS

""",
            home="""\
SIP/2.0 200 OK
From: <sip:alice@example.com>;tag=1928301774
To: <sip:example.com>;tag=a6c85cf
Call-ID: a84b4c76e66710
CSeq: 63104 OPTIONS
Content-Length: 0

""",
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        if VIA in message.names:
            return None
        return Finding("Via is missing: the answer could not find its way back")

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        return [Insert(1, VIA, b"Via: " + _via(message, context))]


class ViaUnparsable(Rule):
    name = "via-unparsable"
    rfc = "RFC 3261 section 18.2.1, section 20.42"
    summary = "Replace a topmost Via that cannot be parsed by one with the source address."
    stages = (REQUEST_IN,)
    touches = (VIA,)
    no_source = "RFC 4475 section 3.1.2.1 shows such Vias; without another one the answer has no way back."
    samples = (
        Sample(
            before="""\
OPTIONS sip:example.com SIP/2.0
Via: SIP/2.0/UDP ;branch=z9hG4bK1
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1928301774
To: <sip:example.com>
Call-ID: a84b4c76e66710
CSeq: 63104 OPTIONS

""",
            after="""\
OPTIONS sip:example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;rport;branch=z9hG4bKsm12a91041a43a5480aa91
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1928301774
To: <sip:example.com>
Call-ID: a84b4c76e66710
CSeq: 63104 OPTIONS

""",
            home="""\
SIP/2.0 200 OK
Via: SIP/2.0/UDP ;branch=z9hG4bK1
From: <sip:alice@example.com>;tag=1928301774
To: <sip:example.com>;tag=a6c85cf
Call-ID: a84b4c76e66710
CSeq: 63104 OPTIONS
Content-Length: 0

""",
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        if VIA not in message.names:
            return None
        try:
            message.via  # noqa: B018 - parsed for the error it raises, and kept for the core
        except HeaderError as error:
            return Finding(f"the topmost Via cannot be parsed: {error.text}", message.index(VIA))
        return None

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        line = message.lines[finding.line]
        rest = first_value(line_value(line))[1]
        mended = line.partition(b":")[0] + b": " + _via(message, context)
        return [Replace(finding.line, mended + b", " + rest if rest else mended)]


RULES = (ViaMissing(), ViaUnparsable())
