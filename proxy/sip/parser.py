"""Octets of one message to a `Request` or `Response` (RFC 3261 section 7): lenient, and it records what it let pass.

One pass over the header lines; no header value is parsed here but Content-Length. What the parser accepts although
the grammar forbids it becomes an oddity of the message; validation and rules decide what follows from it.
"""

from __future__ import annotations

from proxy.sip.errors import ParseError
from proxy.sip.message import Message, Request, Response, line_value
from proxy.sip.places import places_of
from proxy.sip.registry import CANON, CONTENT_LENGTH, START

# Oddities, by the name under which logs and reports show them.
BARE_LF = "bare-lf"
NO_BLANK_LINE = "no-blank-line"
EXTRA_OCTETS = "extra-octets"
MISSING_OCTETS = "missing-octets"
BAD_CONTENT_LENGTH = "bad-content-length"
LOOSE_START_LINE = "loose-start-line"
LINE_WITHOUT_COLON = "line-without-colon"
OTHER_VERSION = "other-version"

_canon = CANON.get

# What start lines of responses and Content-Length lines say: the same few come again and again.
_MEMO_ENTRIES = 4096
_statuses: dict[bytes, tuple[int, bytes]] = {}
_lengths: dict[bytes, int] = {}


def parse_message(octets: bytes, max_lines: int = 500) -> Request | Response:
    """Parse one message; `max_lines` bounds its header lines.

    Raises ParseError for what is no SIP message or cannot be passed on safely (control characters in header lines,
    too many of them).
    """
    if octets[:1] in (b"\r", b"\n"):
        octets = octets.lstrip(b"\r\n")
    oddities: list[str] = []
    head, blank, body = octets.partition(b"\r\n\r\n")
    if not blank:
        head, _, body = _close_head(octets, oddities).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    # No CR and no LF but in pairs, and no NUL: the octets taken out are just those.
    if len(head) - len(head.translate(None, b"\r\n\0")) != 2 * len(lines) - 2 or len(lines) > max_lines:
        head, body = _clean(head, body, max_lines, oddities)
        lines = head.split(b"\r\n")
    names = [_canon(line.partition(b":")[0]) for line in lines]
    names[0] = START
    known: list[bytes] = names if all(names[1:]) else _spell_out(lines, names, oddities)  # type: ignore[assignment]  # no None in it
    start = lines[0]
    status = _statuses.get(start)
    message: Request | Response
    if status is not None:
        message = Response(lines, known, body, None, status[0], status[1])
    else:
        parts = start.split(b" ")
        if len(parts) == 3 and parts[2] == b"SIP/2.0" and parts[0] and parts[1] and parts[0] != b"SIP/2.0":
            message = Request(lines, known, body, None, parts[0], parts[1])
        else:
            message = _start(lines, known, body, oddities)
    places = message._places = places_of(known)
    length = places.content_length
    if length >= 0 and (places.lengths > 1 or _lengths.get(lines[length]) != len(body)):
        _cut_body(message, oddities)
    if oddities:
        message.oddities = oddities
    return message


def _clean(head: bytes, body: bytes, max_lines: int, oddities: list[str]) -> tuple[bytes, bytes]:
    """Look into a head of too many lines, with bare CR or LF, or with a NUL; gives head and body as they are to be."""
    feeds = head.count(b"\n")
    if feeds > max_lines:
        raise ParseError(f"the message has more than {max_lines} header lines", 513, "too_many_lines")
    if head.count(b"\r") != feeds or head.count(b"\r\n") != feeds:
        head, _, body = _mend_line_ends(head + b"\r\n\r\n" + body, oddities).partition(b"\r\n\r\n")
    # > quoted-pair  =  "\" (%x00-09 / %x0B-0C / %x0E-7F)  (25.1): a NUL is legal there, and nowhere else.
    if b"\0" in head.replace(b"\\\0", b""):
        raise ParseError("a NUL stands inside a header line", label="control_character")
    return head, body


def _close_head(octets: bytes, oddities: list[str]) -> bytes:
    """Give a head that does not end in an empty line its end: it has bare line feeds, or was cut off."""
    if b"\n\n" in octets or b"\n\r\n" in octets:
        return _mend_line_ends(octets, oddities)
    oddities.append(NO_BLANK_LINE)
    return octets.rstrip(b"\r\n") + b"\r\n\r\n"


