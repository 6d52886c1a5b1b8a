"""Call ladders as text: who sent what to whom, and what became of a header on the way. No sockets, no SIP logic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from proxy.demo.wire import Message, Way
from proxy.effects import Record
from proxy.sip.errors import SipError
from proxy.sip.message import Request, line_value
from proxy.sip.registry import (
    AUTHORIZATION,
    CONTENT_LENGTH,
    MAX_FORWARDS,
    OPTIONS,
    PATH,
    RECORD_ROUTE,
    ROUTE,
    START,
    SUPPORTED,
    VIA,
)

# What every proxy changes (RFC 3261 section 16.6), and what it adds to be found again: shown nowhere.
_HOP_BY_HOP = frozenset((VIA, RECORD_ROUTE, ROUTE, PATH, MAX_FORWARDS, SUPPORTED, CONTENT_LENGTH))
_VIA_REASON = "the answer goes to where the request came from, not to the port in the Via (RFC 3261 section 18.2.1)"
_MARGIN = 4


@dataclass(frozen=True)
class Seen:
    """A message at one of the two ends: `end` is `client` or `server`, `direction` `sent` or `received` there."""

    end: str
    direction: str
    message: Message
    repeated: bool

    @property
    def identity(self) -> tuple[bytes, tuple[int, bytes], bytes]:
        """Equal for a message before and after a proxy."""
        message = self.message
        kind = message.method if isinstance(message, Request) else b"%d" % message.status
        return message.call_id, message.cseq, kind


@dataclass(frozen=True)
class Change:
    """A line that left the proxy otherwise than it came."""

    header: str
    before: bytes | None
    after: bytes | None


class Recorder:
    """Keeps what both ends see, in the order in which it happened."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def client(self, direction: str, message: Message, way: Way, repeated: bool) -> None:
        self._keep(Seen("client", direction, message, repeated))

    def server(self, direction: str, message: Message, way: Way, repeated: bool) -> None:
        self._keep(Seen("server", direction, message, repeated))

    def _keep(self, seen: Seen) -> None:
        try:
            method = seen.identity[1][1]
        except SipError:
            return  # nothing that the two sent each other
        if method != OPTIONS:  # with which sipmend asks whether the server is there
            self.seen.append(seen)


def counterpart(seen: Seen, all_seen: Sequence[Seen]) -> Seen | None:
    """The same message at the other end, None if it never was there."""
    for other in all_seen:
        if other.end != seen.end and other.direction != seen.direction and other.identity == seen.identity:
            return other
    return None


def changes(before: Message, after: Message) -> list[Change]:
    """What differs between a message on its two sides of the proxy, but for what every proxy changes."""
    found = []
    if before.lines[0] != after.lines[0]:
        found.append(Change("Request-URI", before.lines[0], after.lines[0]))
    for name in dict.fromkeys([*before.names, *after.names]):
        if name == START or name in _HOP_BY_HOP:
            continue
        old = [before.lines[index] for index in before.indexes(name)]
        new = [after.lines[index] for index in after.indexes(name)]
        if [line_value(line) for line in old] == [line_value(line) for line in new]:
            continue
        for index in range(max(len(old), len(new))):
            one = old[index] if index < len(old) else None
            other = new[index] if index < len(new) else None
            if one != other:
                spelled = (one or other or b"").partition(b":")[0].strip().decode(errors="replace")
                found.append(Change(spelled, one, other))
    return found


def stamped_via(before: Message, after: Message) -> Change | None:
    """What became of the Via of a client that did not ask for rport, and so named where it cannot be answered."""
    if not isinstance(before, Request) or before.via.rport is not None:
        return None
    own = before.lines[before.index(VIA)]
    line = after.lines[after.indexes(VIA)[-1]]
    # An ACK or CANCEL of the proxy's own does not carry the client's Via at all.
    return Change("Via", own, line) if line != own and line.startswith(own) else None


def label(message: Message) -> str:
    """A message in a few words: `INVITE sip:echo@demo.test`, `200 OK (INVITE)`."""
    if isinstance(message, Request):
        signed = " (with credentials)" if AUTHORIZATION in message.names else ""
        text = message.method + b" " + message.uri
    else:
        signed = ""
        text = b"%d %b (%b)" % (message.status, message.reason, message.cseq[1])
    return text.decode(errors="replace") + signed


