"""From, To and Request-URI of a client that name an address where the domain of the server belongs.

Home-made clients write `username@host`, with their own address or that of the proxy, for want of the domain: the
server takes that for another domain, and refuses, or calls a user back who is not there (RFC 3261 8.1.1.2, 8.1.1.3).
"""

from __future__ import annotations

from typing import Final

from proxy.repair.rule import NAMES_DOMAIN, REQUEST_IN, Context, Edit, Finding, Replace, Rule, Sample
from proxy.sip.address import parse_name_addr
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Request, line_value
from proxy.sip.registry import FROM, IDENTITY, REGISTER, REPLACES, START, TO
from proxy.sip.uri import Uri, parse_uri, with_host

_LABELS: Final = {START: "Request-URI", FROM: "From", TO: "To"}


def _is_misnamed(uri: Uri, name: bytes, message: Request, context: Context) -> bool:
    """Whether the host of that URI stands where the domain belongs."""
    host = uri.host.lower()
    hosts = context.naming.hosts
    if hosts is None or uri.scheme not in (b"sip", b"sips") or not host or host == context.domain:
        return False
    if uri.params and (uri.param(b"b") is not None or uri.param(b"gr") is not None):
        return False  # one client and no address of record
    registers = message.method == REGISTER
    if not registers and not uri.user:
        return False  # it means that host itself, as OPTIONS may
    if name == START:
        # What the server knows as its own stays: a digest covers it (RFC 3261 section 22.4), and some compare. Within
        # a dialog, and with Replaces, it is a Contact and no address of record.
        if not registers and (uri.params or REPLACES in message.names or message.to.tag is not None):
            return False
        if hosts.is_server(host):
            return False
        if hosts.is_proxy(host):
            return True
        # A registrar may have any address, but not that of an address of record which is none.
        return registers and hosts.is_senders(host, context.flow) and message.to.uri.host.lower() == host
    if hosts.is_proxy(host) or hosts.is_server(host):
        return True
    # Who calls an address that is neither ours nor the server's may mean it.
    return (name == FROM or registers) and hosts.is_senders(host, context.flow)


def _misnamed(message: Request, context: Context) -> list[tuple[int, bytes, Uri]]:
    """The lines to mend: their index, the URI as written there, and its parts."""
    found = []
    plain = b"@%b>" % context.domain
    for index, name in enumerate(message.names):
        if name not in (START, FROM, TO) or plain in message.lines[index]:
            continue
        try:
            raw = message.uri if index == 0 else parse_name_addr(line_value(message.lines[index])).addr
            uri = parse_uri(raw)
            if _is_misnamed(uri, name, message, context):
                found.append((index, raw, uri))
        except HeaderError:
            continue  # what cannot be read is left to the server
    return found


class ServerDomain(Rule):
    """Whoever the request is from and for, the host becomes the domain; user, parameters and tags stay."""

    name = "server-domain"
    rfc = "RFC 3261 section 8.1.1.2, section 8.1.1.3, section 10.2"
    summary = "Put the server's domain where a client's From, To or Request-URI names its own address or the proxy's."
    stages = (REQUEST_IN,)
    unless = NAMES_DOMAIN
    touches = (FROM, TO, START)
    source = ("onsip/SIP.js/issues/1091",)
    samples = (
        Sample(
            before="""\
MESSAGE sip:bob@203.0.113.10 SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
Max-Forwards: 70
From: "Alice" <sip:alice@198.51.100.7:5060>;tag=1928301774
To: <sip:bob@203.0.113.10>
Call-ID: a84b4c76e66710
CSeq: 1 MESSAGE
Content-Length: 0

""",
            after="""\
MESSAGE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
Max-Forwards: 70
From: "Alice" <sip:alice@example.com>;tag=1928301774
To: <sip:bob@example.com>
Call-ID: a84b4c76e66710
CSeq: 1 MESSAGE
Content-Length: 0

""",
            home="""\
SIP/2.0 200 OK
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds7
From: "Alice" <sip:alice@198.51.100.7:5060>;tag=1928301774
To: <sip:bob@203.0.113.10>;tag=a6c85cf
Call-ID: a84b4c76e66710
CSeq: 1 MESSAGE
Content-Length: 0

""",
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        if context.naming.hosts is None or not isinstance(message, Request):
            return None  # an address stands for the domain
        if message.places().vias > 1 or IDENTITY in message.names:
            return None  # of another hop's client, or signed (RFC 8224 section 4)
        found = _misnamed(message, context)
        if not found:
            return None
        named = [
            f"{_LABELS[message.names[index]]} names {uri.host.decode('utf-8', 'backslashreplace')}"
            for index, _, uri in found[:3]
        ]
        return Finding(f"{', '.join(named)} where the domain of the server belongs", found[0][0])

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        if not isinstance(message, Request):
            return []
        edits: list[Edit] = []
        for index, raw, uri in _misnamed(message, context):
            line = message.lines[index]
            start = len(message.method) + 1 if index == 0 else line.find(raw, line.find(b"<") + 1)
            mended = with_host(uri, context.domain)
            if start > 0 and mended is not None:
                edits.append(Replace(index, line[:start] + mended + line[start + len(raw) :]))
        return edits


RULES = (ServerDomain(),)
