"""The response context (RFC 3261 section 16.7): what ties a server transaction to the branches of its request.

It chooses what goes home, cancels what is no longer wanted, and undoes towards the client what was done for it.
"""

from __future__ import annotations

from typing import Protocol

from proxy.binding import Binding
from proxy.core.refusal import restore_via
from proxy.core.registration import Registration
from proxy.core.replies import clean_phrase, make_trying
from proxy.effects import Effect
from proxy.flow import CLIENT, Flow
from proxy.sip.message import Request, Response
from proxy.sip.registry import INVITE
from proxy.transaction.invite_client import InviteClient
from proxy.transaction.layer import ClientTransaction, ServerTransaction, TransactionLayer
from proxy.transaction.non_invite_server import NonInviteServer


class Home(Protocol):
    """Brings responses home: restores, routes and hands them to the server transaction."""

    def pass_on(
        self, context: ResponseContext, branch: ClientTransaction, response: Response, out: list[Effect]
    ) -> None:
        """Forward a response of a branch."""

    def reply(self, context: ResponseContext, status: int, reason: bytes, out: list[Effect]) -> None:
        """Answer the request ourselves."""

    def cancel(self, branch: InviteClient, out: list[Effect]) -> None:
        """Send a CANCEL for a branch."""

    def finished(self, context: ResponseContext, status: int) -> None:
        """A final response went home."""


