"""Contact is missing where a dialog needs a remote target (RFC 3261 sections 8.1.1.8 and 12.1, RFC 3311 section 5).

The URI inserted is the one Contact that stands for the sender everywhere, so that the dialog and the registration
name the same place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from proxy.repair.rule import (
    ABSENT,
    REQUEST_IN,
    RESPONSE_IN,
    RESPONSE_OUT,
    Context,
    Edit,
    Finding,
    Insert,
    Rule,
    Sample,
    Setting,
)
from proxy.sip.contact import TARGET_REQUESTS, TARGET_RESPONSES, needs_contact, place_for_contact
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Request, Response
from proxy.sip.registry import CONTACT

_HOST: Final = Setting(
    "host",
    ("own", "domain"),
    "`own`: the address by which the server reaches us, with the client's token; "
    "`domain`: the plain `sip:USER@DOMAIN`, for servers that want to see their own domain there",
)


def _user(message: Message) -> bytes | None:
    """Who the sender is: From of a request, To of a response."""
    try:
        return (message.to if isinstance(message, Response) else message.from_).uri.user
    except HeaderError:
        return None


def _line(host: str, message: Message, context: Context) -> bytes:
    """The Contact line that stands for the client towards the server."""
    if host == "domain":
        user = _user(message)
        uri = b"sip:" + (user + b"@" if user else b"") + context.domain
    else:
        uri = context.shown()
    if isinstance(message, Request) and _asks_for_sips(message) and uri.startswith(b"sip:"):
        # > If the Request-URI or top Route header field value contains a SIPS URI, the Contact header field MUST
        # > contain a SIPS URI as well.
        uri = b"sips:" + uri[4:].replace(b";transport=udp", b"", 1)
    return b"Contact: <" + uri + b">"


def _asks_for_sips(request: Request) -> bool:
    routes = request.routes()
    return request.uri[:5].lower() == b"sips:" or (bool(routes) and b"<sips:" in routes[0].lower())


class ContactMissingRequest(Rule):
    name = "contact-missing-request"
    rfc = "RFC 3261 section 8.1.1.8, section 12.1.1, RFC 3311 section 5.1, RFC 6665 section 4.1.2"
    summary = "Insert the Contact into INVITE, SUBSCRIBE, REFER, NOTIFY, UPDATE; without it servers say 400 or guess."
    stages = (REQUEST_IN,)
    methods = TARGET_REQUESTS
    reaches = (ABSENT,)
    touches = (CONTACT,)
    settings = (_HOST,)
    source = (
        "onsip/SIP.js/issues/1091",
        "meetecho/janus-gateway/issues/2439",
        "meetecho/janus-gateway/pull/3286",
        "eisenzopf/rvoip/issues/7",
        "BelledonneCommunications/linphone-android/issues/455",
        "BelledonneCommunications/liblinphone/issues/103",
        "baresip/re/pull/545",
        "freeswitch/sofia-sip/issues/128",
    )
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

    def __init__(self, host: str = "own") -> None:
        self.host = host

    def with_settings(self, chosen: Mapping[str, str]) -> Rule:
        return ContactMissingRequest(chosen["host"])

    def applies(self, message: Message, context: Context) -> Finding | None:
        return Finding("Contact is missing: the server cannot know where to send requests within the dialog")

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        return [Insert(place_for_contact(message), CONTACT, _line(self.host, message, context))]


class ContactMissingResponse(Rule):
    name = "contact-missing-response"
    rfc = "RFC 3261 section 12.1.1, section 13.3.1.4, RFC 3311 section 5.2, RFC 6665 section 4.2.1"
    summary = "Insert the Contact into 101 to 199 with a To tag and into 2xx: without it nobody can send the ACK."
    stages = (RESPONSE_IN, RESPONSE_OUT)
    methods = TARGET_RESPONSES
    reaches = (ABSENT,)
    touches = (CONTACT,)
    settings = (_HOST,)
    source = (
        "asterisk/asterisk/issues/1711",
        "pjsip/pjproject/issues/2558",
        "onsip/SIP.js/issues/793",
        "BelledonneCommunications/linphone-desktop/issues/641",
    )
    samples = (
        Sample(
            before="""\
SIP/2.0 200 OK
Via: SIP/2.0/UDP 10.0.0.2:5070;branch=z9hG4bKp
From: <sip:bob@example.com>;tag=1928301774
To: <sip:alice@example.com>;tag=a6c85cf
Call-ID: a84b4c76e66710
CSeq: 1 UPDATE
Content-Length: 0

""",
            after="""\
SIP/2.0 200 OK
Via: SIP/2.0/UDP 10.0.0.2:5070;branch=z9hG4bKp
From: <sip:bob@example.com>;tag=1928301774
To: <sip:alice@example.com>;tag=a6c85cf
Call-ID: a84b4c76e66710
CSeq: 1 UPDATE
Contact: <sip:alice@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1>
Content-Length: 0

""",
            registered=True,
        ),
        Sample(
            before="""\
SIP/2.0 200 OK
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKb
From: <sip:alice@example.com>;tag=1928301774
To: <sip:bob@example.com>;tag=a6c85cf
Call-ID: a84b4c76e66710
CSeq: 1 INVITE
Content-Length: 0

""",
            after="""\
SIP/2.0 200 OK
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKb
From: <sip:alice@example.com>;tag=1928301774
To: <sip:bob@example.com>;tag=a6c85cf
Call-ID: a84b4c76e66710
CSeq: 1 INVITE
Contact: <sip:bob@203.0.113.10:5060;transport=udp>
Content-Length: 0

""",
            stage=RESPONSE_OUT,
        ),
    )

    def __init__(self, host: str = "own") -> None:
        self.host = host

    def with_settings(self, chosen: Mapping[str, str]) -> Rule:
        return ContactMissingResponse(chosen["host"])

    def applies(self, message: Message, context: Context) -> Finding | None:
        if CONTACT in message.names or (context.stage == RESPONSE_IN and context.reach != ABSENT):
            return None
        if not needs_contact(message):
            return None
        return Finding("Contact is missing: whoever gets this answer cannot know where to send ACK and BYE")

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        if context.stage == RESPONSE_OUT:
            user = _user(message)
            line = b"Contact: <sip:" + (user + b"@" if user else b"") + context.home + b">"
        else:
            line = _line(self.host, message, context)
        return [Insert(place_for_contact(message), CONTACT, line)]


RULES = (ContactMissingRequest(), ContactMissingResponse())
