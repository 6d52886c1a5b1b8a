"""Requests that the proxy answers itself, as a user agent server does (RFC 3261 section 8.2): CANCEL, and OPTIONS."""

from __future__ import annotations

from proxy.core.node import Node
from proxy.core.refusal import refusal_tag
from proxy.core.replies import make_reply
from proxy.core.response_context import ResponseContext
from proxy.core.response_routing import reply_flow, stamp_via
from proxy.effects import Effect
from proxy.flow import Flow
from proxy.sip.message import Request
from proxy.transaction.key import ServerKey


class OwnAnswers:
    """Answers with a server transaction, so that a repeated request gets the same answer again."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    def cancel(self, request: Request, key: ServerKey, flow: Flow, out: list[Effect]) -> None:
        """Answer a CANCEL ourselves and pass it on hop by hop (9.2, 16.10)."""
        cancelled = self._node.layer.find_cancelled(request, key, flow)
        self._answer(request, key, flow, 481 if cancelled is None else 200, out)
        if cancelled is not None and isinstance(cancelled.user, ResponseContext):
            cancelled.user.cancel(out)

    def options(self, request: Request, key: ServerKey, flow: Flow, out: list[Effect]) -> None:
        """The server asks whether we are there (11.2)."""
        self._answer(request, key, flow, 200, out)

    def _answer(self, request: Request, key: ServerKey, flow: Flow, status: int, out: list[Effect]) -> None:
        node = self._node
        home = reply_flow(request, flow, node.flows, node.counts)
        stamp_via(request, flow)
        server = node.layer.open_server(request, key, home, out)
        node.counts.responses[(flow.listener.side, status)] += 1
        node.layer.answer(server, status, make_reply(request, status, refusal_tag(request, node)), out)
