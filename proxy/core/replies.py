"""Responses that the proxy itself gives (RFC 3261 section 8.2.6)."""

from __future__ import annotations

from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Request
from proxy.sip.registry import CALL_ID, CSEQ, FROM, REASONS, TIMESTAMP, TO, VIA

_COPIED = frozenset((VIA, FROM, TO, CALL_ID, CSEQ))


def make_reply(
    request: Request, status: int, to_tag: bytes = b"", reason: bytes = b"", headers: tuple[bytes, ...] = ()
) -> bytes:
    """The octets of a response to this request: its Vias, From, To, Call-ID and CSeq in their order.

    `to_tag` is added where To has none (never to a 100); `reason` takes the place of the usual phrase; `headers` are
    further lines.
    """
    lines = [b"SIP/2.0 %d %b" % (status, reason or REASONS.get(status, b"Unknown"))]
    names: set[bytes] = set()
    for line, name in zip(request.lines, request.names, strict=True):
        if name in _COPIED:
            if name in names and name != VIA:
                continue  # once only in an answer, however many the request had
            names.add(name)
            lines.append(line)
            if name == TO and to_tag and status > 100 and not has_tag(request):
                lines[-1] = b"%b;tag=%b" % (line, to_tag)
        elif name == TIMESTAMP and status == 100:
            lines.append(line)
    lines.extend(headers)
    lines.append(b"Content-Length: 0\r\n\r\n")
    return b"\r\n".join(lines)


def make_trying(request: Message) -> bytes:
    """A 100 (Trying), found by index: it is made for many calls (17.2.1)."""
    lines, names = request.lines, request.names
    picked = [b"SIP/2.0 100 Trying"]
    if names.count(VIA) == 1:
        picked.append(lines[names.index(VIA)])
    else:
        picked.extend(line for line, name in zip(lines, names, strict=True) if name == VIA)
    picked += [lines[names.index(FROM)], lines[names.index(TO)], lines[names.index(CALL_ID)], lines[names.index(CSEQ)]]
    if TIMESTAMP in names:
        picked.append(lines[names.index(TIMESTAMP)])
    picked.append(b"Content-Length: 0\r\n\r\n")
    return b"\r\n".join(picked)


def has_tag(request: Request) -> bool:
    """Whether To has a tag, or cannot be read: then it is nothing to write one into."""
    try:
        return request.to.tag is not None
    except HeaderError:
        return True


def clean_phrase(text: str) -> bytes:
    """A sentence as a reason phrase: printable ASCII, without line ends, bounded."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:120].encode("ascii")