def _mend_line_ends(octets: bytes, oddities: list[str]) -> bytes:
    """Make every line of the head end in CRLF, as the next element would read it; the body is left alone.

    There is an empty line. A bare LF is a line end to most servers: were it passed on as it is, they would see a
    header that we did not.
    """
    end = min(end for end in (octets.find(b"\n\n"), octets.find(b"\n\r\n")) if end >= 0)
    head = octets[:end].removesuffix(b"\r").replace(b"\r\n", b"\n")
    if b"\r" in head:
        raise ParseError("a carriage return stands inside a header line", label="control_character")
    oddities.append(BARE_LF)
    tail = octets[end:]
    body = tail[2:] if tail.startswith(b"\n\n") else tail[3:]
    return head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + body


def _spell_out(lines: list[bytes], names: list[bytes | None], oddities: list[str]) -> list[bytes]:
    """Name the lines that the table of spellings does not know; join folded lines (in place) to their header."""
    known: list[bytes] = [START]
    joined: list[bytes] = [lines[0]]
    for line, name in zip(lines[1:], names[1:], strict=True):
        if name is not None:
            known.append(name)
            joined.append(line)
        elif line[:1] in (b" ", b"\t"):
            if len(joined) == 1:
                raise ParseError("the first header line begins with white space")
            joined[-1] += b"\r\n" + line
        else:
            spelled, colon, _ = line.partition(b":")
            lowered = spelled.strip(b" \t").lower()
            if not colon or not lowered:
                oddities.append(LINE_WITHOUT_COLON)
            known.append(_canon(lowered, lowered) or b"?")
            joined.append(line)
    lines[:] = joined
    return known


def _start(lines: list[bytes], names: list[bytes], body: bytes, oddities: list[str]) -> Request | Response:
    """Read a start line other than an ordinary request line (RFC 3261 sections 7.1 and 7.2)."""
    start = lines[0]
    if start.startswith(b"SIP/2.0 "):
        code, _, reason = start[8:].partition(b" ")
        if len(code) == 3 and code.isdigit() and 100 <= int(code) <= 699:
            if len(start) <= 128:
                if len(_statuses) >= _MEMO_ENTRIES:
                    _statuses.clear()
                _statuses[start] = (int(code), reason)
            return Response(lines, names, body, None, int(code), reason)
        raise ParseError("the status code is not a number from 100 to 699")
    return _loose_request(lines, names, body, oddities)


def _loose_request(lines: list[bytes], names: list[bytes], body: bytes, oddities: list[str]) -> Request:
    """A request line that breaks the grammar: other version, or white space where one SP belongs."""
    words = lines[0].split()
    if len(words) < 3 or not words[-1].upper().startswith(b"SIP/"):
        raise ParseError("the first line is neither a request line nor a status line", label="not_sip")
    version = words[-1].upper()
    uri = b" ".join(words[1:-1])
    if len(words) == 3:
        # What is read in one way only is passed on as it should have been written (RFC 4475 section 3.1.2.9).
        lines[0] = b"%b %b %b" % (words[0], uri, version)
    request = Request(lines, names, body, None, words[0], uri)
    if version != b"SIP/2.0":
        oddities.append(OTHER_VERSION)
    oddities.append(LOOSE_START_LINE)
    return request


def _cut_body(message: Message, oddities: list[str]) -> None:
    """Compare the body with Content-Length; octets beyond it do not belong to the message (RFC 3261 section 18.3)."""
    index = message.names.index(CONTENT_LENGTH)
    text = line_value(message.lines[index])
    if not text.isdigit() or len(text) > 10 or (message.names.count(CONTENT_LENGTH) > 1 and _contradicts(message)):
        oddities.append(BAD_CONTENT_LENGTH)
        return
    line = message.lines[index]
    if len(line) <= 32:
        if len(_lengths) >= _MEMO_ENTRIES:
            _lengths.clear()
        _lengths[line] = int(text)
    surplus = len(message.body) - int(text)
    if surplus > 0:
        message.body = message.body[: int(text)]
        oddities.append(EXTRA_OCTETS)
    elif surplus < 0:
        oddities.append(MISSING_OCTETS)


def _contradicts(message: Message) -> bool:
    return len({value.lstrip(b"0") for value in message.values(CONTENT_LENGTH)}) > 1
