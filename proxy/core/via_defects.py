"""What is wrong with Vias, and what we make of it (RFC 3261 sections 16.7, 17.2.3 and 18.2; RFC 3581).

A request's own Via is looked at when its flow first brings it (`core.hops` knows it again); an answer's Vias are
compared with those of the request, octet for octet first.
"""

from __future__ import annotations

from proxy.core.hops import Hop, settle_hop
from proxy.core.node import Node
from proxy.core.own_repairs import OwnRepairs
from proxy.core.response_context import ResponseContext
from proxy.effects import Effect
from proxy.flow import CLIENT, VIA_TRANSPORTS, Flow
from proxy.repair.inherent import (
    VIA_DTAG,
    VIA_EXTRA,
    VIA_NO_COOKIE,
    VIA_NO_RPORT,
    VIA_PORT_ADDED,
    VIA_RECEIVED,
    VIA_TRANSPORT,
    Inherent,
)
from proxy.sip.errors import HeaderError
from proxy.sip.message import Request, Response, line_value
from proxy.sip.params import split_list
from proxy.sip.registry import VIA
from proxy.sip.via import parse_via
from proxy.transaction.key import COOKIE, ServerKey

Vias = tuple[bytes, ...]


def note_request(
    request: Request, flow: Flow, home: Flow, cookie: bool, own: OwnRepairs, before: bytes, out: list[Effect]
) -> None:
    """Record the defects of a top Via as the sender wrote it: `before` is its line, `request` has it stamped already.

    `home` is the flow of the answers; `cookie` whether its branch identifies the transaction.
    """
    via = request.via  # as received
    index = request.index(VIA)
    after = request.lines[index]
    direction = "to-server" if flow.listener.side == CLIENT else "to-client"
    spoken = VIA_TRANSPORTS[flow.listener.transport]
    if via.transport.upper() != spoken:
        reason = f"the request came by {spoken.decode()}, whatever its Via says: it is answered there"
        own.record(VIA_TRANSPORT, request, flow, direction, before, after, reason, out)
    received = via.received
    if received is not None and received != flow.source:
        reason = "received names an address that the request did not come from"
        own.record(VIA_RECEIVED, request, flow, direction, before, after, reason, out)
    if (
        flow.listener.side == CLIENT
        and not flow.listener.reliable
        and via.rport is None
        and home is flow
        and (via.port or 5060) != flow.remote_port
    ):
        reason = "the client is behind NAT and did not ask for rport: it is answered at its source port"
        own.record(VIA_NO_RPORT, request, flow, direction, before, after, reason, out)
    if not cookie:
        reason = "the branch does not begin with the cookie of RFC 3261, so it says nothing about the transaction"
        own.record(VIA_NO_COOKIE, request, flow, direction, before, after, reason, out)


def settle_via(
    request: Request, key: ServerKey, flow: Flow, hop: Hop | None, node: Node, out: list[Effect], mended: bool = False
) -> Flow:
    """Stamp the top Via and return the flow of the answers, as `core.hops` does; record what is wrong with a new one.

    `mended` tells that the Via is a rule's, and not the sender's.
    """
    before = request.lines[1]
    home = settle_hop(request, flow, hop, key[0], node.flows, node.counts)
    if hop is None and not mended:
        note_request(request, flow, home, key[1] != b"", node.own, before, out)
    return home


def preview_request(request: Request, flow: Flow, node: Node, out: list[Effect]) -> None:
    """Record what would be made of the top Via of a request, which stays as it is."""
    stamped = request.copy()
    before = request.lines[request.index(VIA)]
    home = settle_hop(stamped, flow, None, b"", node.flows, node.counts)
    note_request(stamped, flow, home, (request.via.branch or b"").startswith(COOKIE), node.own, before, out)


def note_own_via(response: Response, asked: Flow, own: OwnRepairs, direction: str, out: list[Effect]) -> None:
    """Record a `received` in our own Via that names the one who answers: it is of no account here."""
    line = response.lines[response.places().via]
    if asked.received and b"received=" + asked.received in line.lower():
        reason = "received in our Via is the sender's own address; the answer came by our socket all the same"
        own.record(VIA_RECEIVED, response, asked, direction, line, None, reason, out)


def mend_answer(
    response: Response, context: ResponseContext, flow: Flow, direction: str, own: OwnRepairs, out: list[Effect]
) -> None:
    """Put the Vias of the request back into its answer, if they say something else; ours is off the response already.

    A server that changed them once does so again: they are kept for further answers, which come without the request.
    """
    request = context.request
    if request is None:
        sent = context.vias
    else:
        asked, found = request.places(), response.places()
        if (
            asked.vias == found.vias
            and found.via > 0
            and request.lines[asked.via] == response.lines[found.via]
            and asked.vias == 1
        ):
            return
        sent = request.lines_of(VIA)
    if sent and _put_back(response, sent, flow, direction, own, out):
        context.vias = sent


def _put_back(response: Response, sent: Vias, flow: Flow, direction: str, own: OwnRepairs, out: list[Effect]) -> bool:
    """Put these Vias into a response that has others; false if it says the same."""
    found = response.lines_of(VIA)
    if found == sent:
        return False
    wrong = _difference(found, sent)
    if wrong is None:
        return False
    repair, reason = wrong
    index = response.index(VIA)
    if index < 0:
        index = 1
    for old in reversed(response.indexes(VIA)):
        response.remove(old)
    for line in reversed(sent):
        response.insert(index, VIA, line)
    own.record(repair, response, flow, direction, b"\r\n".join(found) or None, b"\r\n".join(sent), reason, out)
    return True


def _difference(found: Vias, sent: Vias) -> tuple[Inherent, str] | None:
    """What is wrong with the Vias of an answer; None if they are written otherwise and say the same."""
    theirs, ours = _values(found), _values(sent)
    if len(theirs) == len(ours) and all(_same(a, b) for a, b in zip(theirs, ours, strict=True)):
        return None
    if len(theirs) > len(ours):
        return VIA_EXTRA, "the answer has more Vias than its request had: its sender would not take it"
    if len(theirs) == len(ours):
        try:
            moved = [(parse_via(a), parse_via(b)) for a, b in zip(theirs, ours, strict=True)]
        except HeaderError:
            return VIA_DTAG, "the answer came with a Via that cannot be parsed: those of the request take its place"
        if any((a.host, a.port) != (b.host, b.port) for a, b in moved):
            return VIA_PORT_ADDED, "the answer names another host or port in the Via of its request"
    return VIA_DTAG, "the answer came without the Vias of its request: they take their places again"


def _values(lines: Vias) -> list[bytes]:
    return [value for line in lines for value in split_list(line_value(line))]


def _same(one: bytes, other: bytes) -> bool:
    """Whether two Vias say the same: parameters may come in any order, and what a server adds does no harm."""
    if one == other:
        return True
    try:
        a, b = parse_via(one), parse_via(other)
    except HeaderError:
        return False
    same = a.transport.upper() == b.transport.upper() and a.host.lower() == b.host.lower() and a.port == b.port
    return same and a.branch == b.branch and a.received == b.received and a.rport == b.rport
