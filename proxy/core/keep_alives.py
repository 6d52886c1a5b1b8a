"""Keep-alives towards registered clients, where a listener has them: they keep open what stands between.

An OPTIONS, or two CRLFs, at each interval. Whether it is answered changes nothing about the binding: bindings move and
end on proofs only (protocol 3.3).
"""

from __future__ import annotations

from zlib import crc32

from proxy.binding import REGISTERED, Binding
from proxy.core.node import Node
from proxy.core.own_options import send_options
from proxy.core.response_routing import listening_flow
from proxy.effects import Effect, Ping
from proxy.sip.message import Response
from proxy.transaction.layer import ClientTransaction
from proxy.transaction.timers import NEVER

OFF = "off"
CRLF = "crlf"
# The answer to the REGISTER should be there first.
_FIRST = 1.0
_SHARES = 1000


class KeepAlive:
    """The keep-alives of one client (`transaction.timers.Timed`, `transaction.machine.ClientUser`)."""

    __slots__ = ("_keep_alives", "pending", "queued", "token")

    def __init__(self, keep_alives: KeepAlives, token: bytes) -> None:
        self._keep_alives = keep_alives
        self.token = token
        self.pending: ClientTransaction | None = None
        self.queued = NEVER

    def run_due(self, now: float, out: list[Effect]) -> float:
        return self._keep_alives.send(self, now, out)

    def on_response(self, branch: object, response: Response, out: list[Effect]) -> None:
        """Any final answer shows that the way is open."""
        if response.status >= 200:
            self.pending = None

    def on_timeout(self, branch: object, out: list[Effect]) -> None:
        self.pending = None
        self._keep_alives.unanswered()

    def on_transport_error(self, branch: object, out: list[Effect]) -> None:
        self.pending = None
        self._keep_alives.unanswered()

    def on_timer_c(self, branch: object, out: list[Effect]) -> None:
        """OPTIONS has none."""


class KeepAlives:
    """Who gets keep-alives: one entry of the wheel for each, at a time of its own, so that they do not come at once.

    It hears of clients by `Node.on_registered`; nothing is kept where no listener has keep-alives.
    """

    __slots__ = ("_by_token", "_node", "_sender", "_shortest")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._sender = b"sip:" + node.settings.domain
        self._by_token: dict[bytes, KeepAlive] = {}
        intervals = [item.keepalive_interval for item in node.settings.listeners if item.keepalive != OFF]
        self._shortest = min(intervals, default=NEVER)
        if intervals:
            node.on_registered = self.watch

    def __len__(self) -> int:
        return len(self._by_token)

    def watch(self, binding: Binding) -> None:
        """A client has registered, or registered again. Its first keep-alive comes within one interval."""
        token = binding.token
        if token not in self._by_token:
            keep_alive = self._by_token[token] = KeepAlive(self, token)
            share = (crc32(token) % _SHARES) / _SHARES
            wait = _FIRST + share * max(self._interval(binding) - _FIRST, 0.0)
            self._node.layer.scene.wheel.push(keep_alive, self._node.now + wait)

    def send(self, keep_alive: KeepAlive, now: float, out: list[Effect]) -> float:
        """Send one that is due, if its client can be reached. Returns when the next is; `NEVER`: the client is gone."""
        node = self._node
        binding = node.bindings.by_token(keep_alive.token)
        registered = binding is not None and binding.state == REGISTERED and binding.expires_at > now
        pending = keep_alive.pending
        if pending is not None:
            # Nobody waits for two answers: so each client has one transaction at most.
            keep_alive.pending = None
            pending.end()
            if registered:
                self.unanswered()
        if binding is None or not registered:
            del self._by_token[keep_alive.token]
            return NEVER
        flow = binding.flow
        kind = flow.listener.keepalive
        if kind != OFF and flow.open and not binding.abandoned:
            if kind == CRLF:
                node.counts.keep_alives["out", CRLF] += 1
                out.append(Ping(flow))
            elif len(node.layer.clients) < node.settings.max_transactions:
                node.counts.keep_alives["out", "options"] += 1
                listening = listening_flow(flow, binding.contact, node.flows)
                sent = send_options(node, binding.contact, self._sender, listening, keep_alive, out)
                keep_alive.pending = sent
        return now + self._interval(binding)

    def unanswered(self) -> None:
        self._node.counts.keep_alives_unanswered += 1

    def _interval(self, binding: Binding) -> float:
        listener = binding.flow.listener
        # A client may come to another listener, by a proof that is no REGISTER.
        return self._shortest if listener.keepalive == OFF else listener.keepalive_interval
