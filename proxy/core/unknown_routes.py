"""Routes of a client's first request that name nobody it may be sent to (protocol 7.4; RFC 3261 section 16.4)."""

from __future__ import annotations

from typing import Final

from proxy.core.node import Node
from proxy.core.targets import plain_host, port_of
from proxy.effects import Effect
from proxy.flow import Flow
from proxy.repair.inherent import ROUTE_UNKNOWN
from proxy.repair.rule import OFF, REPORT
from proxy.sip.address import NameAddr
from proxy.sip.errors import HeaderError, SipError
from proxy.sip.message import Request, addresses_of, line_value
from proxy.sip.registry import ROUTE
from proxy.sip.route import remove_leading

# More Routes than any way has proxies.
MOST_ROUTES: Final = 100
_REASON: Final = "the topmost Route names nobody that requests of clients may go to"


def drop_unknown_routes(request: Request, flow: Flow, node: Node, out: list[Effect]) -> None:
    """Take the topmost Routes off that name nobody we may send to.

    Raises SipError for a datagram full of Routes: it must not cost more than one full of anything else.
    """
    left = MOST_ROUTES - request.names.count(ROUTE)
    if left < 0:
        raise SipError(f"more than {MOST_ROUTES} Routes", 400, "too_many_routes")
    mode = node.own.mode(ROUTE_UNKNOWN, flow)
    while (index := request.places().route) > 0 and mode != OFF:
        before = request.lines[index]
        left -= before.count(b",")
        if left < 0:
            raise SipError(f"more than {MOST_ROUTES} Routes", 400, "too_many_routes")
        try:
            routes = addresses_of(before)
        except HeaderError:
            return  # the server may decide about what cannot be read
        unknown = next((n for n, route in enumerate(routes) if _may_lead(route, node)), len(routes))
        if not unknown:
            return
        if mode == REPORT:
            node.own.record(ROUTE_UNKNOWN, request, flow, "to-server", before, None, _REASON, out, True)
            return
        after = None
        if unknown == len(routes):
            request.remove(index)
        else:
            after = b"Route: " + remove_leading(line_value(before), unknown)
            request.replace(index, after)
        node.own.record(ROUTE_UNKNOWN, request, flow, "to-server", before, after, _REASON, out)
        if after is not None:
            return


def _may_lead(route: NameAddr, node: Node) -> bool:
    """Whether a Route names the server, by its domain or an address of it."""
    try:
        uri = route.uri
    except HeaderError:
        return False
    host = uri.host.lower()
    if host == node.settings.domain or host in node.settings.aliases:
        return True
    return node.targets.may_follow(plain_host(uri), port_of(uri))
