"""Where a message came from: as somebody says it, or as the message itself lets one guess."""

from __future__ import annotations

import contextlib
import ipaddress
from dataclasses import dataclass

from proxy.flow import TRANSPORTS, UDP, VIA_TRANSPORTS
from proxy.sip.errors import HeaderError
from proxy.sip.message import Request, Response
from proxy.sip.registry import REGISTER

# A stand-in where nothing tells: a documentation address (RFC 5737).
UNKNOWN_SOURCE = "198.51.100.7"


@dataclass(frozen=True)
class Source:
    """Where a message came from: index of the transport, host, port."""

    transport: int
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{TRANSPORTS[self.transport]}:{host}:{self.port}"


def parse_source(text: str) -> Source:
    """Read `udp:192.0.2.7:4711` or `tcp:[2001:db8::7]:5060`. Raises ValueError with what is wrong."""
    word, _, rest = text.partition(":")
    host, _, port = rest.removeprefix("//").rpartition(":")
    if word.lower() not in TRANSPORTS:
        raise ValueError(f"{word!r} is no transport; write one of {', '.join(TRANSPORTS)}")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} has no port between 1 and 65535; write for instance udp:192.0.2.7:4711")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise ValueError(f"{host!r} is no IP address; a message comes from an address, not from a name") from None
    return Source(TRANSPORTS.index(word.lower()), str(address), int(port))


def likely_source(message: Request | Response) -> Source:
    """Where a message without known source probably came from: what its Via says, else its Contact."""
    transport = UDP
    hosts: list[tuple[bytes, int]] = []
    try:
        via = message.via
        if via.transport in VIA_TRANSPORTS:
            transport = VIA_TRANSPORTS.index(via.transport)
        if isinstance(message, Request):
            rport = via.rport
            hosts.append((via.received or via.host, int(rport) if rport and rport.isdigit() else via.port))
    except HeaderError:
        hosts = []  # the Via is missing or broken, which is for a rule to say
    with contextlib.suppress(HeaderError):
        hosts += [(contact.uri.host, contact.uri.port) for contact in message.contacts[:1]]
    for host, port in hosts:
        try:
            address = ipaddress.ip_address(host.strip(b"[]").decode("ascii", "replace"))
        except ValueError:
            continue
        if 0 <= port < 65536:
            return Source(transport, str(address), port or 5060)
    return Source(transport, UNKNOWN_SOURCE, 5060)


def likely_domain(message: Request | Response) -> bytes:
    """The domain of the sender: of To in REGISTER and responses, of From in other requests."""
    register = isinstance(message, Request) and message.method == REGISTER
    try:
        address = message.to if register or isinstance(message, Response) else message.from_
        return address.uri.host.lower() or b"example.com"
    except HeaderError:
        return b"example.com"
