"""Tells SIP from everything else in a capture, by the first octets; as lenient as the parser."""

from __future__ import annotations

from typing import Final

from proxy.flow import VIA_TRANSPORTS

# A start line is looked for in so many octets; they hold more than any real Request-URI.
_LOOK: Final = 4096
_TLS: Final = (b"\x16\x03", b"\x17\x03", b"\x15\x03", b"\x14\x03")


def looks_like_sip(octets: bytes) -> bool:
    """Whether a SIP message begins here, line ends before it aside."""
    start = octets[:_LOOK].lstrip(b"\r\n")
    line = start.partition(b"\n")[0]
    if line.startswith(b"SIP/2.0 "):
        return True
    words = line.split()
    return (
        len(words) >= 3
        and words[-1][:4].upper() == b"SIP/"
        and words[-1][4:5].isdigit()
        and words[0][:1].isalpha()
        and words[0] != b"SIP/2.0"
        and len(words[0]) <= 64
    )


def may_become_sip(octets: bytes) -> bool:
    """Whether this may be the beginning of a start line that is not all there yet."""
    start = octets.lstrip(b"\r\n")
    return not start or (len(start) < _LOOK and start[:1].isalpha() and b"\n" not in start and start.isascii())


def looks_like_tls(octets: bytes) -> bool:
    return octets[:2] in _TLS


def via_transport(octets: bytes) -> int | None:
    """The transport that the topmost Via of a message names (an index of `flow.TRANSPORTS`); None without one."""
    for line in octets.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon and name.strip().lower() in (b"via", b"v"):
            word = value.strip().partition(b" ")[0].rpartition(b"/")[2].upper()
            return VIA_TRANSPORTS.index(word) if word in VIA_TRANSPORTS else None
    return None
