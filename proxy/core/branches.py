"""The branches by which a client's request leaves: our hop on top, and a stream for what is too large for a datagram
(RFC 3261 sections 16.6 steps 4 to 10 and 18.1.1).
"""

from __future__ import annotations

from typing import Final

from proxy.core.attempts import Attempts
from proxy.core.forwarding import add_hop, record_routes, remove_hop, wants_record_route
from proxy.core.node import Node
from proxy.core.response_context import ResponseContext
from proxy.core.routing import OwnRoutes
from proxy.core.targets import Target
from proxy.core.tokens import RouteMark, guest_subject
from proxy.effects import Effect, Send
from proxy.flow import Flow
from proxy.repair.inherent import SIZE_UDP
from proxy.sip.message import Request
from proxy.sip.registry import ACK
from proxy.transaction.layer import ClientTransaction

# > If a request is within 200 bytes of the path MTU, or if it is larger than 1300 bytes and the path MTU is unknown,
# > the request MUST be sent using an RFC 2914 congestion controlled transport protocol, such as TCP. (18.1.1)
LARGEST_DATAGRAM: Final = 1300


class Branches:
    """Sends requests of clients to the server. They are ready but for our hop: Via and Record-Route."""

    __slots__ = ("_node", "_routes")

    def __init__(self, node: Node, routes: OwnRoutes) -> None:
        self._node = node
        self._routes = routes

    def acknowledge(self, request: Request, leaving: Flow, mark: bytes, out: list[Effect]) -> None:
        """Send an ACK to a 2xx, which has no transaction."""
        add_hop(request, leaving.listener, self._node.mint.branch(mark), ())
        out.append(Send(leaving, request.octets(), ACK))

    def begin(
        self,
        context: ResponseContext,
        request: Request,
        target: Target,
        leaving: Flow,
        mark: bytes,
        out: list[Effect],
    ) -> None:
        """Open the first branch of a request; `mark` is what a loop is known by."""
        several = len(self._node.targets.all) > 1 and request.to.tag is None
        ready = request.copy() if several else None
        branch = self._node.mint.branch(mark)
        routes = self._add_hop(context, request, target, leaving, branch)
        octets = request.octets()
        stream = None
        if len(octets) > LARGEST_DATAGRAM and not leaving.listener.reliable and self._node.settings.large_by_stream:
            stream = self._node.targets.stream_beside(leaving, self._node.now, out)
        if stream is not None:
            remove_hop(request, routes)
            if ready is None:
                ready = request.copy()
            self._add_hop(context, request, target, stream, branch)
            octets = request.octets()
            own = self._node.own
            before = leaving.listener.via + branch
            reason = f"the request has more than {LARGEST_DATAGRAM} octets, too many for a datagram"
            own.record(SIZE_UDP, request, stream, "to-server", before, request.lines[1], reason, out)
        opened = self._open(context, request, branch, stream or leaving, octets, out)
        if ready is not None:
            attempts = Attempts(self, self._node, context, ready, mark, target, opened)
            if stream is not None:
                attempts.beside = leaving
            context.attempts = attempts
            attempts.watch()

    def open(
        self,
        context: ResponseContext,
        request: Request,
        target: Target,
        leaving: Flow,
        mark: bytes,
        out: list[Effect],
    ) -> ClientTransaction:
        """Open a further branch, by that flow whatever the size."""
        branch = self._node.mint.branch(mark)
        self._add_hop(context, request, target, leaving, branch)
        context.routes = ()  # which of the branches answers is not known before: no answer gets those of another
        return self._open(context, request, branch, leaving, request.octets(), out)

    def _open(
        self,
        context: ResponseContext,
        request: Request,
        branch: bytes,
        leaving: Flow,
        octets: bytes,
        out: list[Effect],
    ) -> ClientTransaction:
        opened = self._node.layer.open_client(request, branch, leaving, context, out, octets)
        context.branches.append(opened)
        return opened

    def _add_hop(self, context: ResponseContext, request: Request, target: Target, leaving: Flow, branch: bytes) -> int:
        """Put our Via on, and our Record-Routes where they belong; returns how many."""
        context.target = target
        if not wants_record_route(request):
            add_hop(request, leaving.listener, branch, ())
            return 0
        flow = context.flow
        subject = guest_subject(flow) if context.binding is None else context.binding.token
        call_id = request.call_id
        user = self._node.mint.record_route(subject, target.index, flow.mark, call_id)
        routes = record_routes(leaving, flow.listener, user, request.uri[:5].lower() == b"sips:")
        self._routes.remember(routes, call_id, RouteMark(subject, target.index, flow.mark))
        context.routes = routes
        add_hop(request, leaving.listener, branch, routes)
        return len(routes)
