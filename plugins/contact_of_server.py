"""Contacts that the server shows to a client and that the client cannot use (RFC 3261 sections 12.1.2, 12.2.1.2).

Nothing of it changes unasked. The first two are for clients that need them, by profile: a client needs no Contact of
the server that it can reach, as all it sends goes by this proxy. What is shown in its place names the server's own
Contact again when the client comes back with it (`proxy.core.server_contacts`).
"""

from __future__ import annotations

import re
from typing import Final

from proxy.repair.reach import classify_host
from proxy.repair.rule import (
    LEFT,
    OFF,
    REACHABLE,
    REPORT,
    REQUEST_OUT,
    RESPONSE_OUT,
    Context,
    Edit,
    Finding,
    Replace,
    Rule,
    Sample,
)
from proxy.sip.address import NameAddr
from proxy.sip.contact import contacts_at, is_token, splice
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Request, Response
from proxy.sip.registry import CONTACT, INVITE, NOTIFY, REFER, SUBSCRIBE, UPDATE
from proxy.sip.stand_in import lenient, stand_in, stood_for
from proxy.sip.uri import Uri

# How much a rule remembers: lines, and the longest one worth it (octets), as far ends choose both.
_ENTRIES: Final = 2048
_LONGEST: Final = 512
_TARGETS: Final = (INVITE, SUBSCRIBE, REFER, NOTIFY, UPDATE)
# > uri-parameter  =  transport-param / user-param / ... / other-param;  other-param = pname [ "=" pvalue ]
# > paramchar  =  param-unreserved / unreserved / escaped
_PARAM: Final = rb";[A-Za-z0-9\-_.!~*'()\[\]/:&+$%]+(?:=[A-Za-z0-9\-_.!~*'()\[\]/:&+$%]+)?"
_GOOD_PARAMS: Final = re.compile(rb"(?:" + _PARAM + rb")*").fullmatch


def _other(message: Message) -> tuple[NameAddr, Uri] | None:
    """The first Contact, with its URI taken apart, if it is neither a GRUU nor that of a client of ours.

    None of a redirection: these are other people's (RFC 3261 section 8.1.3.4).
    """
    if isinstance(message, Response) and message.status >= 300:
        return None
    contacts = contacts_at(message, message.index(CONTACT))
    if not contacts:
        return None
    try:
        uri = lenient(contacts[0].addr)
    except HeaderError:
        return None
    ours = is_token(uri.param(b"b")) or stood_for(uri) is not None
    return None if ours or not uri.host or uri.param(b"gr") is not None else (contacts[0], uri)


def _with(message: Message, contact: NameAddr, uri: bytes) -> list[Edit]:
    index = message.index(CONTACT)
    return [Replace(index, splice(message.lines[index], [(contact.raw, contact.with_addr(uri))]))]


class ShownByAnother(Rule):
    """Shows a URI of ours in the place of a Contact that has the defect."""

    stages = (REQUEST_OUT, RESPONSE_OUT)
    methods = _TARGETS
    reaches = (LEFT,)
    touches = (CONTACT,)
    default = OFF

    def __init__(self) -> None:
        # Lines with nothing wrong, as a server writes few of them; forgotten when full.
        self._right: set[bytes] = set()

    def why(self, addr: bytes, uri: Uri) -> str:
        """What is wrong with the URI; empty if nothing."""
        raise NotImplementedError

    def applies(self, message: Message, context: Context) -> Finding | None:
        line = message.lines[message.names.index(CONTACT)]
        if line in self._right:
            return None
        found = _other(message)
        if found is None:
            return None
        contact, uri = found
        why = self.why(contact.addr, uri)
        if why and stand_in(contact.addr, context.home) is not None:
            return Finding(why, message.index(CONTACT))
        if len(line) <= _LONGEST:
            if len(self._right) >= _ENTRIES:
                self._right.clear()
            self._right.add(line)
        return None

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        found = _other(message)
        uri = None if found is None else stand_in(found[0].addr, context.home)
        return [] if found is None or uri is None else _with(message, found[0], uri)


