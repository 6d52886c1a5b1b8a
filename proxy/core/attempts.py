"""Where a client's request may still go when a branch of it fails: one target after the other until one answers, and
back from a stream to UDP (RFC 3261 sections 16.6 step 7, 16.7 and 18.1.1; RFC 3263 section 4.3; design 6).

Within a dialog there is one target only: no other server knows the dialog.
"""

from __future__ import annotations

from typing import Final, Protocol

from proxy.core.node import Node
from proxy.core.response_context import ResponseContext
from proxy.core.targets import Target
from proxy.effects import CloseFlow, Effect
from proxy.flow import Flow
from proxy.sip.message import Request, Response
from proxy.sip.registry import INVITE, RETRY_AFTER
from proxy.transaction.layer import ClientTransaction
from proxy.transaction.timers import NEVER

# How long a connection for a large request may take to be made, in T1.
_CONNECTING: Final = 2
# The longest that a server may ask us to leave it alone (seconds): a far end could have written the Retry-After.
_LONGEST_REST: Final = 300.0


class Opener(Protocol):
    """Opens branches (`core.branches`)."""

    def open(
        self,
        context: ResponseContext,
        request: Request,
        target: Target,
        leaving: Flow,
        mark: bytes,
        out: list[Effect],
    ) -> ClientTransaction:
        """Send the request, ready but for our hop, to that target by that flow."""


class Attempts:
    """Where one request may still go. Its response context asks when a branch fails; silence is noticed by the wheel
    (`transaction.timers.Timed`).

    `beside` is the UDP flow in whose place a stream was taken for the branch under way; None if none was.
    """

    __slots__ = (
        "_branch",
        "_branches",
        "_context",
        "_deadline",
        "_mark",
        "_node",
        "_request",
        "_since",
        "_target",
        "_tried",
        "beside",
        "queued",
    )

    def __init__(
        self,
        branches: Opener,
        node: Node,
        context: ResponseContext,
        request: Request,
        mark: bytes,
        target: Target,
        branch: ClientTransaction,
    ) -> None:
        """`request` is ready but for our hop; `branch` is the one under way."""
        self._branches = branches
        self._node = node
        self._context: ResponseContext | None = context
        self._request: Request | None = request
        self._mark = mark
        self._target = target
        self._tried = [target.index]
        self._branch: ClientTransaction | None = branch
        self._since = node.now
        self._deadline = NEVER
        self.beside: Flow | None = None
        self.queued = NEVER

    def watch(self) -> None:
        """Look after a while whether the branch under way was answered at all."""
        node = self._node
        wait = node.settings.give_up
        if self.beside is not None:
            wait = min(wait, _CONNECTING * node.settings.timers.t1)
        self._since = node.now
        self._deadline = node.now + wait
        if self._deadline < self.queued:
            node.layer.scene.wheel.push(self, self._deadline)

    def run_due(self, now: float, out: list[Effect]) -> float:
        if self._deadline <= now + 1e-6:
            self._deadline = NEVER
            self._silent(out)
        return self._deadline

    def heard(self, branch: ClientTransaction) -> None:
        """A provisional response: the request arrived, and goes nowhere else unless it is refused."""
        if branch is self._branch:
            self._deadline = NEVER
            self._stream_works()
            self._branch = None

    def stop(self) -> None:
        """The request is answered: keep nothing of it, also while the wheel still has an entry."""
        self._deadline = NEVER
        self._context = self._request = self._branch = self.beside = None

    def after_error(self, branch: ClientTransaction, out: list[Effect]) -> bool:
        """The branch could not be sent, or its connection broke; true if another was opened."""
        if branch is not self._branch:
            return False  # it rang already, or was given up
        if self.beside is not None:
            return self._by_datagram(out)
        self._node.targets.lost(self._target, "no connection", out)
        return self._next(out)

    def after_timeout(self, branch: ClientTransaction, out: list[Effect]) -> bool:
        """Nothing came at all until Timer B or F ran out; true if another branch was opened."""
        return branch is self._branch and self._next(out)

    def after_503(self, response: Response, out: list[Effect]) -> bool:
        """The target has no room; true if another was tried.

        > If a client receives a 503 ... It SHOULD NOT forward any other requests to that server for the duration
        > specified in the Retry-After header field, if present. (21.5.4)
        """
        rest = (response.value(RETRY_AFTER) or b"").partition(b"(")[0].partition(b";")[0].strip()
        if rest.isdigit():
            self._target.busy_until = self._node.now + min(int(rest[:9]), _LONGEST_REST)
        return self._next(out)

    # -- inside

    def _silent(self, out: list[Effect]) -> None:
        """No answer for too long: the next target, while this one may still answer."""
        branch, node = self._branch, self._node
        if branch is None:
            return
        if self.beside is not None:
            if branch.flow.heard < self._since:  # it is not even connected
                branch.abandoned = True
                out.append(CloseFlow(branch.flow, "slow_connect"))
                self._by_datagram(out)
                return
            self._stream_works()
            self.watch()
            return
        flow = self._target.flow
        silent = branch.flow.heard < self._since and (flow is None or flow.heard < self._since)
        if branch.method != INVITE and not silent:
            return  # others are answered: this one is being worked on
        if node.targets.another(self._tried, node.now) is None:
            return
        if silent:
            node.targets.lost(self._target, "it does not answer", out)
        branch.abandoned = True
        self._next(out)

    def _stream_works(self) -> None:
        if self.beside is not None:
            self._node.targets.stream_made(self.beside)
            self.beside = None

    def _by_datagram(self, out: list[Effect]) -> bool:
        """The server takes no TCP: the same request by UDP (18.1.1), as all large ones for a while."""
        leaving = self.beside
        self.beside = None
        if leaving is None:
            return False
        self._node.targets.stream_failed(leaving, self._node.now)
        return self._go(self._target, leaving, out)

    def _next(self, out: list[Effect]) -> bool:
        node = self._node
        target = node.targets.another(self._tried, node.now)
        if target is None:
            return False
        self._tried.append(target.index)
        leaving = node.targets.flow_to(target, out)
        if leaving is None:
            return self._next(out)
        node.counts.failovers += 1
        return self._go(target, leaving, out)

    def _go(self, target: Target, leaving: Flow, out: list[Effect]) -> bool:
        context, request = self._context, self._request
        if context is None or request is None:
            return False
        self._target = target
        self.beside = None
        self._branch = self._branches.open(context, request.copy(), target, leaving, self._mark, out)
        self.watch()
        return True
