"""Route sets that somebody lost (RFC 3261 sections 12.1, 12.2 and 13.2.2.4): ours are put back, and it is recorded."""

from __future__ import annotations

from proxy.core.node import Node
from proxy.core.own_repairs import OwnRepairs
from proxy.core.response_context import ResponseContext
from proxy.core.routing import top_route
from proxy.effects import Effect
from proxy.flow import Flow
from proxy.repair.inherent import ACK_NO_ROUTE, ROUTE_IGNORED, RR_LOST, RR_NO_LR
from proxy.repair.rule import OFF, REPORT
from proxy.sip.address import parse_name_addr
from proxy.sip.errors import HeaderError
from proxy.sip.message import Request, Response, line_value
from proxy.sip.params import split_list
from proxy.sip.registry import RECORD_ROUTE, ROUTE
from proxy.transaction.invite_server import InviteServer
from proxy.transaction.key import ServerKey


def restore_routes(request: Request, key: ServerKey, flow: Flow, node: Node, out: list[Effect]) -> None:
    """Give an ACK without Route the route set of the 2xx, as its sender should have (12.2.1.1)."""
    mode = node.own.mode(ACK_NO_ROUTE, flow)
    accepted = node.layer.find_accepted(request, key, flow) if mode != OFF else None
    known = None if accepted is None else accepted.accepted
    if known is None or not known[1] or _tag_in(known[0]) != request.to.tag:
        return
    elements = [element for line in known[1] for element in split_list(line_value(line))]
    routes = b"Route: " + b", ".join(reversed(elements))
    reason = "the ACK came without the route set of the 2xx that it confirms"
    if mode != REPORT:
        request.insert(request.index(b"via") + 1, ROUTE, routes)
    node.own.record(ACK_NO_ROUTE, request, flow, "to-server", None, routes, reason, out, mode == REPORT)


def _tag_in(line: bytes) -> bytes | None:
    try:
        return parse_name_addr(line_value(line)).tag
    except HeaderError:
        return None


def note_ignored(request: Request, flow: Flow, own: OwnRepairs, direction: str, out: list[Effect]) -> None:
    """A request within a dialog came without our Record-Route in it; Contact or target led on all the same."""
    reason = "the request ignores the route set of its dialog, which begins with this proxy"
    own.record(ROUTE_IGNORED, request, flow, direction, None, None, reason, out)


def note_strict(request: Request, flow: Flow, own: OwnRepairs, out: list[Effect]) -> None:
    """The Route behind ours has no lr: it is taken for a loose one all the same."""
    try:
        top = top_route(request)
        strict = top is not None and top.uri.param(b"lr") is None
    except HeaderError:
        return
    if strict:
        line = request.lines[request.places().route]
        reason = "the next Route has no lr; the request goes there with its Request-URI as it is"
        own.record(RR_NO_LR, request, flow, "to-server", line, line, reason, out)


def keep_route_set(
    response: Response, context: ResponseContext, flow: Flow, direction: str, own: OwnRepairs, out: list[Effect]
) -> None:
    """See that a 2xx brings our Record-Routes, and remember the route set for an ACK that comes without."""
    _restore_record_routes(response, context, flow, direction, own, out)
    if isinstance(context.server, InviteServer):
        context.server.accepted = (response.lines[response.places().to], response.lines_of(RECORD_ROUTE))


def _restore_record_routes(
    response: Response, context: ResponseContext, flow: Flow, direction: str, own: OwnRepairs, out: list[Effect]
) -> None:
    """Put our Record-Routes back into a 2xx that lost them, lest the next request pass us by (16.6 step 4)."""
    ours = context.routes
    if ours[0] in response.lines:
        return
    mark = ours[0].partition(b":")[2].partition(b":")[2].partition(b"@")[0]
    for line, name in zip(response.lines, response.names, strict=True):
        if name == RECORD_ROUTE and mark in line:
            return
    mode = own.mode(RR_LOST, context.flow if context.from_client else flow)
    if mode == OFF:
        return
    reason = "the 2xx came without our Record-Route, though its request had it: the dialog would pass us by"
    if mode != REPORT:
        index = _place(response, context.request)
        for line in reversed(ours):
            response.insert(index, RECORD_ROUTE, line)
    own.record(RR_LOST, response, flow, direction, None, b"\r\n".join(ours), reason, out, mode == REPORT)


def _place(response: Response, request: Request | None) -> int:
    """Where ours belong: below those of the hops behind us, above those that the request brought."""
    found = response.indexes(RECORD_ROUTE)
    brought = () if request is None else request.lines_of(RECORD_ROUTE)
    for index in found:
        if line_value(response.lines[index]) in [line_value(line) for line in brought]:
            return index
    if found:
        return found[-1] + 1
    return response.places().via + 1 if response.places().via > 0 else 1
