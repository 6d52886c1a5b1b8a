"""Carries out the edits that rules ask for, once the guard has passed them, and says what each of them changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from proxy.repair.rule import BODY, STATUS_LINE, Edit, Insert, Remove, Replace, ReplaceBody
from proxy.sip.message import Message, Request, Response
from proxy.sip.registry import CONTENT_LENGTH, STATUS_LABELS

# Name, line before (None: inserted), line after (None: removed).
Change = tuple[bytes, bytes | None, bytes | None]

# So many lines of a body are recorded one by one, and so many octets of each.
_MOST_LINES: Final = 20
_LONGEST_LINE: Final = 200
# SDP attributes that hold keys (RFC 4568, RFC 8839, RFC 8866 section 5.12): their values go into no record.
_SECRETS: Final = (b"a=crypto:", b"a=ice-pwd:", b"k=")


def changes(edits: Sequence[Edit], message: Message) -> list[Change]:
    """What the edits will change in the message: header lines, and lines of the body."""
    found: list[Change] = []
    for edit in edits:
        if isinstance(edit, ReplaceBody):
            found += body_changes(message.body, edit.octets)
        elif isinstance(edit, Insert):
            found.append((edit.name, None, edit.text))
        elif isinstance(edit, Remove):
            found.append((message.names[edit.line], message.lines[edit.line], None))
        else:
            name = message.names[edit.line]
            if edit.line == 0 and isinstance(message, Response):
                name = STATUS_LINE
            found.append((name, message.lines[edit.line], edit.text))
    return found


def body_changes(before: bytes, after: bytes) -> list[Change]:
    """The lines of the body that differ, in pairs; what one of the two has more is inserted or removed."""
    old, new = before.split(b"\n"), after.split(b"\n")
    shorter = min(len(old), len(new))
    head = 0
    while head < shorter and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shorter - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    old, new = old[head : len(old) - tail], new[head : len(new) - tail]
    found: list[Change] = []
    for number in range(min(max(len(old), len(new)), 10 * _MOST_LINES)):
        was = shown_line(old[number]) if number < len(old) else None
        became = shown_line(new[number]) if number < len(new) else None
        if number >= len(old) or number >= len(new) or old[number] != new[number]:
            found.append((BODY, was, became))
    return found[:_MOST_LINES]


def shown_line(line: bytes) -> bytes:
    """A line of a body as a record may show it."""
    line = line.rstrip(b"\r")
    for secret in _SECRETS:
        if line.startswith(secret):
            return secret + b"..."
    return line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + b"..."


def apply_edits(edits: Sequence[Edit], message: Message) -> None:
    """Carry out edits whose line numbers are all those of the message as it is now."""
    if len(edits) == 1:
        _apply(edits[0], message)
        return
    # From the last line to the first, so that the numbers of the others stay true; at one line the replacement
    # comes before the insertions, and these in reverse, so that they end up in the order given.
    order = sorted(range(len(edits)), key=lambda i: (_line(edits[i]), not isinstance(edits[i], Insert), i))
    for i in reversed(order):
        _apply(edits[i], message)


def _line(edit: Edit) -> int:
    return -1 if isinstance(edit, ReplaceBody) else edit.line


def _apply(edit: Edit, message: Message) -> None:
    if isinstance(edit, Replace):
        if edit.line > 0:
            message.replace(edit.line, edit.text)
        elif isinstance(message, Request):
            message.set_uri(edit.text.split(b" ")[1])
        elif isinstance(message, Response):
            _set_status(edit.text, message)
    elif isinstance(edit, Insert):
        message.insert(edit.line, edit.name, edit.text)
    elif isinstance(edit, Remove):
        message.remove(edit.line)
    else:
        _replace_body(edit.octets, message)


def _replace_body(octets: bytes, message: Message) -> None:
    """Put another body in; every Content-Length tells its length, in the spelling it has."""
    message.body = octets
    for index in message.indexes(CONTENT_LENGTH):
        line = message.lines[index]
        message.replace(index, line[: line.index(b":") + 1] + b" %d" % len(octets))


def _set_status(line: bytes, response: Response) -> None:
    """Put another status line in, one that the guard has passed."""
    status, _, phrase = line.partition(b" ")[2].partition(b" ")
    response.lines[0] = line
    response.status = int(status)
    response.reason = phrase
    response.kind = STATUS_LABELS[response.status // 100]
