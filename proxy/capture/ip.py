"""IPv4 and IPv6 packets (RFC 791, RFC 8200): what they carry, put together from fragments, within bounds."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import Final

TCP: Final = 6
UDP: Final = 17
_FRAGMENT: Final = 44
_OPTIONS: Final = (0, 43, 60)  # hop-by-hop, routing, destination
_AUTHENTICATION: Final = 51
_MAX_HEADERS: Final = 8

_MAX_PARTIAL: Final = 256  # packets that wait for fragments
_MAX_PIECES: Final = 64
_MAX_LENGTH: Final = 65_535


class Segment:
    """What an IP packet carries: protocol number, addresses (packed), payload, whether the payload is all there."""

    __slots__ = ("destination", "payload", "protocol", "source", "whole")

    def __init__(self, protocol: int, source: bytes, destination: bytes, payload: bytes, whole: bool) -> None:
        self.protocol = protocol
        self.source = source
        self.destination = destination
        self.payload = payload
        self.whole = whole


class BrokenPacketError(Exception):
    """The headers of the packet are impossible."""


@lru_cache(maxsize=4096)
def address_text(packed: bytes) -> str:
    """An address as it is written; IPv4 in IPv6 as IPv4."""
    address = ip_address(packed)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


class _Partial:
    """The fragments of one packet that are there so far."""

    __slots__ = ("length", "pieces")

    def __init__(self) -> None:
        self.pieces: dict[int, bytes] = {}
        self.length = -1  # known once the last fragment is there

    def join(self) -> bytes | None:
        """The payload, or None while something is missing. Of what overlaps, what comes first in the packet counts."""
        if self.length < 0:
            return None
        joined = bytearray()
        for offset in sorted(self.pieces):
            if offset > len(joined):
                return None
            joined += self.pieces[offset][len(joined) - offset :]
        return bytes(joined[: self.length]) if len(joined) >= self.length else None


class Reassembly:
    """Turns IP packets into what they carry. `lost` counts packets given up because fragments stayed away."""

    __slots__ = ("_partial", "lost")

    def __init__(self) -> None:
        self._partial: dict[tuple[bytes, bytes, int, int], _Partial] = {}
        self.lost = 0

    def take(self, octets: bytes, whole: bool) -> Segment | None:
        """What the packet carries; None for a fragment that completes nothing. Raises BrokenPacketError.

        `whole` is false if the capture cut the packet off.
        """
        version = octets[0] >> 4 if octets else 0
        if version == 4:
            return self._version4(octets, whole)
        if version == 6:
            return self._version6(octets, whole)
        raise BrokenPacketError

    @property
    def waiting(self) -> int:
        """How many packets wait for fragments."""
        return len(self._partial)

    def _version4(self, octets: bytes, whole: bool) -> Segment | None:
        head = (octets[0] & 15) * 4
        if head < 20 or len(octets) < head:
            raise BrokenPacketError
        total = octets[2] << 8 | octets[3]
        if not total:  # the network card was to cut the packet up
            total = len(octets)
        if total < head:
            raise BrokenPacketError
        source, destination, protocol = octets[12:16], octets[16:20], octets[9]
        payload = octets[head:total]
        whole = whole or len(octets) >= total
        place = octets[6] << 8 | octets[7]
        if not place & 0x3FFF:
            return Segment(protocol, source, destination, payload, whole)
        mark = (source, destination, protocol, octets[4] << 8 | octets[5])
        return self._fragment(mark, (place & 0x1FFF) * 8, bool(place & 0x2000), payload, whole)

    def _version6(self, octets: bytes, whole: bool) -> Segment | None:
        if len(octets) < 40:
            raise BrokenPacketError
        total = 40 + (octets[4] << 8 | octets[5])
        if total == 40:
            total = len(octets)
        source, destination, kind = octets[8:24], octets[24:40], octets[6]
        whole = whole or len(octets) >= total
        octets = octets[:total]
        at = 40
        for _ in range(_MAX_HEADERS):
            if len(octets) < at + 8:
                break
            if kind in _OPTIONS:
                kind, at = octets[at], at + 8 + octets[at + 1] * 8
            elif kind == _AUTHENTICATION:
                kind, at = octets[at], at + 8 + octets[at + 1] * 4
            elif kind == _FRAGMENT:
                kind, place = octets[at], octets[at + 2] << 8 | octets[at + 3]
                number = int.from_bytes(octets[at + 4 : at + 8], "big")
                at += 8
                if place & 0xFFF9:
                    mark = (source, destination, kind, number)
                    return self._fragment(mark, place & 0xFFF8, bool(place & 1), octets[at:], whole)
            else:
                break
        return Segment(kind, source, destination, octets[at:], whole)

    def _fragment(
        self, mark: tuple[bytes, bytes, int, int], offset: int, more: bool, piece: bytes, whole: bool
    ) -> Segment | None:
        partial = self._partial.get(mark)
        if partial is None:
            if len(self._partial) >= _MAX_PARTIAL:
                del self._partial[next(iter(self._partial))]
                self.lost += 1
            partial = self._partial[mark] = _Partial()
        if not whole or offset + len(piece) > _MAX_LENGTH or len(partial.pieces) >= _MAX_PIECES:
            del self._partial[mark]
            self.lost += 1
            return None
        if len(piece) > len(partial.pieces.get(offset, b"")):
            partial.pieces[offset] = piece
        if not more:
            partial.length = offset + len(piece)
        payload = partial.join()
        if payload is None:
            return None
        del self._partial[mark]
        return Segment(mark[2], mark[0], mark[1], payload, True)
