"""The addresses for media in the SDP of a client that nobody outside its network can reach (RFC 8866 section 5.7).

A client behind NAT that knows neither STUN nor ICE offers the address it has. Servers that send to where media come
from manage with that; others send into the void, and the call is silent on one side. The address of the packet is put
in its place. The ports stay: whether the NAT keeps them is not for SIP to know, so this is reported, and repaired only
where the administrator says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from proxy.repair.reach import classify_host, host_address
from proxy.repair.rule import (
    BODY,
    LINK_LOCAL,
    LOOPBACK,
    NO_BODY,
    REACHABLE,
    REPORT,
    REQUEST_IN,
    RESPONSE_IN,
    UNSPECIFIED,
    BodyFinding,
    Context,
    Edit,
    Finding,
    ReplaceBody,
    Rule,
    Sample,
    Setting,
)
from proxy.sip.body import media_type, sealed
from proxy.sip.message import Message, Request
from proxy.sip.registry import ACK, CONTENT_LENGTH, INVITE, PRACK, UPDATE
from proxy.sip.sdp import SdpAddress, sdp_addresses, with_address

_ORIGIN: Final = Setting(
    "origin",
    ("rewrite", "leave"),
    "`rewrite`: the address in `o=` as well, in every message alike; `leave`: only those by which media are sent",
)
# No NAT is seen between two private addresses that begin alike (a /16, a /48): the client may have both. Bits behind.
_SAME_SITE: Final = {4: 16, 6: 80}
# No session needs more than this (octets, addresses): whoever sends it wants to see us work, or a body swell.
_LONGEST: Final = 32768
_MOST: Final = 100
# Sources remembered.
_ENTRIES: Final = 2048


class _Source:
    """Where messages come from: the address, None for one that means nothing elsewhere, and how SDP writes it."""

    __slots__ = ("address", "line_end", "octets", "site")

    def __init__(self, host: str) -> None:
        address = host_address(host.encode())
        if address is None or classify_host(str(address).encode()) in (LOOPBACK, LINK_LOCAL, UNSPECIFIED):
            address = None  # a proxy of the same machine, for instance
        self.address = address
        self.octets = str(address).encode()
        self.site = int(address) >> _SAME_SITE[address.version] if address else 0
        self.line_end = b" IN IP%d %b\r\n" % (address.version if address else 4, self.octets)


def _wrong(body: bytes, source: _Source, origin: bool) -> list[SdpAddress]:
    """The addresses to replace."""
    own = source.address
    if own is None:
        return []
    found: list[SdpAddress] = []
    places = sdp_addresses(body)
    if len(places) > _MOST:
        return []
    for place in places:
        if place.address == source.octets or place.version != own.version or (place.origin and not origin):
            continue
        reach = classify_host(place.address)
        # > [...] a client can signal "on hold" by setting c=0.0.0.0 (RFC 3264 section 8.4, as RFC 2543 had it)
        if reach in (REACHABLE, UNSPECIFIED):
            continue
        address = host_address(place.address)
        if address is None or address == own or address.version != own.version:
            continue
        if int(address) >> _SAME_SITE[own.version] == source.site:
            continue
        found.append(place)
    return found


class SdpPrivateAddress(Rule):
    """Leaves alone what ICE describes, what is signed, encrypted or multipart, and what another proxy passed on.

    Clients in a network of the server (`networks.local`) are left alone too: they need no NAT to reach each other.
    """

    name = "sdp-private-address"
    rfc = "RFC 8866 section 5.7, RFC 3264 section 5, RFC 3605 section 2.1"
    summary = "Put the source address where a client's SDP without ICE names one that the server cannot reach."
    stages = (REQUEST_IN, RESPONSE_IN)
    methods = (INVITE, ACK, PRACK, UPDATE)
    unless = NO_BODY
    touches = (BODY, CONTENT_LENGTH)
    default = REPORT
    settings = (_ORIGIN,)
    no_source = "The usual cause of calls that are silent on one side behind NAT, too common for one report."
    samples = (
        Sample(
            before="""\
INVITE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 8.8.4.4:5060;branch=z9hG4bKb
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1928301774
To: <sip:bob@example.com>
Call-ID: a84b4c76e66710
CSeq: 1 INVITE
Contact: <sip:alice@8.8.4.4:5060>
Content-Type: application/sdp
Content-Length: 140

v=0
o=alice 2890844526 2890844526 IN IP4 192.168.1.100
s=-
c=IN IP4 192.168.1.100
t=0 0
m=audio 49172 RTP/AVP 0
a=rtpmap:0 PCMU/8000
""",
            after="""\
INVITE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 8.8.4.4:5060;branch=z9hG4bKb
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1928301774
To: <sip:bob@example.com>
Call-ID: a84b4c76e66710
CSeq: 1 INVITE
Contact: <sip:alice@8.8.4.4:5060>
Content-Type: application/sdp
Content-Length: 128

v=0
o=alice 2890844526 2890844526 IN IP4 8.8.4.4
s=-
c=IN IP4 8.8.4.4
t=0 0
m=audio 49172 RTP/AVP 0
a=rtpmap:0 PCMU/8000
""",
            sender="udp:8.8.4.4:5060",
        ),
    )

    def __init__(self, origin: str = "rewrite") -> None:
        self.origin = origin == "rewrite"
        # By host; only saves time, and is forgotten when full.
        self._sources: dict[str, _Source] = {}

    def with_settings(self, chosen: Mapping[str, str]) -> Rule:
        return SdpPrivateAddress(chosen["origin"])

    def _source(self, context: Context) -> _Source:
        host = context.flow.remote_host
        source = self._sources.get(host)
        if source is None:
            if len(self._sources) >= _ENTRIES:
                self._sources.clear()
            source = self._sources[host] = _Source(host)
        return source

    def applies(self, message: Message, context: Context) -> Finding | None:
        body = message.body
        source = self._source(context)
        # Most that need nothing name their source wherever they name an address: counting is quicker than reading.
        if body.count(source.line_end) == body.count(b"\nc=") + body.count(b"\no=") + body.count(b"\na=rtcp:"):
            return None
        if media_type(message) != b"application/sdp" or len(body) > _LONGEST:
            return None
        if b"a=candidate:" in body or b"a=ice-" in body:
            return None
        if context.second_hop or (isinstance(message, Request) and message.places().vias > 1):
            return None  # it came from another proxy: the source is not that of the client
        own = source.address
        if own is not None and any(own in network for network in context.local_networks):
            return None  # the server is in the same network: the client may know ways there that we do not see
        found = _wrong(body, source, self.origin)
        if not found or sealed(message):
            return None
        named = found[0].address.decode("utf-8", "backslashreplace")
        reason = f"the SDP names {named}, which the server cannot reach; the message came from {source.octets.decode()}"
        return BodyFinding(reason, found[0].line)

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        source = self._source(context)
        found = _wrong(message.body, source, self.origin)
        return [ReplaceBody(with_address(message.body, found, source.octets))]


RULES = (SdpPrivateAddress(),)
