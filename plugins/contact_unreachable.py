"""A Contact by which the server could not reach its sender, or that names it otherwise than its other messages do.

Every one is replaced by the one Contact that stands for the sender (RFC 3261 sections 8.1.1.8, 12.1 and 20.10). Why it
is replaced, `Context.reach` says; one rule for each reason, so that each can be counted and switched off by itself. At
most one of them fires: what it writes carries our token, and that is left alone. A proxy is not asked to do this by
RFC 3261 section 16.6: it is the operator's wish.
"""

from __future__ import annotations

from typing import Final

from proxy.flow import VIA_TRANSPORTS, host_octets
from proxy.repair.rule import (
    INVALID_NAME,
    LINK_LOCAL,
    LOOPBACK,
    OTHER_SOURCE,
    PRIVATE,
    REACHABLE,
    REQUEST_IN,
    RESPONSE_IN,
    SHARED,
    UNSPECIFIED,
    Context,
    Edit,
    Finding,
    Replace,
    Rule,
    Sample,
)
from proxy.sip.address import NameAddr
from proxy.sip.contact import contacts_at, is_plain, splice, uri_param, with_uri
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message
from proxy.sip.registry import CONTACT, REGISTER

# How much a rule remembers: lines, and the longest one worth it (octets), as clients choose both.
_ENTRIES: Final = 2048
_LONGEST: Final = 512
_SHOWN: Final = "sip:alice@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1"

# Where each defect was reported, and why there is no report of some.
_SOURCES: Final = {
    "contact-invalid-host": (
        "versatica/JsSIP/issues/437",
        "DoubangoTelecom/sipml5/issues/226",
        "flutter-webrtc/dart-sip-ua/issues/465",
        "DoubangoTelecom/webrtc2sip/issues/54",
        "meetecho/janus-gateway/issues/213",
    ),
    "contact-private": (
        "signalwire/freeswitch/issues/651",
        "drachtio/drachtio-server/issues/65",
        "drachtio/drachtio-server/issues/100",
    ),
    "contact-private-cgn": ("RestComm/restcomm-android-sdk/issues/172",),
    "contact-unspecified": ("thevoiceguy/siphon-ai/pull/187",),
    "contact-port-mismatch": ("baresip/baresip/issues/792", "baresip/baresip/issues/1307"),
    "contact-inconsistent": ("DoubangoTelecom/webrtc2sip/issues/51",),
    "contact-user-missing": (
        "sipsorcery-org/sipsorcery/pull/849",
        "versatica/JsSIP/issues/93",
        "versatica/JsSIP/pull/343",
    ),
    "contact-user-semicolon": ("signalwire/freeswitch/issues/2824",),
}
_NO_SOURCE: Final = {
    "contact-link-local": "The same fault as contact-private, in a network without DHCP.",
    "contact-loopback": "The same fault as contact-private; RFC 4475 section 3.1.1.11 has such a Contact.",
    "contact-bypass": "No fault of the client: what a proxy has to do where the server ignores Path (RFC 3327).",
}


class _Found(Finding):
    """A finding that brings its edits along: to know whether there is one, they have to be made."""

    __slots__ = ("edits",)

    def __init__(self, reason: str, line: int, edits: list[Replace]) -> None:
        self.reason = reason
        self.line = line
        self.edits = edits


def _plain(contact: NameAddr) -> bool:
    try:
        return is_plain(contact)
    except HeaderError:
        return False


def _replacement(contact: NameAddr, context: Context) -> bytes | None:
    """The element to put in the place of this one; None if it is to be left alone."""
    uri = context.shown_for(contact)
    if not uri:
        return None
    if context.renamed is None and not contact.bracketed and contact.param(b"ob") is not None:
        uri += b";ob"
    return with_uri(contact, uri)


def _edits(message: Message, context: Context) -> tuple[list[Replace], NameAddr | None]:
    """What puts the one Contact in the place of every plain one, and the first that this changes."""
    edits: list[Replace] = []
    first: NameAddr | None = None
    for index in message.indexes(CONTACT):
        changes: list[tuple[bytes, bytes]] = []
        changed = False
        for contact in contacts_at(message, index):
            new = _replacement(contact, context) if _plain(contact) else None
            changes.append((contact.raw, new or contact.raw))
            if new and new != contact.raw:
                changed = True
                first = first or contact
        if changed:
            edits.append(Replace(index, splice(message.lines[index], changes)))
    return edits, first


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")


