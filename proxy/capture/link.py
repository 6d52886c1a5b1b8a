"""From a packet of some network to the IP packet in it: Ethernet with VLANs, raw IP, Linux "any", loopback."""

from __future__ import annotations

from typing import Final

_IP: Final = (b"\x08\x00", b"\x86\xdd")
_VLAN: Final = (b"\x81\x00", b"\x88\xa8", b"\x91\x00")
_PPPOE: Final = b"\x88\x64"
_PPP_IP: Final = (b"\x00\x21", b"\x00\x57")
_MAX_TAGS: Final = 4

_ETHERNET: Final = 1
_RAW: Final = (101, 12, 14, 228, 229)
_SLL: Final = 113
_SLL2: Final = 276
_LOOPBACK: Final = (0, 108)

KNOWN: Final = frozenset({_ETHERNET, *_RAW, _SLL, _SLL2, *_LOOPBACK})


def ip_packet(link: int, octets: bytes) -> bytes:
    """The IP packet, b"" where the packet carries something else. `link` must be in KNOWN."""
    if link == _ETHERNET:
        return _by_type(octets[12:14], octets, 14)
    if link in _RAW:
        return octets
    if link == _SLL:
        return _by_type(octets[14:16], octets, 16)
    if link == _SLL2:
        return _by_type(octets[0:2], octets, 20)
    # A family number of the capturing system, whose values and byte order differ: the packet itself tells better.
    return octets[4:] if octets[4:5] and octets[4] >> 4 in (4, 6) else b""


def _by_type(kind: bytes, octets: bytes, at: int) -> bytes:
    """What follows an EtherType at `at`, VLAN tags and PPPoE taken off."""
    for _ in range(_MAX_TAGS):
        if kind in _IP:
            return octets[at:]
        if kind in _VLAN:
            kind = octets[at + 2 : at + 4]
            at += 4
        elif kind == _PPPOE:
            return octets[at + 8 :] if octets[at + 6 : at + 8] in _PPP_IP else b""
        else:
            return b""
    return b""
