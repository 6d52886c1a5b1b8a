"""The client's address as a proxy in front of us announces it: PROXY protocol v1 and v2, X-Forwarded-For.

Reads octets and judges nothing: whether the proxy may be believed is the caller's question.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Network = IPv4Network | IPv6Network
Address = tuple[str, int]

V1: Final = b"PROXY "
V2: Final = b"\r\n\r\n\x00\r\nQUIT\n"
# The longest line of version 1, with its CRLF.
_V1_LONGEST: Final = 107
# Addresses, ports and TLVs of version 2. The specification allows 65535; nobody sends that much.
_V2_LONGEST: Final = 4096
# Family and protocol of version 2: TCP over IPv4, TCP over IPv6 -> octets of one address.
_V2_SIZES: Final = {0x11: 4, 0x21: 16}


class ProxyHeaderError(Exception):
    """It begins like a PROXY header and is none."""


class ProxyHeader:
    """What a PROXY header said: `length` of it in octets; `source` is None where it speaks for the proxy itself."""

    __slots__ = ("length", "source")

    def __init__(self, length: int, source: Address | None) -> None:
        self.length = length
        self.source = source


def begins_proxy_header(octets: bytes) -> bool:
    """Whether the octets begin with the mark of a PROXY header, all of it."""
    return octets.startswith((V1, V2))


def may_become_proxy_header(octets: bytes) -> bool:
    """Whether the octets are the start of such a mark: more has to come before anybody can tell."""
    return V1.startswith(octets) or V2.startswith(octets)


def read_proxy_header(octets: bytes) -> ProxyHeader | None:
    """The header at the start of the octets; None if more has to come. Raises ProxyHeaderError."""
    return _version_1(octets) if octets.startswith(V1) else _version_2(octets)


def _version_1(octets: bytes) -> ProxyHeader | None:
    end = octets.find(b"\r\n", 0, _V1_LONGEST)
    if end < 0:
        if len(octets) >= _V1_LONGEST:
            raise ProxyHeaderError("the line does not end")
        return None
    words = octets[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return ProxyHeader(end + 2, None)
    version = {b"TCP4": 4, b"TCP6": 6}.get(words[1])
    if version is None or len(words) != 6:
        raise ProxyHeaderError("should be PROXY TCP4 or TCP6, two addresses and two ports")
    try:
        host = _address(words[2].decode("ascii"))
    except ValueError as error:
        raise ProxyHeaderError("the address is none") from error
    if host.version != version:
        raise ProxyHeaderError("the address is one of the other IP version")
    return ProxyHeader(end + 2, (plain(host), _port(words[4])))


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or int(word) > 65535:
        raise ProxyHeaderError("a port is none")
    return int(word)


def _version_2(octets: bytes) -> ProxyHeader | None:
    if len(octets) < 16:
        return None
    command, kind = octets[12], octets[13]
    length = int.from_bytes(octets[14:16], "big")
    if command not in (0x20, 0x21) or length > _V2_LONGEST:
        raise ProxyHeaderError("an unknown version or command, or too long")
    if len(octets) < 16 + length:
        return None
    size = _V2_SIZES.get(kind)
    if command == 0x20 or size is None:
        # LOCAL, the proxy's own check of our health; or a family that has no address for us.
        return ProxyHeader(16 + length, None)
    if length < 2 * size + 4:
        raise ProxyHeaderError("too short for its addresses")
    host = ip_address(octets[16 : 16 + size])
    port = int.from_bytes(octets[16 + 2 * size : 18 + 2 * size], "big")
    return ProxyHeader(16 + length, (plain(host), port))


def plain(address: IPv4Address | IPv6Address) -> str:
    """The address as text; an IPv4 address that is written as an IPv6 one becomes plain again."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def is_in(host: str, networks: Iterable[Network]) -> bool:
    """Whether an IP address is in one of the networks."""
    address = ip_address(host.partition("%")[0])
    return any(address in network for network in networks)


def forwarded_for(values: Iterable[str], source: Address, trusted: Iterable[Network]) -> Address | None:
    """The client that X-Forwarded-For names: the last address in it that is none of our proxies.

    What stands to the left of that one the client may have written itself. Addresses without port get that of
    `source`, the connection's. None if an element that would be needed is no address.
    """
    networks = tuple(trusted)
    found = source
    for element in reversed(",".join(values).split(",")):
        if not is_in(found[0], networks):
            break
        try:
            found = _element(element.strip(), source[1])
        except ValueError:
            return None
    return found


def _element(text: str, port: int) -> Address:
    """`192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7`, `[2001:db8::7]` or `[2001:db8::7]:4711`. Raises ValueError."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
    elif text.count(":") == 1:
        host, _, rest = text.partition(":")
        rest = f":{rest}"
    else:
        host, rest = text, ""
    if rest:
        digits = rest[1:]
        if rest[:1] != ":" or not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) < 65536):
            raise ValueError(text)
        port = int(digits)
    return (plain(_address(host)), port)


def _address(text: str) -> IPv4Address | IPv6Address:
    """An address without a zone: that of the proxy's machine says nothing here, and Python lets anything be one.

    Raises ValueError.
    """
    if "%" in text:
        raise ValueError(text)
    return ip_address(text)