class ContactUnreachable(Rule):
    """Replaces the URI of every Contact of the sender, and nothing else of them, when the first leads where `reach`
    says; `why` completes the sentence "Contact names HOST, ..."."""

    stages: tuple[int, ...] = (REQUEST_IN, RESPONSE_IN)
    touches = (CONTACT,)

    def __init__(self, name: str, reach: int, rfc: str, summary: str, why: str, *samples: Sample) -> None:
        self.name = name
        self.rfc = rfc
        self.summary = summary
        self.reaches = (reach,)
        self.why = why
        self.samples = samples
        self.source = _SOURCES.get(name, ())
        self.no_source = _NO_SOURCE.get(name, "")
        # (line, URI to show, source) -> (reason, line to write); only saves time, and is forgotten when full.
        self._known: dict[tuple[bytes, bytes, int, str, int], tuple[str, bytes]] = {}

    def applies(self, message: Message, context: Context) -> Finding | None:
        if context.renamed is None and message.names.count(CONTACT) == 1:
            return self._remembered(message, context)
        return self._found(message, context)

    def _remembered(self, message: Message, context: Context) -> Finding | None:
        """The same for the one Contact line of a message in a dialog: a client writes the same one again and again."""
        index = message.names.index(CONTACT)
        line = message.lines[index]
        flow = context.flow
        key = (line, context.shown(), flow.listener.transport, flow.remote_host, flow.remote_port)
        known = self._known.get(key)
        if known is not None:
            return _Found(known[0], index, [Replace(index, known[1])])
        found = self._found(message, context)
        if found is not None and len(line) <= _LONGEST:
            if len(self._known) >= _ENTRIES:
                self._known.clear()
            self._known[key] = (found.reason, found.edits[0].text)
        return found

    def _found(self, message: Message, context: Context) -> _Found | None:
        edits, first = _edits(message, context)
        if first is None:
            return None
        return _Found(f"Contact names {self._reason(first, context)}", message.index(CONTACT), edits)

    def _reason(self, contact: NameAddr, context: Context) -> str:
        return f"{_text(contact.uri.host)}, {self.why}"

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        return list(finding.edits if isinstance(finding, _Found) else _edits(message, context)[0])


class ContactElsewhere(ContactUnreachable):
    """The address may be good, but it is not the one the message came from."""

    def _reason(self, contact: NameAddr, context: Context) -> str:
        flow = context.flow
        named = contact.uri.host + (b":%d" % contact.uri.port if contact.uri.port else b"")
        transport = uri_param(contact, b"transport")
        if transport:
            named += b" by " + transport.upper()
        source = b"%b:%d by " % (host_octets(flow.remote_host), flow.remote_port)
        return f"{_text(named)}, {self.why} {_text(source + VIA_TRANSPORTS[flow.listener.transport])}"


class ContactUserless(ContactUnreachable):
    """The user part is absent, or one at which servers trip; where the sender has a name of its own to show."""

    def __init__(self, name: str, semicolon: bool, rfc: str, summary: str, why: str, sample: Sample) -> None:
        super().__init__(name, REACHABLE, rfc, summary, why, sample)
        self.semicolon = semicolon
        # Lines with nothing wrong, as a client writes the same one again and again.
        self._right: set[bytes] = set()

    def applies(self, message: Message, context: Context) -> Finding | None:
        line = message.lines[message.names.index(CONTACT)]
        if line in self._right and message.places().contacts == 1:
            return None
        if self._is_right(message):
            if len(line) <= _LONGEST and message.places().contacts == 1:
                if len(self._right) >= _ENTRIES:
                    self._right.clear()
                self._right.add(line)
            return None
        if context.shown().startswith(b"sip:anonymous@"):
            return None
        return self._found(message, context)

    def _is_right(self, message: Message) -> bool:
        for index in message.indexes(CONTACT):
            for contact in contacts_at(message, index):
                if _plain(contact):
                    user = contact.uri.user
                    return b";" not in (user or b"") if self.semicolon else bool(user)
        return True


class ContactInconsistent(ContactUnreachable):
    """A known client keeps its one Contact in every message, also where another would do."""

    def applies(self, message: Message, context: Context) -> Finding | None:
        if not context.registered or context.renamed is not None:
            return None
        return ContactUnreachable.applies(self, message, context)


def _sample(
    contact: str, sender: str = "udp:198.51.100.7:5060", registered: bool = True, shown: str = _SHOWN
) -> Sample:
    """An INVITE whose Contact is the one thing that matters."""
    return Sample(_INVITE % contact, _INVITE % shown, sender, registered)


_INVITE: Final = """\
INVITE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKb
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1928301774
To: <sip:bob@example.com>
Call-ID: a84b4c76e66710
CSeq: 1 INVITE
Contact: <%s>
Content-Length: 0

"""
_REGISTER: Final = """\
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKa
Max-Forwards: 70
From: <sip:alice@example.com>;tag=a73kszlfl
To: <sip:alice@example.com>
Call-ID: 1j9FpLxk3uxtm8tn
CSeq: 1 REGISTER
Contact: <%s>;expires=600
Content-Length: 0

"""

