"""The non-INVITE client transaction (RFC 3261 section 17.1.2)."""

from __future__ import annotations

from typing import Final

from proxy.effects import Effect, Send
from proxy.flow import Flow
from proxy.sip.message import Request, Response
from proxy.transaction.machine import (
    COMPLETED,
    PROCEEDING,
    R1XX,
    R2XX,
    R3_6XX,
    TERMINATED,
    TIMER_E,
    TIMER_F,
    TIMER_K,
    TRANSPORT_ERROR,
    TRYING,
    ClientUser,
    Scene,
    Table,
    Transaction,
    fold,
    nothing,
)
from proxy.transaction.timers import NEVER


class NonInviteClient(Transaction):
    """One forwarded (or own) request other than INVITE and ACK. `octets` is kept until a final response.

    `abandoned` is its user's mark that another branch was opened since this one kept silent.
    """

    __slots__ = ("abandoned", "branch", "label", "octets")

    kind = 2

    def __init__(
        self, scene: Scene, flow: Flow, request: Request, branch: bytes, user: ClientUser, octets: bytes = b""
    ) -> None:
        """`octets` are the request as it goes on the wire, if they are made already."""
        Transaction.__init__(self, scene, ROWS, flow, request.method, TRYING)
        self.user = user
        self.branch = branch
        self.label = request.kind
        self.octets = octets or request.octets()
        self.abandoned = False

    def start(self, out: list[Effect]) -> None:
        """Send the request; start E (unreliable transports only) and F (17.1.2.2)."""
        out.append(Send(self.flow, self.octets, self.label))
        timers = self.scene.timers
        if not self.flow.listener.reliable:
            self.interval = timers.t1
            self.start_both(TIMER_E, timers.t1, TIMER_F, timers.long)
        else:
            self.start_long(TIMER_F, timers.long)


def send_again(t: NonInviteClient, given: None, out: list[Effect]) -> None:
    # > ... the timer is reset, ... to the value of MIN(2*T1, T2) (17.1.2.2)
    send_again_after(t, min(2 * t.interval, t.scene.timers.t2), out)


def send_again_slowly(t: NonInviteClient, given: None, out: list[Effect]) -> None:
    # > If Timer E fires while in the "Proceeding" state, ... Timer E MUST be reset to a value of T2 seconds (17.1.2.2)
    send_again_after(t, t.scene.timers.t2, out)


def send_again_after(t: NonInviteClient, interval: float, out: list[Effect]) -> None:
    t.interval = interval
    t.start_short(TIMER_E, interval)
    t.scene.counts.retransmissions[1] += 1
    out.append(Send(t.flow, t.octets, t.label))


def time_out(t: NonInviteClient, given: None, out: list[Effect]) -> None:
    t.user.on_timeout(t, out)


def proceed(t: NonInviteClient, response: Response, out: list[Effect]) -> None:
    t.user.on_response(t, response, out)


def complete(t: NonInviteClient, response: Response, out: list[Effect]) -> None:
    t.octets = b""
    t.short = NEVER
    t.user.on_response(t, response, out)
    t.user = None
    t.leave(TIMER_K, t.scene.timers.t4, out)


def absorb(t: NonInviteClient, response: Response, out: list[Effect]) -> None:
    t.scene.counts.retransmissions[0] += 1


def fail(t: NonInviteClient, given: None, out: list[Effect]) -> None:
    t.user.on_transport_error(t, out)


TABLE: Table = {
    (TRYING, TIMER_E): (send_again, TRYING),  # 17.1.2.2
    (TRYING, TIMER_F): (time_out, TERMINATED),  # 17.1.2.2
    (TRYING, R1XX): (proceed, PROCEEDING),  # 17.1.2.2
    (TRYING, R2XX): (complete, COMPLETED),  # 17.1.2.2
    (TRYING, R3_6XX): (complete, COMPLETED),  # 17.1.2.2
    (TRYING, TRANSPORT_ERROR): (fail, TERMINATED),  # 17.1.2.2
    (PROCEEDING, TIMER_E): (send_again_slowly, PROCEEDING),  # 17.1.2.2
    (PROCEEDING, TIMER_F): (time_out, TERMINATED),  # 17.1.2.2
    (PROCEEDING, R1XX): (proceed, PROCEEDING),  # 17.1.2.2
    (PROCEEDING, R2XX): (complete, COMPLETED),  # 17.1.2.2
    (PROCEEDING, R3_6XX): (complete, COMPLETED),  # 17.1.2.2
    (PROCEEDING, TRANSPORT_ERROR): (fail, TERMINATED),  # 17.1.2.2
    (COMPLETED, R2XX): (absorb, COMPLETED),  # 17.1.2.2
    (COMPLETED, R3_6XX): (absorb, COMPLETED),  # 17.1.2.2
    (COMPLETED, TIMER_K): (nothing, TERMINATED),  # 17.1.2.2
}

# Taken without effect: what comes late, and errors of a connection that has done its work.
IGNORED = frozenset({(COMPLETED, R1XX), (COMPLETED, TRANSPORT_ERROR)})
_TIMERS = (TIMER_E, TIMER_F, TIMER_K)
IMPOSSIBLE = frozenset(
    (state, timer) for state in (TRYING, PROCEEDING, COMPLETED) for timer in _TIMERS if (state, timer) not in TABLE
)

ROWS: Final = fold(TABLE)