class ResponseContext:
    """One forwarded request. `request` is kept as received (its Via stamped), for answers of our own.

    `binding` is the client it came from (None: a guest), or the one it was delivered to; `marked` the one that our
    Record-Route in it names, for a request of a client within a dialog. `via_before` is the client's
    own Via line where ours had to take its place; empty bytes if it had none.
    """

    __slots__ = (
        "answered",
        "best",
        "binding",
        "branches",
        "cancelled",
        "flow",
        "from_client",
        "guest",
        "home",
        "layer",
        "marked",
        "method",
        "outbound",
        "registration",
        "request",
        "second_hop",
        "sent_by_port",
        "server",
        "started",
        "target",
        "via_before",
        "waiting",
    )

    def __init__(
        self, home: Home, layer: TransactionLayer, request: Request, flow: Flow, server: ServerTransaction
    ) -> None:
        self.home = home
        self.layer = layer
        self.request: Request | None = request
        self.method = request.method
        self.flow = flow
        self.from_client = flow.listener.side == CLIENT
        self.server = server
        self.started = layer.scene.now
        self.binding: Binding | None = None
        self.marked: Binding | None = None
        self.guest: tuple[bytes, bytes, bytes] | None = None
        self.registration: Registration | None = None
        self.second_hop = False
        self.outbound = False  # it came along a Path with `ob`: the server keeps flows (RFC 5626)
        self.sent_by_port = 0
        self.target: object = None
        self.via_before: bytes | None = None
        self.branches: list[ClientTransaction] = []
        self.best: tuple[ClientTransaction, Response] | None = None
        self.answered = False
        self.cancelled = False
        self.waiting = False  # for the store, with the answer to a REGISTER
        server.user = self

    # -- from the server transaction

    def send_trying(self, out: list[Effect]) -> None:
        """200 ms without an answer to an INVITE (17.2.1), or 3.5 s to another request (RFC 4320 section 4.1)."""
        if self.request is not None:
            self.layer.answer(self.server, 100, make_trying(self.request), out)

    # -- from the branches

    def on_response(self, branch: ClientTransaction, response: Response, out: list[Effect]) -> None:
        status = response.status
        if status == 100:
            if self.cancelled:
                self._cancel_branch(branch, out)
            return
        if status < 200:
            if self.cancelled:
                self._cancel_branch(branch, out)
            # > SIP elements MUST NOT send any provisional response with a Status-Code other than 100 to a non-INVITE
            # > request. (RFC 4320 section 4.1)
            if not self.answered and self.method == INVITE:
                self.home.pass_on(self, branch, response, out)
            return
        if branch in self.branches:
            self.branches.remove(branch)
        if status < 300:
            # > ... any 2xx ... MUST be forwarded (16.7 step 5)
            first = not self.answered
            self.answered = True
            self.home.pass_on(self, branch, response, out)
            if first:
                self._finish(status, out)
            return
        if self.answered:
            return
        if status == 408 and self.method != INVITE:
            self._fail(408, b"", out, early=True)
            return
        if self.best is None or _better(response, self.best[1]):
            self.best = (branch, response)
        if status >= 600:
            self._cancel_others(out)
        self._choose(out)

    def on_timeout(self, branch: ClientTransaction, out: list[Effect]) -> None:
        """Timer B or F, or Timer C ran out after a CANCEL: as if 408 had come (16.8, 16.7)."""
        self._leave(branch)
        self._fail(408, b"The server did not answer in time", out)

    def on_transport_error(self, branch: ClientTransaction, out: list[Effect]) -> None:
        """As if 503 had come (16.9); what goes home then is not our 503 but 500 (16.7 step 6)."""
        self._leave(branch)
        self._fail(500, b"No connection to the next hop", out)

    def on_timer_c(self, branch: ClientTransaction, out: list[Effect]) -> None:
        """It rang too long: CANCEL (16.8)."""
        self._cancel_branch(branch, out)

    # -- from the client side of the request

    def cancel(self, out: list[Effect]) -> None:
        """A CANCEL for this request was received: cancel what is pending (16.10)."""
        if self.answered or self.cancelled:
            return
        self.cancelled = True
        self._cancel_others(out)

    def note_via(self, own: bytes) -> None:
        """Ours stood in for the client's Via line (empty: it wrote none): our own answers show it what it wrote."""
        self.via_before = own
        if self.request is not None:
            restore_via(self.request, own)

    def branch_opened(self, branch: ClientTransaction) -> None:
        self.branches.append(branch)

    def refuse(self, status: int, text: str, out: list[Effect]) -> None:
        """Answer the request ourselves with a final response."""
        if not self.answered:
            self.answered = True
            self.home.reply(self, status, clean_phrase(text), out)
            self._finish(status, out)

    # -- inside

    def _leave(self, branch: ClientTransaction) -> None:
        if branch in self.branches:
            self.branches.remove(branch)

    def _fail(self, status: int, reason: bytes, out: list[Effect], early: bool = False) -> None:
        if self.answered or self.branches:
            return
        if self.best is not None:
            self._choose(out)
            return
        self.answered = True
        # RFC 4320 section 4.2: no 408 to a non-INVITE request; the client's own Timer F says the same.
        if self.method == INVITE or status != 408:
            self.home.reply(self, status, reason, out)
        else:
            self.layer.scene.counts.dropped["no_answer"] += 1
            if early and isinstance(self.server, NonInviteServer):
                self.server.abandon()
            else:
                self.server.end()
        self._finish(status, out)

    def _choose(self, out: list[Effect]) -> None:
        """When no branch is pending, the best response goes home (16.7 step 6)."""
        if self.branches or self.best is None:
            return
        branch, response = self.best
        self.best = None
        self.answered = True
        self.home.pass_on(self, branch, response, out)
        self._finish(response.status, out)

    def _finish(self, status: int, out: list[Effect]) -> None:
        """A final response is on its way: keep only what a further 2xx or a retransmission needs."""
        if self.branches and (status < 300 or status >= 600):
            self._cancel_others(out)
        self.home.finished(self, status)
        self.server.user = None
        if not self.waiting and not self.branches:
            self.request = None
            self.registration = None

    def forget(self) -> None:
        """Drop the request: nothing of ours will answer it any more."""
        if not self.branches:
            self.request = None
            self.registration = None

    def _cancel_others(self, out: list[Effect]) -> None:
        for branch in list(self.branches):
            self._cancel_branch(branch, out)

    def _cancel_branch(self, branch: ClientTransaction, out: list[Effect]) -> None:
        if isinstance(branch, InviteClient) and not branch.cancelled:
            self.home.cancel(branch, out)


def _better(response: Response, best: Response) -> bool:
    """Whether a final response is to be preferred: 6xx, then the lower class (16.7 step 6)."""
    if response.status >= 600 or best.status >= 600:
        return response.status >= 600 > best.status
    return response.status // 100 < best.status // 100


def pop_via(response: Response) -> None:
    """Take our own Via off the top (16.7 step 3)."""
    index = response.places().via
    line = response.lines[index]
    rest = line.partition(b",")[2].strip() if b"," in line else b""
    if rest:
        response.lines[index] = line.partition(b":")[0] + b": " + rest
    else:
        del response.lines[index]
        del response.names[index]
        response.moved()
    response._via = None
