"""Call ladders as text: who sent what to whom, and what became of a header on the way. No sockets, no SIP logic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from proxy.demo.wire import Message, Way
from proxy.sip.errors import SipError
from proxy.sip.message import Request, line_value
from proxy.sip.registry import (
    AUTHORIZATION,
    CONTACT,
    CONTENT_LENGTH,
    MAX_FORWARDS,
    PATH,
    RECORD_ROUTE,
    ROUTE,
    START,
    SUPPORTED,
    VIA,
)

# What every proxy changes (RFC 3261 section 16.6), and what it adds to be found again: shown nowhere.
_HOP_BY_HOP = frozenset((VIA, RECORD_ROUTE, ROUTE, PATH, MAX_FORWARDS, SUPPORTED, CONTENT_LENGTH))
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
    """A line that left the proxy otherwise than it came, with the rule that did it."""

    header: str
    before: bytes | None
    after: bytes | None
    rule: str = ""
    reason: str = ""
    rfc: str = ""


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
            _ = seen.identity
        except SipError:
            return  # nothing that the two sent each other
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


def change_lines(change: Change) -> Iterator[Text]:
    """A change as the lines before and after it, and the sentence that gives the reason."""
    indent = " " * (_MARGIN + 4)
    before = change.before.decode(errors="replace") if change.before is not None else f"(no {change.header})"
    yield Text(f"{indent}- {before}", style="red")
    after = change.after.decode(errors="replace") if change.after is not None else f"(no {change.header})"
    yield Text(f"{indent}+ {after}", style="green")
    if change.reason:
        yield Text(f"{indent}  {change.rule}: {change.reason} ({change.rfc})", style="italic")


def draw_direct(seen: Sequence[Seen], ladder: Ladder) -> Iterator[Text]:
    """The ladder of a client and the server without anything between them."""
    yield ladder.heading()
    for entry in seen:
        if entry.direction == "sent" and not entry.repeated:
            lost = counterpart(entry, seen) is None
            yield ladder.row(label(entry.message), entry.end == "client", 0, lost)


def draw_through(seen: Sequence[Seen], ladder: Ladder, explained: Sequence[Change]) -> Iterator[Text]:
    """The ladder with the proxy between them; each kind of change is shown once, where it first happens.

    `explained` are changes that the rules gave reasons for; one of them with the same lines or, for what is not known
    beforehand, the same header lends its reason.
    """
    yield ladder.heading()
    shown: set[tuple[bytes, str, str]] = set()
    for entry in seen:
        if entry.repeated:
            continue
        outgoing = entry.direction == "sent"
        rightward = (entry.end == "client") == outgoing
        yield ladder.row(label(entry.message), rightward, 0 if entry.end == "client" else 1)
        origin = None if outgoing else counterpart(entry, seen)
        if origin is None:
            continue
        for change in changes(origin.message, entry.message):
            kind = entry.message.cseq[1], change.header, entry.end
            if kind not in shown:
                shown.add(kind)
                yield from change_lines(with_reason(change, entry, explained))


def with_reason(change: Change, entry: Seen, explained: Sequence[Change]) -> Change:
    """The change with rule, reason and RFC section."""
    if entry.end == "client":
        return _restored(change)
    fitting = [known for known in explained if known.header.lower() == change.header.lower()]
    fitting.sort(key=lambda known: (known.before == change.before) + (known.after == change.after), reverse=True)
    if not fitting:
        return change
    known = fitting[0]
    return Change(change.header, change.before, change.after, known.rule, known.reason, known.rfc)


def _restored(change: Change) -> Change:
    """What is put back on the way to the client; no rule does that, it belongs to every repair."""
    if change.header == "Request-URI":
        reason, rfc = "the client gets the Contact that it registered, as it wrote it", "RFC 3261 section 16.6 step 2"
    elif change.header.lower() in (CONTACT.decode(), "m"):
        reason, rfc = "the client finds its own Contact in the answer, as it wrote it", "RFC 3261 section 10.2.4"
    else:
        reason, rfc = "the client gets its own line back, as it wrote it", "RFC 3261 section 16.7"
    return Change(change.header, change.before, change.after, "restored", reason, rfc)
