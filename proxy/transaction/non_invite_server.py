"""The non-INVITE server transaction (RFC 3261 section 17.2.2)."""

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


class NonInviteServer(Transaction):
    """One request received other than INVITE and ACK. `last` is the response that a retransmission gets again."""

    __slots__ = ("last", "last_kind")

    kind = 3

    def __init__(self, scene: Scene, flow: Flow, request: Request) -> None:
        Transaction.__init__(self, scene, ROWS, flow, request.method, TRYING)
        self.last = b""
        self.last_kind = b""

    def start(self, out: list[Effect]) -> None:
        """Nothing to send and no timer: the transaction user answers (17.2.2)."""


def absorb(t: NonInviteServer, request: Request, out: list[Effect]) -> None:
    t.scene.counts.retransmissions[0] += 1


def resend(t: NonInviteServer, request: Request, out: list[Effect]) -> None:
    t.scene.counts.retransmissions[0] += 1
    t.scene.counts.retransmissions[1] += 1
    out.append(Send(t.flow, t.last, t.last_kind))


def send_provisional(t: NonInviteServer, answer: Answer, out: list[Effect]) -> None:
    t.last = answer.octets
    t.last_kind = answer.kind
    out.append(Send(t.flow, answer.octets, answer.kind))


def send_final(t: NonInviteServer, answer: Answer, out: list[Effect]) -> None:
    send_provisional(t, answer, out)
    t.leave(TIMER_J, t.scene.timers.long, out)


TABLE: Table = {
    (TRYING, REQUEST): (absorb, TRYING),  # 17.2.2
    (TRYING, TU_1XX): (send_provisional, PROCEEDING),  # 17.2.2
    (TRYING, TU_2XX): (send_final, COMPLETED),  # 17.2.2
    (TRYING, TU_3_6XX): (send_final, COMPLETED),  # 17.2.2
    (TRYING, TRANSPORT_ERROR): (nothing, TERMINATED),  # 17.2.2
    (PROCEEDING, REQUEST): (resend, PROCEEDING),  # 17.2.2
    (PROCEEDING, TU_1XX): (send_provisional, PROCEEDING),  # 17.2.2
    (PROCEEDING, TU_2XX): (send_final, COMPLETED),  # 17.2.2
    (PROCEEDING, TU_3_6XX): (send_final, COMPLETED),  # 17.2.2
    (PROCEEDING, TRANSPORT_ERROR): (nothing, TERMINATED),  # 17.2.2
    (COMPLETED, REQUEST): (resend, COMPLETED),  # 17.2.2
    (COMPLETED, TIMER_J): (nothing, TERMINATED),  # 17.2.2
    (COMPLETED, TRANSPORT_ERROR): (nothing, TERMINATED),  # 17.2.2
}

# > Any other final responses passed by the TU to the server transaction MUST be discarded while in the
# > "Completed" state. (17.2.2)
IGNORED = frozenset({(COMPLETED, TU_1XX), (COMPLETED, TU_2XX), (COMPLETED, TU_3_6XX)})
IMPOSSIBLE = frozenset({(TRYING, TIMER_J), (PROCEEDING, TIMER_J)})

ROWS: Final = fold(TABLE)
