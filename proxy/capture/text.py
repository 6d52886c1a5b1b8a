"""SIP messages in text: logs of Asterisk (both channel drivers), dumps of Kamailio, sngrep and ngrep.

Each message stands behind a line that says where it came from or went to. A log shows lines, not octets: line ends are
made CRLF again, and the body is as long as Content-Length says where that fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from proxy.capture.captured import LONG_LINES, Captured, Endpoint, Tally
from proxy.capture.sniff import looks_like_sip, via_transport
from proxy.flow import TRANSPORTS

# One line, and one message, in octets.
_MAX_LINE: Final = 65_536
_MAX_MESSAGE: Final = 131_072

# Lines that announce a message, by who writes them. Each is looked for in lines that begin or end in these octets.
_PJSIP: Final = re.compile(
    rb"<--- (Received|Transmitting) SIP (?:request|response) \((\d{1,6}) bytes\) (?:from|to) "
    rb"([A-Za-z]{2,4}):(\S{1,64}):(\d{1,5}) --->"
)
_CHAN_SIP_READ: Final = re.compile(rb"<--- SIP read from ([A-Za-z]{2,4}):(\S{1,64}):(\d{1,5}) --->")
_CHAN_SIP_SENT: Final = re.compile(rb"[Tt]ransmitting (?:#\d{1,3} )?\((?:no )?NAT\) to (\S{1,64}):(\d{1,5}):")
_RULER: Final = b"=" * 20
_TILDES: Final = b"~" * 20
_BARS: Final = b"|" * 20
_ARROW: Final = re.compile(rb"(\S{1,64}):(\d{1,5}) -> (\S{1,64}):(\d{1,5})(?: \[[A-Z]{1,8}\])?(?: #\d{1,10})?\s*$")
_DATED: Final = re.compile(rb"^(?:[UT]\+? )?(?:\d{4}[/-]\d\d[/-]\d\d \d\d:\d\d:\d\d|[+]?\d+\.\d{6} |\d|\[)")

_ASTERISK_ENDS: Final = (b"<------------->", b"---")
_LENGTH: Final = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*(\d{1,7})[ \t]*$", re.IGNORECASE | re.MULTILINE)


class _Announced:
    """A message whose announcing line was read. `length` is its size in octets as announced, 0 if that is not told."""

    __slots__ = ("byline", "destination", "length", "lines", "number", "size", "source", "transport")

    def __init__(
        self, source: Endpoint | None, destination: Endpoint | None, transport: int | None, length: int = 0
    ) -> None:
        self.source = source
        self.destination = destination
        self.transport = transport
        self.length = length
        self.lines: list[bytes] = []
        self.size = 0
        self.number = 0
        self.byline = False


def read_text(file: BinaryIO, tally: Tally) -> Iterator[Captured | None]:
    """The messages of a text file, and None for lines that complete none; `Tally.packets` counts lines."""
    current: _Announced | None = None
    dump: dict[bytes, bytes] | None = None
    for line in _lines(file, tally):
        found = _announcement(line)
        if line == _RULER:
            dump, found = {}, _Announced(None, None, None)
        if found is not None:
            yield _complete(current)
            current = found
            found.number = tally.packets
            continue
        if dump is not None and current is not None:
            if line == _TILDES:
                _fill(current, dump)
                dump = None
            elif len(dump) < 32:
                name, _, value = line.partition(b": ")
                dump[name] = value
            continue
        if current is not None:
            if line == _BARS or line in _ASTERISK_ENDS or _is_full(current):
                yield _complete(current)
                current = None
            else:
                _add(current, line, tally)
        yield None
    yield _complete(current)


def _lines(file: BinaryIO, tally: Tally) -> Iterator[bytes]:
    """The lines, without their ends; what is longer than any header line comes in pieces."""
    while line := file.readline(_MAX_LINE):
        tally.packets += 1
        tally.offset += len(line)
        yield line.rstrip(b"\r\n")


def _announcement(line: bytes) -> _Announced | None:
    """What a line announces, None if it is any other line."""
    if line.endswith(b" --->"):
        found = _PJSIP.search(line)
        if found:
            far = _endpoint(found[4], found[5])
            received = found[1] == b"Received"
            length = int(found[2])
            transport = _transport(found[3])
            return _Announced(far if received else None, None if received else far, transport, length)
        found = _CHAN_SIP_READ.search(line)
        if found:
            return _Announced(_endpoint(found[2], found[3]), None, _transport(found[1]))
    elif b"ransmitting " in line:
        found = _CHAN_SIP_SENT.search(line)
        if found:
            return _Announced(None, _endpoint(found[1], found[2]), None)
    elif b" -> " in line and _DATED.match(line):
        found = _ARROW.search(line)
        if found:
            announced = _Announced(_endpoint(found[1], found[2]), _endpoint(found[3], found[4]), None)
            announced.byline = line[:2] in (b"U ", b"T ", b"U+", b"T+")
            return announced
    return None


def _transport(word: bytes) -> int | None:
    name = word.decode("ascii", "replace").lower()
    return TRANSPORTS.index(name) if name in TRANSPORTS else None


def _endpoint(host: bytes, port: bytes) -> Endpoint | None:
    number = int(port)
    return (host.strip(b"[]").decode("ascii", "replace"), number) if number < 65536 else None


def _fill(current: _Announced, dump: dict[bytes, bytes]) -> None:
    """Take over what the head of an entry of Kamailio's sipdump says."""
    for name in (b"src", b"dst"):
        port = dump.get(name + b"port", b"")
        if port.isdigit() and len(port) <= 5:
            endpoint = _endpoint(dump.get(name + b"ip", b""), port)
            if name == b"src":
                current.source = endpoint
            else:
                current.destination = endpoint
    current.transport = _transport(dump.get(b"proto", b"").partition(b" ")[0])


def _add(current: _Announced, line: bytes, tally: Tally) -> None:
    if current.size > _MAX_MESSAGE:
        return
    current.lines.append(line)
    current.size += len(line) + 2
    if current.size > _MAX_MESSAGE:
        tally.lost[LONG_LINES] += 1
        current.lines.clear()


def _is_full(current: _Announced) -> bool:
    """Whether as many octets are there as were announced."""
    return 0 < current.length <= current.size


def _complete(current: _Announced | None) -> Captured | None:
    """The message of the lines that stood there, None if they are none."""
    if current is None:
        return None
    lines = current.lines
    while lines and not lines[0].strip():
        lines.pop(0)
    if not lines or not looks_like_sip(lines[0].removesuffix(b".") + b"\r\n"):
        return None
    if current.byline:  # ngrep writes a point for a CR
        lines = [line.removesuffix(b".") for line in lines]
    octets = _octets(lines, current.length)
    transport = current.transport
    if transport is None:
        transport = via_transport(octets)
    return Captured(octets, current.source, current.destination, transport, current.number, None)


def _octets(lines: list[bytes], announced: int) -> bytes:
    """The message as it was on the wire, as far as lines tell."""
    blank = next((n for n, line in enumerate(lines) if not line), len(lines))
    head = b"\r\n".join(lines[:blank]) + b"\r\n\r\n"
    body = b"".join(line + b"\r\n" for line in lines[blank + 1 :])
    found = _LENGTH.search(head.replace(b"\r\n", b"\n"))
    length = int(found[1]) if found else 0
    if announced:
        length = max(length, announced - len(head))
    if found is None and not announced:
        return head + (body if body.strip() else b"")
    if length < len(body):  # the rest is the log's: empty lines, lines of others
        return head + body[:length]
    short = body.removesuffix(b"\r\n")
    return head + (short if length == len(short) else body)
