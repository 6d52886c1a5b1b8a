"""Requests that come again, and by which flow (protocol 9.4).

A repetition by another flow is absorbed, and its answer goes to the first: arrival alone proves nothing. Where the
client's binding is at that other flow, a REGISTER from there was accepted: then the answer follows it.
"""

from __future__ import annotations

from typing import Final

from proxy.binding import Binding
from proxy.core.bindings import FlowKey
from proxy.core.field_values import has_credentials
from proxy.core.node import Node
from proxy.core.response_context import ResponseContext
from proxy.core.response_routing import reply_flow
from proxy.effects import Effect
from proxy.flow import CLIENT, Flow
from proxy.repair.inherent import ACK_NEW_BRANCH, VIA_BRANCH_REUSED
from proxy.sip.message import Request
from proxy.sip.registry import ACK, VIA
from proxy.transaction.invite_server import InviteServer
from proxy.transaction.key import ServerKey, invite_key, reused_key
from proxy.transaction.layer import ServerTransaction

# How many absorbed repetitions are remembered for a client that moves later; the next repetition finds it, too.
_MOST: Final = 256


class Absorbed:
    """A repetition by another flow: the transaction, the flow, and where an answer to it would go."""

    __slots__ = ("flow", "home", "known")

    def __init__(self, known: ServerTransaction, flow: Flow, home: Flow) -> None:
        self.known = known
        self.flow = flow
        self.home = home


class Repeats:
    """Brings repeated requests to their transactions, and the transactions to where their clients are."""

    __slots__ = ("_absorbed", "_node")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._absorbed: dict[tuple[FlowKey, ServerKey], Absorbed] = {}
        node.bindings.on_move = self.follow

    def take(self, known: ServerTransaction, request: Request, key: ServerKey, flow: Flow, out: list[Effect]) -> None:
        """A request again, or the ACK to a refusal. Counted and dropped if it is somebody else's."""
        if request.method == ACK and known.key not in (key, reused_key(key)):
            line = request.lines[request.index(VIA)]
            reason = "the ACK does not have the branch of its INVITE; it was known by what else it says"
            self._node.own.record(ACK_NEW_BRANCH, request, flow, "to-server", line, None, reason, out)
        strays = flow.key != known.flow.key and not self._follows(known, request, flow)
        if strays and known.flow.remote_host != flow.remote_host:
            self._node.counts.dropped["other_flow"] += 1
        else:
            self._node.layer.repeat(known, request, out)

    def again(
        self, known: ServerTransaction, request: Request, key: ServerKey, flow: Flow, out: list[Effect]
    ) -> tuple[ServerTransaction | None, ServerKey]:
        """Whether a request that has the branch of a challenged one repeats that, or brings the credentials.

        Returns its transaction, None for one with credentials that is new here, and its own key.
        """
        own_key = reused_key(key)
        later = self._node.layer.servers.get(own_key)
        if request.method == ACK:
            confirms = isinstance(later, InviteServer) and later.to_tag == request.to.tag
            return (later, own_key) if confirms else (known, key)
        if not has_credentials(request):
            return known, key
        if later is None:
            line = request.lines[request.index(VIA)]
            direction = "to-server" if flow.listener.side == CLIENT else "to-client"
            reason = "the request with credentials has the branch of the one without, as if it were that one again"
            self._node.own.record(VIA_BRANCH_REUSED, request, flow, direction, line, None, reason, out)
        return later, own_key

    def find_cancelled(self, request: Request, key: ServerKey, flow: Flow) -> InviteServer | None:
        """The INVITE that this CANCEL is about (9.2); None if there is none, or if it is somebody else's."""
        node = self._node
        found = node.layer.find_cancelled(request, key, flow)
        if found is None:
            moved = node.layer.servers.get(invite_key(key))
            if isinstance(moved, InviteServer) and self._is_at(moved, flow):
                _bring(moved, flow, reply_flow(request, flow, node.flows, node.counts))
                found = moved
        return found

    def follow(self, binding: Binding) -> None:
        """A binding has moved: what was repeated by its new flow before is answered there from now on."""
        key = binding.flow.key
        for mark in [mark for mark in self._absorbed if mark[0] == key]:
            absorbed = self._absorbed[mark]
            if sender_of(absorbed.known) is binding:
                del self._absorbed[mark]
                _bring(absorbed.known, absorbed.flow, absorbed.home)

    def _is_at(self, known: ServerTransaction, flow: Flow) -> bool:
        binding = sender_of(known)
        return binding is not None and binding.flow.key == flow.key

    def _follows(self, known: ServerTransaction, request: Request, flow: Flow) -> bool:
        """Bring a transaction to the flow of a repetition if its client is there; else remember the repetition."""
        binding = sender_of(known)
        if binding is None:
            return False
        node = self._node
        home = reply_flow(request, flow, node.flows, node.counts)
        if binding.flow.key != flow.key:
            self._absorb(Absorbed(known, flow, home))
            return False
        _bring(known, flow, home)
        return True

    def _absorb(self, absorbed: Absorbed) -> None:
        mark = (absorbed.flow.key, absorbed.known.key)
        self._absorbed.pop(mark, None)
        if len(self._absorbed) >= _MOST:
            del self._absorbed[next(iter(self._absorbed))]
        self._absorbed[mark] = absorbed


def sender_of(known: ServerTransaction) -> Binding | None:
    """The binding that a request of a client came from; None for a guest, or for a request of the server."""
    user = known.user
    if isinstance(user, ResponseContext):
        return user.binding if user.from_client else None
    sender = known.sender
    return sender if isinstance(sender, Binding) else None


def _bring(known: ServerTransaction, flow: Flow, home: Flow) -> None:
    """Let the answers of a transaction go to where its client is now."""
    known.flow = home
    if isinstance(known, InviteServer):
        known.flow_key = home.key
    user = known.user
    if isinstance(user, ResponseContext):
        user.flow = flow