_ANSWER: Final = """\
SIP/2.0 200 OK
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKb
From: <sip:alice@example.com>;tag=1928301774
To: <sip:bob@example.com>;tag=a6c85cf
Call-ID: a84b4c76e66710
CSeq: 1 INVITE
Contact: <%s>
Content-Length: 0

"""


class ContactPrivateServer(ShownByAnother):
    name = "contact-private-server"
    rfc = "RFC 3261 section 12.1.2, section 20.10"
    summary = "Show a client our own address where the server's Contact has a private one; undone on the way back."
    source = ("sipsorcery-org/sipsorcery/issues/1383",)
    samples = (
        Sample(
            _ANSWER % "sip:bob@10.0.0.5:5060",
            _ANSWER % "sip:bob@203.0.113.10:5060;transport=udp;sm=edkn0ej2dth40c9g5oo2sc1e6kt3ac1m60",
            stage=RESPONSE_OUT,
        ),
    )

    def why(self, addr: bytes, uri: Uri) -> str:
        if classify_host(uri.host) == REACHABLE:
            return ""
        host = uri.host.decode("utf-8", "backslashreplace")
        return f"Contact of the server names {host}, which this client takes for unreachable"


class ContactBadParamChars(ShownByAnother):
    name = "contact-bad-param-chars"
    rfc = "RFC 3261 section 19.1.1, section 25.1"
    summary = "Show a client our own address where a Contact has quotes or `=` in its URI's parameters."
    source = (
            "onsip/SIP.js/issues/419", "onsip/SIP.js/issues/593", "OpenSIPS/opensips/issues/1201",
            "OpenSIPS/opensips/issues/1447",
    )  # fmt: skip
    samples = (
        Sample(
            _ANSWER % "sip:bob@pbx.example.com:5060;did=4a5.b1e1==",
            _ANSWER % "sip:bob@203.0.113.10:5060;transport=udp;sm="
            "edkn0ej2dth40s32f0n6au31dlo6op9ecdnmqehl60r30er4d5i3qd316kn64cb564ujq",
            stage=RESPONSE_OUT,
        ),
    )

    def why(self, addr: bytes, uri: Uri) -> str:
        if b'"' not in addr and _GOOD_PARAMS(uri.params) is not None:
            return ""
        return "Contact has characters in the parameters of its URI that browsers cannot parse"


class ContactSchemeChanged(Rule):
    """The remote target of the client is the Request-URI of what it sends within the dialog.

    It is the server's own Contact all the same, and may mean what it says: it is changed where the administrator wants
    that, in general or by profile.
    """

    name = "contact-scheme-changed"
    rfc = "RFC 3261 section 12.1.1, section 12.2.1.2"
    summary = "Keep sip or sips, whichever the dialog began with, in the Contact of a 2xx within it."
    stages = (RESPONSE_OUT,)
    methods = (INVITE, UPDATE)
    reaches = (LEFT,)
    touches = (CONTACT,)
    default = REPORT
    source = ("jambonz/sbc-inbound/pull/150", "jambonz/sbc-inbound/issues/166")
    samples = (
        Sample(
            _ANSWER % "sips:bob@10.0.0.5:5061;transport=tls",
            _ANSWER % "sip:bob@10.0.0.5:5061;transport=tls",
            stage=RESPONSE_OUT,
            asked="sip:bob@10.0.0.5:5061;transport=tls",
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        if not context.asked or isinstance(message, Request):
            return None
        scheme = context.asked.partition(b":")[0].lower()
        found = _other(message)
        if found is None or scheme == found[1].scheme or not {scheme, found[1].scheme} <= {b"sip", b"sips"}:
            return None
        reason = f"Contact has {found[1].scheme.decode()} within a dialog that began with {scheme.decode()}"
        return Finding(reason, message.index(CONTACT))

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        found = _other(message)
        if found is None:
            return []
        contact, uri = found
        scheme = context.asked.partition(b":")[0].lower()
        return _with(message, contact, scheme + contact.addr[len(uri.scheme) :])


RULES: Final = (ContactSchemeChanged(), ContactPrivateServer(), ContactBadParamChars())
