"""The response context (RFC 3261 section 16.7): what ties a server transaction to the branches of its request.

It chooses what goes home, cancels what is no longer wanted, and undoes towards the client what was done for it.
"""

from __future__ import annotations

from typing import Protocol

from proxy.binding import Binding
from proxy.core.alternatives import Alternatives
from proxy.core.best_response import NONE_YET, BestResponse
from proxy.core.field_values import has_credentials
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
    own Via line where ours had to take its place; empty bytes if it had none. `from_to` are the asker's own From and To
    lines, by name, where they did not leave as they came. `asked` is the Request-URI of a client's request within a
    dialog, empty otherwise.
    """

    __slots__ = (
        "answered",
        "asked",
        "attempts",
        "best",
        "binding",
        "branches",
        "cancelled",
        "flow",
        "from_client",
        "from_to",
        "guest",
        "home",
        "layer",
        "marked",
        "method",
        "outbound",
        "registration",
        "request",
        "routes",
        "second_hop",
        "sent_by_port",
        "server",
        "started",
        "target",
        "via_before",
        "vias",
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
        self.asked = request.uri if self.from_client and request.to.tag is not None else b""
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
        self.routes: tuple[bytes, ...] = ()  # our Record-Routes in it
        self.vias: tuple[bytes, ...] = ()  # of the request, once an answer came with others: the next will, too
        self.from_to: dict[bytes, bytes] | None = None
        self.branches: list[ClientTransaction] = []
        self.attempts: Alternatives | None = None
        self.best: BestResponse = NONE_YET
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
        if status < 200:
            self._provisional(branch, response, out)
            return
        if branch in self.branches:
            self.branches.remove(branch)
        if status < 300:
            self._success(branch, response, out)
        elif not self.answered:
            self._refusal(branch, response, out)

    def _provisional(self, branch: ClientTransaction, response: Response, out: list[Effect]) -> None:
        attempts = self.attempts
        if attempts is not None:
            attempts.heard(branch)
        if self.cancelled or self.answered:
            self._cancel_branch(branch, out)
        elif branch.abandoned:
            if self._pending(branch):
                self._cancel_branch(branch, out)
                return  # it rings at somebody who will not be talked to
            branch.abandoned = False  # nobody else is left, and here is somebody after all
        # > SIP elements MUST NOT send any provisional response with a Status-Code other than 100 to a non-INVITE
        # > request. (RFC 4320 section 4.1)
        if response.status > 100 and not self.answered and self.method == INVITE:
            self.home.pass_on(self, branch, response, out)

    def _success(self, branch: ClientTransaction, response: Response, out: list[Effect]) -> None:
        # > ... any 2xx ... MUST be forwarded (16.7 step 5)
        first = not self.answered
        if not first and self.method != INVITE:
            return  # of a target that was given up: the client has its answer
        self.answered = True
        self.home.pass_on(self, branch, response, out)
        if first:
            self._finish(response.status, out)

    def _refusal(self, branch: ClientTransaction, response: Response, out: list[Effect]) -> None:
        status = response.status
        if status == 408 and self.method != INVITE:
            self._fail(408, b"", out, early=True)
            return
        attempts = self.attempts
        if status == 503 and attempts is not None and self._may_retry(branch) and attempts.after_503(response, out):
            return
        if self.best is NONE_YET:
            self.best = BestResponse()
        self.best.add(branch, response)
        if status >= 600:
            self._cancel_others(out)
        self._choose(out)

    def on_timeout(self, branch: ClientTransaction, out: list[Effect]) -> None:
        """Timer B or F, or Timer C ran out after a CANCEL: as if 408 had come (16.8, 16.7)."""
        self._leave(branch)
        if self._may_retry(branch) and self.attempts is not None and self.attempts.after_timeout(branch, out):
            return
        self._fail(408, b"The server did not answer in time", out)

    def on_transport_error(self, branch: ClientTransaction, out: list[Effect]) -> None:
        """As if 503 had come (16.9); what goes home then is not our 503 but 500 (16.7 step 6)."""
        self._leave(branch)
        if self.layer.too_large is branch:
            self._fail(513, b"Too large for a datagram to the next hop", out)
            return
        if self._may_retry(branch) and self.attempts is not None and self.attempts.after_error(branch, out):
            return
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

    def _may_retry(self, branch: ClientTransaction) -> bool:
        """Whether the request is still wanted, and this branch was not given up before."""
        return not (self.answered or self.cancelled or branch.abandoned)

    def _pending(self, but: ClientTransaction | None = None) -> bool:
        """Whether a branch is under way that was not given up."""
        return any(not branch.abandoned and branch is not but for branch in self.branches)

    def _fail(self, status: int, reason: bytes, out: list[Effect], early: bool = False) -> None:
        if self.answered or self._pending():
            return
        if self.best.branch is not None:
            self._choose(out)
            return
        if self.branches:
            return  # one that was given up may still answer, and its own timer ends it
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
        best = self.best
        if best.branch is None or self._pending() or (self.branches and best.is_poor()):
            return  # one that was given up may still do better than that
        branch, response = best.branch, best.take()
        self.answered = True
        self.home.pass_on(self, branch, response, out)
        self._finish(response.status, out)

    def _finish(self, status: int, out: list[Effect]) -> None:
        """A final response is on its way: keep only what a further 2xx or a retransmission needs."""
        if self.attempts is not None:
            self.attempts.stop()
            self.attempts = None
        if self.branches:  # 16.7 step 10
            self._cancel_others(out)
        self.home.finished(self, status)
        if status in (401, 407) and self.request is not None:
            self.server.challenged = not has_credentials(self.request)
        self.server.user = None
        if self.from_client:
            self.server.sender = self.binding
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
