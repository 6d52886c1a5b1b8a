"""The addresses in a session description, and others in their place (RFC 8866 sections 5.2 and 5.7, RFC 3605).

Nothing else of SDP is read, and no other octet is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_RTCP: Final = b"a=rtcp:"


class SdpAddress:
    """One address: where it stands in the body (`start` to `end`), its type (4 or 6), and the line it is in.

    `origin` is true for the one of `o=`, which names the session and no place for media.
    """

    __slots__ = ("address", "end", "line", "origin", "start", "version")

    def __init__(self, address: bytes, version: int, start: int, line: bytes) -> None:
        self.address = address
        self.version = version
        self.start = start
        self.end = start + len(address)
        self.line = line
        self.origin = line[:2] == b"o="


def sdp_addresses(body: bytes) -> list[SdpAddress]:
    """The addresses of `o=`, of each `c=` and of each `a=rtcp:`, in their order.

    Left out are lines that are not written as the grammar wants, names, multicast (`/ttl`), and what belongs to a
    medium that is refused (port 0).
    """
    found: list[SdpAddress] = []
    refused = False
    at = 0
    for raw in body.split(b"\n"):
        line = raw.rstrip(b"\r ")
        mark = line[:2]
        if mark == b"m=":
            refused = _port(line) == b"0"
        elif not refused and (mark == b"c=" or mark == b"o=" or line.startswith(_RTCP)):
            address = _address(line, at)
            if address is not None:
                found.append(address)
        at += len(raw) + 1
    return found


def _port(line: bytes) -> bytes:
    words = line.split(b" ", 2)
    return words[1].partition(b"/")[0] if len(words) > 1 else b""


# > origin-field = %s"o" "=" username SP sess-id SP sess-version SP nettype SP addrtype SP unicast-address CRLF
# > connection-field = [%s"c" "=" nettype SP addrtype SP connection-address CRLF]
# > rtcp-attribute = "a=rtcp:" port [nettype space addrtype space connection-address] CRLF
_WORDS: Final = {b"o=": 6, b"c=": 3, b"a=": 4}


def _address(line: bytes, at: int) -> SdpAddress | None:
    words = line.split(b" ")
    if len(words) != _WORDS[line[:2]] or words[-3].rpartition(b"=")[2] != b"IN":
        return None
    version = 4 if words[-2] == b"IP4" else 6 if words[-2] == b"IP6" else 0
    address = words[-1]
    digits = address[:1].isdigit() if version == 4 else b":" in address
    if not version or not digits or b"/" in address:
        return None
    return SdpAddress(address, version, at + len(line) - len(address), line)


def with_address(body: bytes, places: Sequence[SdpAddress], address: bytes) -> bytes:
    """The body with this address in those places."""
    parts: list[bytes] = []
    end = 0
    for place in places:
        parts += (body[end : place.start], address)
        end = place.end
    return b"".join((*parts, body[end:]))
