"""The end of a connection: pages that went away, and requests whose client is gone before it had answered (protocol
3.4, 5.2 and 10).

An INVITE waits a short time for the client to come back and is then sent again on its new flow, with the branch it had:
a client that only lost its connection takes it for a retransmission. All else is answered at once: 480, or 430.
"""

from __future__ import annotations

from proxy.core.client_uri import readdress
from proxy.core.node import Node
from proxy.core.response_context import ResponseContext
from proxy.effects import Effect, StoreBindings
from proxy.events import GOING_AWAY
from proxy.flow import CLIENT, WS, WSS, Flow
from proxy.sip.registry import OPTIONS
from proxy.transaction.invite_client import InviteClient
from proxy.transaction.layer import ClientTransaction
from proxy.transaction.machine import CALLING, PROCEEDING, TRYING
from proxy.transaction.non_invite_server import NonInviteServer
from proxy.transaction.timers import NEVER


class Interrupted:
    """One INVITE that waits for its client, by the transaction in which it was sent (`transaction.timers.Timed`)."""

    __slots__ = ("_broken", "context", "queued", "t", "token")

    def __init__(self, broken: BrokenFlows, context: ResponseContext, t: InviteClient, token: bytes) -> None:
        self._broken = broken
        self.context = context
        self.t = t
        self.token = token
        self.queued = NEVER

    def run_due(self, now: float, out: list[Effect]) -> float:
        self._broken.give_up(self, out)
        return NEVER


class BrokenFlows:
    """Knows which INVITEs wait for clients to come back. As many at most as there are transactions."""

    __slots__ = ("_node", "waiting")

    def __init__(self, node: Node) -> None:
        self._node = node
        self.waiting: list[Interrupted] = []

    def close(self, flow: Flow, reason: str, out: list[Effect]) -> None:
        """A connection ended, or could not be made."""
        node = self._node
        node.flows.close(flow)
        if flow.listener.side == CLIENT:
            if reason == GOING_AWAY and flow.listener.transport in (WS, WSS):
                abandoned = node.bindings.abandon(flow)
                if abandoned:
                    out.append(StoreBindings(abandoned, 0))
            for t in node.layer.on_flow(flow):
                self._interrupt(t, out)
            if self.waiting:
                self.look(out)  # its client may have been back before we heard that it was gone
        node.layer.flow_failed(flow, out)

    def _interrupt(self, t: ClientTransaction, out: list[Effect]) -> None:
        """Take a request that waits for a client's answer off its transaction."""
        context = t.user
        if t.state not in (CALLING, TRYING, PROCEEDING) or not isinstance(context, ResponseContext):
            return
        if not context.from_client and not context.answered:
            self._take(t, context, out)

    def _take(self, t: ClientTransaction, context: ResponseContext, out: list[Effect]) -> None:
        node = self._node
        if t in context.branches:
            context.branches.remove(t)
        t.end()
        binding = context.binding
        if (
            isinstance(t, InviteClient)
            and t.request is not None
            and binding is not None
            and not binding.abandoned
            and not context.cancelled
            and node.settings.reconnect > 0
        ):
            interrupted = Interrupted(self, context, t, binding.token)
            self.waiting.append(interrupted)
            node.layer.scene.wheel.push(interrupted, node.now + node.settings.reconnect)
        else:
            self._answer(context, out)

    def look(self, out: list[Effect]) -> None:
        """Send again what can be: its client is back, by the same listener, on a flow that is open."""
        self._node.bindings.moved = False
        for interrupted in list(self.waiting):
            binding = self._node.bindings.by_token(interrupted.token)
            request = interrupted.t.request
            if interrupted.context.cancelled or binding is None or binding.abandoned or request is None:
                self.give_up(interrupted, out)
            elif binding.flow.open and binding.flow.listener is interrupted.t.flow.listener:
                self.waiting.remove(interrupted)
                context, branch = interrupted.context, interrupted.t.branch
                readdress(request, binding.contact)  # a page that was loaded again has another one
                context.binding = binding
                self._node.counts.retransmissions[1] += 1
                t = self._node.layer.open_client(request, branch, binding.flow, context, out)
                context.branch_opened(t)

    def give_up(self, interrupted: Interrupted, out: list[Effect]) -> None:
        """The client did not come back in time, or the call is no longer wanted."""
        if interrupted in self.waiting:
            self.waiting.remove(interrupted)
            self._answer(interrupted.context, out)

    def _answer(self, context: ResponseContext, out: list[Effect]) -> None:
        node = self._node
        request, binding = context.request, context.binding
        if context.cancelled:
            context.refuse(487, "Request Terminated", out)
        elif (
            context.method == OPTIONS
            and request is not None
            and request.to.tag is None
            and node.settings.options_gone == "silent"
        ):
            # Any answer would mean to some servers that the client is there (protocol 3.4).
            node.counts.dropped["options_gone"] += 1
            context.answered = True
            if isinstance(context.server, NonInviteServer):
                context.server.abandon()
        elif binding is not None and binding.outbound and context.outbound:
            context.refuse(430, "the client's flow is gone", out)
        else:
            context.refuse(480, "the client's connection is gone", out)