# What the client gets when the server has accepted its REGISTER.
_HOME: Final = """\
SIP/2.0 200 OK
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKa
From: <sip:alice@example.com>;tag=a73kszlfl
To: <sip:alice@example.com>;tag=a6c85cf
Call-ID: 1j9FpLxk3uxtm8tn
CSeq: 1 REGISTER
Contact: <%s>;expires=600
Content-Length: 0

"""


def _register(contact: str) -> Sample:
    return Sample(_REGISTER % contact, _REGISTER % _SHOWN, registered=True, home=_HOME % contact)


RULES: Final = (
    ContactUnreachable(
        "contact-invalid-host",
        INVALID_NAME,
        "RFC 3261 section 8.1.1.8, RFC 7118 section 5.1, RFC 2606 section 2",
        "Replace a Contact whose host is a name that nobody can resolve: .invalid (browsers), .local, a single word.",
        "a name that nobody but its sender can resolve",
        _sample(
            "sip:63et72ng@9sh.invalid;transport=ws;ob",
            "wss:198.51.100.7:50112",
            shown=_SHOWN + ";ob",
        ),
    ),
    ContactUnreachable(
        "contact-private",
        PRIVATE,
        "RFC 3261 section 8.1.1.8, RFC 1918 section 3, RFC 4193 section 4.1",
        "Replace a Contact with a private, unique local or documentation address.",
        "an address of a private network that the server cannot reach",
        _sample("sip:alice@192.168.1.100:5060"),
        _register("sip:alice@192.168.1.100:5060;line=1"),
    ),
    ContactUnreachable(
        "contact-private-cgn",
        SHARED,
        "RFC 3261 section 8.1.1.8, RFC 6598 section 4",
        "Replace a Contact with an address behind a carrier's NAT (100.64.0.0/10).",
        "an address behind a carrier's NAT that the server cannot reach",
        _sample("sip:alice@100.64.3.7:5060"),
    ),
    ContactUnreachable(
        "contact-link-local",
        LINK_LOCAL,
        "RFC 3261 section 8.1.1.8, RFC 3927 section 2.7, RFC 4291 section 2.5.6",
        "Replace a Contact with a link-local address (169.254.0.0/16, fe80::/10).",
        "a link-local address that no router forwards to",
        _sample("sip:alice@169.254.10.3:5060"),
    ),
    ContactUnreachable(
        "contact-loopback",
        LOOPBACK,
        "RFC 3261 section 8.1.1.8, RFC 1122 section 3.2.1.3",
        "Replace a Contact with a loopback address: the server would call itself.",
        "a loopback address: the server would send to itself",
        _sample("sip:alice@127.0.0.1:5060"),
    ),
    ContactUnreachable(
        "contact-unspecified",
        UNSPECIFIED,
        "RFC 3261 section 8.1.1.8, RFC 1122 section 3.2.1.3",
        "Replace a Contact with 0.0.0.0 or ::, which a client writes before it knows its address.",
        "which is no address at all",
        _sample("sip:alice@0.0.0.0:5060"),
    ),
    ContactElsewhere(
        "contact-port-mismatch",
        OTHER_SOURCE,
        "RFC 3261 section 8.1.1.8, RFC 6314 section 4.1.1",
        "Replace a Contact that differs from where the message came from in address, port or transport.",
        "but the message came from",
        _sample("sip:alice@198.51.100.7:5060", "udp:198.51.100.7:61044", registered=False),
    ),
    ContactUserless(
        "contact-user-missing",
        False,
        "RFC 3261 section 8.1.1.8, section 19.1.1",
        "Replace a Contact without a user: servers and carriers know by it who is called.",
        "and no user there, by which servers and carriers know who is called",
        _sample("sip:198.51.100.7:5060", registered=False),
    ),
    ContactUserless(
        "contact-user-semicolon",
        True,
        "RFC 3261 section 19.1.1, section 19.1.2",
        "Replace a Contact with a semicolon in the user part, behind which FreeSWITCH reads parameters.",
        "with a semicolon in the user part, behind which some servers read parameters",
        _sample("sip:alice;x=1@198.51.100.7:5060", registered=False),
    ),
    ContactInconsistent(
        "contact-inconsistent",
        REACHABLE,
        "RFC 3261 section 12.1.1, section 10.2",
        "Give a registered client the same Contact in its dialogs that it has in its registration.",
        "but the client is registered under its one Contact here; servers take another for another phone",
        _sample("sip:alice@198.51.100.7:5060"),
    ),
    ContactUnreachable(
        "contact-bypass",
        REACHABLE,
        "RFC 3261 section 10.2.1, RFC 3327 section 4",
        "Replace a reachable Contact in REGISTER: the server would bypass this proxy, which alone the NAT lets in.",
        "so the server would bypass this proxy, and a NAT lets only the proxy in",
        _register("sip:alice@198.51.100.7:5060"),
    ),
)
RULES[-1].methods = (REGISTER,)
RULES[-1].stages = (REQUEST_IN,)
