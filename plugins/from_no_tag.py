"""A client that writes no tag into From, or none into To of its 2xx (RFC 3261 sections 8.1.1.3 and 8.2.6.2).

RFC 2543 did not ask for tags. Servers of today refuse such requests, or keep no dialog for them. The tag that is put in
is a MAC over Call-ID and address of record: the same in all the client sends within a dialog, called or calling, ACK,
CANCEL and BYE too. The core takes it off again (`proxy.core.own_tags`): out of From in every answer, and out of To in
what the server sends within the dialog. So the client never sees a tag that it does not know.

Two limits: what names a dialog elsewhere (Replaces, Target-Dialog) is not looked at, as clients that know no tags know
none of these; and a dialog that is older than a new key of the proxy goes on by another tag, which its server refuses.
"""

from __future__ import annotations

from proxy.repair.rule import (
    PLAIN_NAMES,
    REPORT,
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
from proxy.sip.contact import splice
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Response
from proxy.sip.registry import FROM, IDENTITY, TO


def _untagged(message: Message) -> tuple[int, NameAddr] | None:
    """The line where the sender's tag belongs and its address, if that has none; an empty tag is none."""
    try:
        if not isinstance(message, Response):
            name, address = FROM, message.from_
        elif message.status >= 200:
            name, address = TO, message.to
        else:
            return None
    except HeaderError:
        return None
    return None if address.tag else (message.index(name), address)


class FromNoTag(Rule):
    """Of answers only a 2xx is looked at.

    A refusal begins no dialog, and its ACK is known by the branch. A provisional answer without a tag begins no early
    one (section 12.1), and the 2xx after it may bring a tag of the client's own.
    """

    name = "from-no-tag"
    rfc = "RFC 3261 section 8.1.1.3, section 8.2.6.2, section 19.3"
    summary = "Give a client that writes no tag one for the dialog: in From, and in To of its 2xx; taken off again."
    stages = (REQUEST_IN, RESPONSE_IN)
    unless = PLAIN_NAMES
    touches = (FROM, TO)
    default = REPORT
    source = ("kamailio/kamailio/issues/3399", "siphon-project/siphon-sip/pull/118")
    samples = (
        Sample(
            before="""\
MESSAGE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
Max-Forwards: 70
From: "Alice" <sip:alice@example.com>
To: <sip:bob@example.com>
Call-ID: a84b4c76e66710
CSeq: 1 MESSAGE
Content-Length: 0

""",
            after="""\
MESSAGE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
Max-Forwards: 70
From: "Alice" <sip:alice@example.com>;tag=smk3v9x2m7q4w8z5c1
To: <sip:bob@example.com>
Call-ID: a84b4c76e66710
CSeq: 1 MESSAGE
Content-Length: 0

""",
            home="""\
SIP/2.0 200 OK
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
From: "Alice" <sip:alice@example.com>
To: <sip:bob@example.com>;tag=a6c85cf
Call-ID: a84b4c76e66710
CSeq: 1 MESSAGE
Content-Length: 0

""",
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        found = _untagged(message)
        if found is None or context.second_hop or IDENTITY in message.names:
            return None  # right, of another hop's client, or signed (RFC 8224 section 4)
        if isinstance(message, Response):
            return Finding("To of the client's answer has no tag, so the server cannot tell its dialog", found[0])
        return Finding("From has no tag, so the server cannot tell its dialog", found[0])

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        found = _untagged(message)
        if found is None:
            return []
        index, address = found
        tagged = address.tagged(context.tag())
        return [Replace(index, splice(message.lines[index], [(address.raw, tagged)]))]


RULES = (FromNoTag(),)
