"""A client's own From and To lines: answers bring them back as it wrote them (protocol 5.6)."""

from __future__ import annotations

from typing import Final

from proxy.counts import Counts
from proxy.effects import Effect, Record
from proxy.flow import Flow
from proxy.repair.rule import REPAIR
from proxy.sip.address import parse_name_addr
from proxy.sip.errors import HeaderError
from proxy.sip.message import Request, Response, line_value
from proxy.sip.registry import FROM, TO

_RULE: Final = "server-domain"
_RFC: Final = "RFC 3261 section 8.2.6.2"
_REASON: Final = "the client gets back what it wrote"


def changed_lines(received: Request, sent: Request) -> dict[bytes, bytes] | None:
    """The From and To lines as received, by name, if they did not leave like that; None if they did."""
    changed: dict[bytes, bytes] | None = None
    for name in (FROM, TO):
        index = received.index(name)
        if index < 0:
            continue
        line = received.lines[index]
        other = sent.index(name)
        if other >= 0 and sent.lines[other] != line:
            if changed is None:
                changed = {}
            changed[name] = line
    return changed


def restore_lines(response: Response, own: dict[bytes, bytes], flow: Flow, counts: Counts, out: list[Effect]) -> None:
    """Put the client's own lines into an answer; To keeps the tag of the answer where the client wrote none."""
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
        counts.repairs[(_RULE, label, REPAIR)] += 1
        method, call_id = response.cseq[1], response.call_id
        out.append(Record(_RULE, REPAIR, label, before, after, _REASON, _RFC, method, call_id, flow, "to-client"))


def _tagged(own: bytes, answered: bytes) -> bytes:
    """The client's To line with the tag of the answer, if it has none of its own."""
    try:
        if parse_name_addr(line_value(own)).tag is not None:
            return own
        tag = parse_name_addr(line_value(answered)).tag
    except HeaderError:
        return answered
    return own if tag is None else own.rstrip(b" \t") + b";tag=" + tag
