"""Too many transactions at once: the oldest that is answered already gives way to what is new, or the oldest call.

One that is answered lives on for repetitions and the ACK only. Who has many of those, such as challenged INVITEs that
it never confirms, must not end the calls of others.

A call that was given up still waits for its ACK (17.2.1), and its CANCEL for the answers (9.1). As many of those are
let live as there may be others; then new requests are refused.
"""

from __future__ import annotations

from typing import Final

from proxy.core.node import Node
from proxy.core.response_context import ResponseContext
from proxy.effects import Effect, Note
from proxy.sip.errors import SipError
from proxy.transaction.invite_server import InviteServer
from proxy.transaction.layer import ServerTransaction
from proxy.transaction.machine import COMPLETED, PROCEEDING

# How many calls are picked out at once. The table is looked through for them once a second at the most, or after so
# many requests that it is this much for each.
_PICKED: Final = 10_000
_STEPS: Final = 64
_PAUSE: Final = 1.0
_SILENCE: Final = 60.0  # seconds between two lines in the log


class Overload:
    """Nothing but two comparisons is done for a request while there is room.

    `most_servers` transactions are kept before one has to give way, and `most_clients` towards the next hop: a call, a
    call that was given up, and its CANCEL for each. Twice `most_servers` is the end.
    """

    __slots__ = ("_answered", "_asked", "_looked", "_node", "_noted", "_oldest", "most_clients", "most_servers")

    def __init__(self, node: Node) -> None:
        self._node = node
        self.most_servers = node.settings.max_transactions
        self.most_clients = 3 * self.most_servers
        # Calls that nobody had answered when they were picked out, the oldest at the end.
        self._oldest: list[InviteServer] = []
        # Transactions that were answered when they were picked out, the oldest at the end.
        self._answered: list[ServerTransaction] = []
        self._asked = 0
        self._looked = -_PAUSE
        self._noted = -_SILENCE

    def find_oldest(self) -> ServerTransaction:
        """What gives way to a new request, once that is taken. Raises SipError, status 503, without one."""
        layer = self._node.layer
        if len(layer.servers) < 2 * self.most_servers and len(layer.clients) < self.most_clients:
            self._asked += 1
            oldest = self._next_answered()
            if oldest is None and self._may_look():
                self._pick()
                oldest = self._next_answered()
            oldest = oldest or self._next()
            if oldest is not None:
                return oldest
        raise SipError("too many transactions at once", 503, "transactions_full")

    def has_room(self) -> bool:
        """Whether a transaction may be kept for an answer of our own."""
        return len(self._node.layer.servers) < 2 * self.most_servers

    def give_up(self, t: ServerTransaction, out: list[Effect]) -> None:
        """Forget what is answered, or answer a call 503 and cancel it, if what is new has taken the last place."""
        node = self._node
        context = t.user
        if len(node.layer.servers) <= self.most_servers:
            return
        if t.state == COMPLETED:
            node.counts.dropped["answered_forgotten"] += 1
            t.end()
        if not isinstance(context, ResponseContext) or t.state != PROCEEDING:
            return
        if isinstance(t, InviteServer):
            t.gave_way = True
        self._note(out)
        node.counts.dropped["invite_given_up"] += 1
        context.cancel(out)
        context.refuse(503, "There are too many calls at once", out)
        context.request = None  # the branches wait for their end without it

    def _next_answered(self) -> ServerTransaction | None:
        while self._answered:
            t = self._answered[-1]
            if t.state == COMPLETED:
                return t
            self._answered.pop()
        return None

    def _next(self) -> InviteServer | None:
        while self._oldest:
            call = self._oldest[-1]
            if call.state == PROCEEDING and call.user is not None:
                return call
            self._oldest.pop()
        return None

    def _may_look(self) -> bool:
        node = self._node
        return node.now - self._looked >= _PAUSE or self._asked * _STEPS >= len(node.layer.servers)

    def _pick(self) -> None:
        self._asked = 0
        self._looked = self._node.now
        picked, answered = self._oldest, self._answered
        picked.clear()
        answered.clear()
        for t in self._node.layer.servers.values():  # in the order in which they came
            if isinstance(t, InviteServer) and t.state == PROCEEDING and t.user is not None:
                picked.append(t)
            elif t.state == COMPLETED and not (isinstance(t, InviteServer) and t.gave_way):
                answered.append(t)
            if len(picked) >= _PICKED or len(answered) >= _PICKED:
                break
        picked.reverse()
        answered.reverse()

    def _note(self, out: list[Effect]) -> None:
        now = self._node.now
        if now - self._noted >= _SILENCE:
            self._noted = now
            text = "limits.transactions ({limit}) is reached: the oldest unanswered calls are given up"
            out.append(Note("warn", text, {"limit": self.most_servers}))