def arrow(text: str, width: int, rightward: bool, lost: bool = False) -> str:
    """An arrow of `width` characters with a label in it; one that arrives nowhere ends in an x."""
    room = width - 8
    text = text if len(text) <= room else text[: room - 3] + "..."
    tip = "x" if lost else ">" if rightward else "<"
    return f"--- {text} ".ljust(width - 1, "-") + tip if rightward else f"{tip}--- {text} ".ljust(width, "-")


class Ladder:
    """Draws what was recorded, between two or three columns. `width` is that of one gap between columns."""

    def __init__(self, columns: Sequence[str], width: int) -> None:
        self._columns = columns
        self._width = width

    def heading(self) -> Text:
        names = "".join(name.ljust(self._width + 1) for name in self._columns[:-1]) + self._columns[-1]
        return Text(" " * _MARGIN + names, style="bold")

    def row(self, text: str, rightward: bool, gap: int, lost: bool = False) -> Text:
        """One arrow in one of the gaps."""
        line = Text(" " * _MARGIN + "|")
        for index in range(len(self._columns) - 1):
            if index == gap:
                style = "red" if lost else "cyan" if rightward else "green"
                line.append(arrow(text, self._width, rightward, lost), style=style)
            else:
                line.append(" " * self._width)
            line.append("|")
        return line


def change_lines(change: Change, record: Record | None) -> Iterator[Text]:
    """A change as the lines before and after it, and the sentence that gives the reason."""
    indent = " " * (_MARGIN + 4)
    for sign, line, style in (("-", change.before, "red"), ("+", change.after, "green")):
        text = line.decode(errors="replace") if line is not None else f"(no {change.header})"
        yield Text(f"{indent}{sign} {text}", style=style)
    if record is not None:
        yield Text(f"{indent}  {record.rule}: {record.reason} ({record.rfc})", style="italic")
    elif change.header == "Via":
        yield Text(f"{indent}  {_VIA_REASON}", style="italic")


def draw_direct(seen: Sequence[Seen], ladder: Ladder) -> Iterator[Text]:
    """The ladder of a client and the server without anything between them."""
    yield ladder.heading()
    for entry in seen:
        if entry.direction == "sent" and not entry.repeated:
            lost = counterpart(entry, seen) is None
            yield ladder.row(label(entry.message), entry.end == "client", 0, lost)


def draw_through(seen: Sequence[Seen], ladder: Ladder, records: Sequence[Record]) -> Iterator[Text]:
    """The ladder with the proxy between them; each kind of change is shown once, where it first happens.

    `records` are what the proxy said about its repairs.
    """
    yield ladder.heading()
    shown: set[tuple[object, ...]] = set()
    kind: tuple[object, ...]
    for entry in seen:
        if entry.repeated:
            continue
        received = entry.direction == "received"
        rightward = (entry.end == "client") != received
        yield ladder.row(label(entry.message), rightward, 0 if entry.end == "client" else 1)
        origin = counterpart(entry, seen) if received else None
        for change in _all_changes(origin, entry):
            kind = entry.message.cseq[1], entry.end, isinstance(entry.message, Request), change.header
            kind = kind if change.header != "Via" else ("Via",)
            if kind not in shown:
                shown.add(kind)
                yield from change_lines(change, reason_of(change, entry, records))


def _all_changes(origin: Seen | None, entry: Seen) -> list[Change]:
    if origin is None:
        return []
    found = changes(origin.message, entry.message)
    via = stamped_via(origin.message, entry.message) if entry.end == "server" else None
    return [*found, via] if via is not None else found


def reason_of(change: Change, entry: Seen, records: Sequence[Record]) -> Record | None:
    """The record of the rule that made the change."""
    direction = "to-server" if entry.end == "server" else "to-client"
    message = entry.message
    fitting = [
        record
        for record in records
        if record.call_id == message.call_id
        and record.direction == direction
        and record.method == message.cseq[1]
        and record.header.lower() == change.header.lower()
    ]
    exact = [record for record in fitting if record.before == change.before and record.after == change.after]
    return next(iter(exact or fitting), None)
