"""Requests that come again, and by which flow (protocol 9.4).

A repetition by another flow is absorbed, and its answer goes to the first: arrival alone proves nothing. Where the
client's binding is at that other flow, a REGISTER from there was accepted: then the answer follows it.
"""

from __future__ import annotations

from typing import Final

from proxy.binding import Binding
from proxy.core.bindings import FlowKey
from proxy.core.node import Node
from proxy.core.response_context import ResponseContext
from proxy.core.response_routing import reply_flow
from proxy.effects import Effect
from proxy.flow import Flow
from proxy.sip.message import Request
from proxy.transaction.invite_server import InviteServer
from proxy.transaction.key import ServerKey, invite_key
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

    def take(self, known: ServerTransaction, request: Request, flow: Flow, out: list[Effect]) -> None:
        """A request again, or the ACK to a refusal. Counted and dropped if it is somebody else's."""
        strays = flow.key != known.flow.key and not self._follows(known, request, flow)
        if strays and known.flow.remote_host != flow.remote_host:
            self._node.counts.dropped["other_flow"] += 1
        else:
            self._node.layer.repeat(known, request, out)

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
