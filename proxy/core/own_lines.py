"""The From and To lines of who asks: answers bring them back as they were written (RFC 3261 section 8.2.6.2; protocol
5.6), to a client and to the server alike.
"""

from __future__ import annotations

from typing import Final

from proxy.core.own_repairs import OwnRepairs
from proxy.effects import Effect
from proxy.flow import Flow
from proxy.repair.inherent import RESTORE_FROM_TO
from proxy.sip.address import parse_name_addr
from proxy.sip.errors import HeaderError
from proxy.sip.message import Request, Response, line_value
from proxy.sip.registry import FROM, TO

_REASONS: Final = {
    "to-client": "the client gets back what it wrote",
    "to-server": "the server gets back what it wrote",
}


def changed_lines(received: Request, sent: Request) -> dict[bytes, bytes] | None:
    """The From and To lines as received, by name, if they did not leave like that; None if they did."""
    changed: dict[bytes, bytes] | None = None
    was, now = received.places(), sent.places()
    for name, index, other in ((FROM, was.from_, now.from_), (TO, was.to, now.to)):
        if index < 0 or other < 0:
            continue
        line = received.lines[index]
        if sent.lines[other] != line:
            if changed is None:
                changed = {}
            changed[name] = line
    return changed


def restore_lines(
    response: Response,
    own: dict[bytes, bytes],
    flow: Flow,
    repairs: OwnRepairs,
    out: list[Effect],
    direction: str = "to-client",
) -> None:
    """Put the asker's own lines into an answer; To keeps the tag of the answer where the asker wrote none."""
    for name, line in own.items():
        index = response.index(name)
        if index < 0:
            continue
        before = response.lines[index]
        after = line if name == FROM else _tagged(line, before)
        if after == before:
            continue
        response.replace(index, after)
        label = "From" if name == FROM else "To"
        reason = _REASONS[direction]
        repairs.record(RESTORE_FROM_TO, response, flow, direction, before, after, reason, out, header=label)


def _tagged(own: bytes, answered: bytes) -> bytes:
    """The asker's To line with the tag of the answer, if it has none of its own."""
    try:
        if parse_name_addr(line_value(own)).tag is not None:
            return own
        tag = parse_name_addr(line_value(answered)).tag
    except HeaderError:
        return answered
    return own if tag is None else own.rstrip(b" \t") + b";tag=" + tag
