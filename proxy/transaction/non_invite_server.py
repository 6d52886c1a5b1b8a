"""The non-INVITE server transaction (RFC 3261 section 17.2.2, RFC 4320 section 4)."""

from __future__ import annotations

from typing import Final

from proxy.effects import Effect, Send
from proxy.flow import Flow
from proxy.sip.message import Request
from proxy.transaction.invite_server import Answer
from proxy.transaction.machine import (
    COMPLETED,
    PROCEEDING,
    REQUEST,
    TERMINATED,
    TIMER_100,
    TIMER_J,
    TRANSPORT_ERROR,
    TRYING,
    TU_1XX,
    TU_2XX,
    TU_3_6XX,
    Scene,
    Table,
    Transaction,
    fold,
    nothing,
)
from proxy.transaction.timers import NEVER


class NonInviteServer(Transaction):
    """One request received other than INVITE and ACK. `last` is the response that a retransmission gets again.

    `sender` is its user's note of whom an answered request came from; `challenged` that of one without credentials that
    was answered 401 or 407.
    """

    __slots__ = ("challenged", "last", "last_kind", "sender")

    kind = 3

    def __init__(self, scene: Scene, flow: Flow, request: Request) -> None:
        Transaction.__init__(self, scene, ROWS, flow, request.method, TRYING)
        self.last = b""
        self.last_kind = b""
        self.sender: object = None
        self.challenged = False

    def start(self, out: list[Effect]) -> None:
        """Nothing to send: the transaction user answers (17.2.2), or a late 100 goes out (RFC 4320 section 4.1)."""
        self.start_short(TIMER_100, self.scene.timers.late_trying)

    def abandon(self) -> None:
        """Nobody will answer: take no notice of repetitions until the sender gives up (RFC 4320 section 4.2)."""
        self.short = NEVER
        self.user = None
        if self.flow.listener.reliable:
            self.end()
        else:
            self.start_long(TIMER_J, self.scene.timers.long)


def absorb(t: NonInviteServer, request: Request, out: list[Effect]) -> None:
    t.scene.counts.retransmissions[0] += 1


def resend(t: NonInviteServer, request: Request, out: list[Effect]) -> None:
    t.scene.counts.retransmissions[0] += 1
    t.scene.counts.retransmissions[1] += 1
    out.append(Send(t.flow, t.last, t.last_kind))


def send_late_trying(t: NonInviteServer, given: None, out: list[Effect]) -> None:
    # > Without regard to transport, an SIP element MUST respond to a non-INVITE request with a Status-Code of 100 if
    # > it has not otherwise responded after the amount of time it takes a client transaction's Timer E to be reset to
    # > T2. (RFC 4320 section 4.1)
    if t.user is not None:
        t.user.send_trying(out)


def send_provisional(t: NonInviteServer, answer: Answer, out: list[Effect]) -> None:
    t.short = NEVER
    t.last = answer.octets
    t.last_kind = answer.kind
    out.append(Send(t.flow, answer.octets, answer.kind))


def send_final(t: NonInviteServer, answer: Answer, out: list[Effect]) -> None:
    send_provisional(t, answer, out)
    t.leave(TIMER_J, t.scene.timers.long, out)


TABLE: Table = {
    (TRYING, REQUEST): (absorb, TRYING),  # 17.2.2
    (TRYING, TIMER_100): (send_late_trying, TRYING),  # 4320 4.1
    (TRYING, TU_1XX): (send_provisional, PROCEEDING),  # 17.2.2
    (TRYING, TU_2XX): (send_final, COMPLETED),  # 17.2.2
    (TRYING, TU_3_6XX): (send_final, COMPLETED),  # 17.2.2
    (TRYING, TIMER_J): (nothing, TERMINATED),  # 4320 4.2: abandoned
    (TRYING, TRANSPORT_ERROR): (nothing, TERMINATED),  # 17.2.2
    (PROCEEDING, REQUEST): (resend, PROCEEDING),  # 17.2.2
    (PROCEEDING, TU_1XX): (send_provisional, PROCEEDING),  # 17.2.2
    (PROCEEDING, TU_2XX): (send_final, COMPLETED),  # 17.2.2
    (PROCEEDING, TU_3_6XX): (send_final, COMPLETED),  # 17.2.2
    (PROCEEDING, TIMER_J): (nothing, TERMINATED),  # 4320 4.2: abandoned
    (PROCEEDING, TRANSPORT_ERROR): (nothing, TERMINATED),  # 17.2.2
    (COMPLETED, REQUEST): (resend, COMPLETED),  # 17.2.2
    (COMPLETED, TIMER_J): (nothing, TERMINATED),  # 17.2.2
    (COMPLETED, TRANSPORT_ERROR): (nothing, TERMINATED),  # 17.2.2
}

# > Any other final responses passed by the TU to the server transaction MUST be discarded while in the
# > "Completed" state. (17.2.2)
IGNORED = frozenset({(COMPLETED, TU_1XX), (COMPLETED, TU_2XX), (COMPLETED, TU_3_6XX)})
IMPOSSIBLE = frozenset({(PROCEEDING, TIMER_100), (COMPLETED, TIMER_100)})

ROWS: Final = fold(TABLE)
