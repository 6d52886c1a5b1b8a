"""Writes the requests and responses of the demo's server and clients (RFC 3261 sections 8.1.1 and 8.2.6).

Octets only: nothing is sent here, and nothing is known of transactions.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.sip.message import Request
from proxy.sip.registry import CALL_ID, CSEQ, FROM, REASONS, RECORD_ROUTE, TO, VIA
from proxy.sip.via import Via, add_params

Header = tuple[bytes, bytes]


def request(
    method: bytes, uri: bytes, headers: Sequence[Header], body: bytes = b"", content_type: bytes = b"application/sdp"
) -> bytes:
    """A request with these headers in this order; Max-Forwards and the headers of the body are added."""
    lines = [b"%b %b SIP/2.0" % (method, uri)]
    lines += [b"%b: %b" % header for header in headers]
    lines.append(b"Max-Forwards: 70")
    return _close(lines, body, content_type)


def response(
    asked: Request,
    status: int,
    source: tuple[str, int],
    headers: Sequence[Header] = (),
    body: bytes = b"",
    tag: bytes = b"",
    reason: bytes | None = None,
) -> bytes:
    """The response to a request that came from `source`; `tag` goes into To if To has none."""
    lines = [b"SIP/2.0 %d %b" % (status, reason or REASONS[status])]
    vias = asked.values(VIA)
    vias[:1] = [_mark_source(vias[0], asked.via, source)]
    lines += [b"Via: " + via for via in vias]
    if 101 <= status < 300:
        lines += [b"Record-Route: " + value for value in asked.values(RECORD_ROUTE)]
    to = asked.value(TO) or b""
    if tag and status > 100 and asked.to.tag is None:
        to += b";tag=" + tag
    lines.append(b"From: " + (asked.value(FROM) or b""))
    lines.append(b"To: " + to)
    lines.append(b"Call-ID: " + (asked.value(CALL_ID) or b""))
    lines.append(b"CSeq: " + (asked.value(CSEQ) or b""))
    lines += [b"%b: %b" % header for header in headers]
    return _close(lines, body, b"application/sdp")


def _mark_source(value: bytes, via: Via, source: tuple[str, int]) -> bytes:
    """Add `received`, and fill in `rport` where it was asked for (RFC 3261 section 18.2.1, RFC 3581 section 4)."""
    host = source[0].encode()
    asked = via.rport is not None
    return add_params(value, host if asked or via.host != host else None, b"%d" % source[1] if asked else None)


def _close(lines: list[bytes], body: bytes, content_type: bytes) -> bytes:
    if body:
        lines.append(b"Content-Type: " + content_type)
    lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def offer(host: bytes, port: int) -> bytes:
    """An SDP offer of G.711 at that address (RFC 8866, RFC 3264 section 5)."""
    return (
        b"v=0\r\no=- 1 1 IN IP4 %b\r\ns=-\r\nc=IN IP4 %b\r\nt=0 0\r\n"
        b"m=audio %d RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n" % (host, host, port)
    )


def answer(offered: bytes, host: bytes, port: int) -> bytes | None:
    """An SDP answer that takes plain audio with the codecs of the offer, and refuses all other media.

    None if no audio stream of plain RTP is offered (RFC 3264 section 6). An INVITE without an offer gets one.
    """
    if not offered.strip():
        return offer(host, port)
    lines = [b"v=0", b"o=- 1 1 IN IP4 " + host, b"s=-", b"c=IN IP4 " + host, b"t=0 0"]
    taken = here = False
    for line in offered.replace(b"\r\n", b"\n").split(b"\n"):
        if line.startswith(b"m="):
            words = line[2:].split()
            if len(words) < 4:
                return None
            here = not taken and words[0] == b"audio" and words[2] == b"RTP/AVP" and words[1] != b"0"
            taken = taken or here
            lines.append(b"m=%b %d %b" % (words[0], port if here else 0, b" ".join(words[2:])))
        elif here and line.startswith((b"a=rtpmap:", b"a=fmtp:", b"a=ptime:")):
            lines.append(line)
    return b"\r\n".join([*lines, b""]) if taken else None
