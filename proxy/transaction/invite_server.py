"""The INVITE server transaction (RFC 3261 section 17.2.1 as corrected by RFC 6026 sections 7.1 and 8.8)."""

from __future__ import annotations

from typing import Final

from proxy.effects import Effect, Send
from proxy.flow import Flow
from proxy.sip.message import Request
from proxy.sip.registry import INVITE, STATUS_LABELS
from proxy.transaction.machine import (
    ACCEPTED,
    COMPLETED,
    CONFIRMED,
    GOT_ACK,
    PROCEEDING,
    REQUEST,
    TERMINATED,
    TIMER_100,
    TIMER_G,
    TIMER_H,
    TIMER_I,
    TIMER_L,
    TRANSPORT_ERROR,
    TU_1XX,
    TU_2XX,
    TU_3_6XX,
    Scene,
    Table,
    Transaction,
    fold,
    nothing,
)
from proxy.transaction.timers import NEVER, TRYING_DELAY


class Answer:
    """A response as the transaction user hands it down: finished octets, status and label."""

    __slots__ = ("kind", "octets", "status")

    def __init__(self, status: int, octets: bytes) -> None:
        self.status = status
        self.octets = octets
        self.kind = STATUS_LABELS[status // 100]


class InviteServer(Transaction):
    """One INVITE received. `last` is the response that a retransmission gets again.

    `uri`, `from_tag` and `to_tag` (of the final response sent) serve to match an ACK or CANCEL with a wrong branch.
    `sender` is its user's note of whom an answered request came from; `challenged` that of one without credentials that
    was answered 401 or 407; `gave_way` tells that it was given up for another; `accepted` are To and Record-Routes of
    the last 2xx.
    """

    __slots__ = (
        "accepted", "challenged", "flow_key", "from_tag", "gave_way", "last", "last_kind", "sender", "to_tag", "uri",
    )  # fmt: skip

    kind = 1

    def __init__(self, scene: Scene, flow: Flow, request: Request) -> None:
        Transaction.__init__(self, scene, ROWS, flow, INVITE, PROCEEDING)
        self.last = b""
        self.last_kind = b""
        self.uri = request.uri
        self.flow_key = flow.key
        self.from_tag = request.from_.tag
        self.to_tag: bytes | None = None
        self.sender: object = None
        self.challenged = False
        self.gave_way = False
        self.accepted: tuple[bytes, tuple[bytes, ...]] | None = None

    def start(self, out: list[Effect]) -> None:
        self.start_short(TIMER_100, TRYING_DELAY)


def resend(t: InviteServer, request: Request, out: list[Effect]) -> None:
    t.scene.counts.retransmissions[0] += 1
    if t.last:
        t.scene.counts.retransmissions[1] += 1
        out.append(Send(t.flow, t.last, t.last_kind))


def absorb(t: InviteServer, request: Request, out: list[Effect]) -> None:
    t.scene.counts.retransmissions[0] += 1


def send_trying(t: InviteServer, given: None, out: list[Effect]) -> None:
    # > It MUST generate a 100 (Trying) response unless it knows that the TU will generate a provisional or final
    # > response within 200 ms (17.2.1)
    if t.user is not None:
        t.user.send_trying(out)


def send_provisional(t: InviteServer, answer: Answer, out: list[Effect]) -> None:
    t.short = NEVER
    t.last = answer.octets
    t.last_kind = answer.kind
    out.append(Send(t.flow, answer.octets, answer.kind))


def send_success(t: InviteServer, answer: Answer, out: list[Effect]) -> None:
    t.short = NEVER
    t.last = b""  # 6026 7.1: the 2xx comes again from the server, not from us
    out.append(Send(t.flow, answer.octets, answer.kind))
    t.start_long(TIMER_L, t.scene.timers.long)


def send_success_again(t: InviteServer, answer: Answer, out: list[Effect]) -> None:
    out.append(Send(t.flow, answer.octets, answer.kind))


def send_refusal(t: InviteServer, answer: Answer, out: list[Effect]) -> None:
    send_provisional(t, answer, out)
    timers = t.scene.timers
    if not t.flow.listener.reliable:
        t.interval = timers.t1
        t.start_short(TIMER_G, timers.t1)  # the earlier first: one entry in the wheel
    t.start_long(TIMER_H, timers.long)


def send_refusal_again(t: InviteServer, given: None, out: list[Effect]) -> None:
    # > it is retransmitted when timer G fires ... MIN(2*T1, T2) (17.2.1)
    t.interval = min(2 * t.interval, t.scene.timers.t2)
    t.start_short(TIMER_G, t.interval)
    t.scene.counts.retransmissions[1] += 1
    out.append(Send(t.flow, t.last, t.last_kind))


def confirm(t: InviteServer, request: Request, out: list[Effect]) -> None:
    t.last = b""
    t.leave(TIMER_I, t.scene.timers.t4, out)


def give_up(t: InviteServer, given: None, out: list[Effect]) -> None:
    t.scene.counts.dropped["ack_never_came"] += 1


TABLE: Table = {
    (PROCEEDING, REQUEST): (resend, PROCEEDING),  # 17.2.1
    (PROCEEDING, TIMER_100): (send_trying, PROCEEDING),  # 17.2.1
    (PROCEEDING, TU_1XX): (send_provisional, PROCEEDING),  # 17.2.1
    (PROCEEDING, TU_2XX): (send_success, ACCEPTED),  # 6026 7.1
    (PROCEEDING, TU_3_6XX): (send_refusal, COMPLETED),  # 17.2.1
    (PROCEEDING, TRANSPORT_ERROR): (nothing, PROCEEDING),  # 6026 8.8
    (COMPLETED, REQUEST): (resend, COMPLETED),  # 17.2.1
    (COMPLETED, TU_2XX): (send_success_again, COMPLETED),  # 16.7 step 5: of another branch, after a refusal
    (COMPLETED, TIMER_G): (send_refusal_again, COMPLETED),  # 17.2.1
    (COMPLETED, TIMER_H): (give_up, TERMINATED),  # 17.2.1
    (COMPLETED, GOT_ACK): (confirm, CONFIRMED),  # 17.2.1
    (COMPLETED, TRANSPORT_ERROR): (nothing, COMPLETED),  # 6026 8.8
    (CONFIRMED, TU_2XX): (send_success_again, CONFIRMED),  # 16.7 step 5
    (CONFIRMED, TIMER_I): (nothing, TERMINATED),  # 17.2.1
    (ACCEPTED, REQUEST): (absorb, ACCEPTED),  # 6026 7.1
    (ACCEPTED, TU_2XX): (send_success_again, ACCEPTED),  # 6026 7.1
    (ACCEPTED, TIMER_L): (nothing, TERMINATED),  # 6026 7.1
    (ACCEPTED, TRANSPORT_ERROR): (nothing, ACCEPTED),  # 6026 8.8
}

# Taken without effect: an ACK before a final response, ACK repeats, what the user says after its final response.
# An ACK in Accepted is passed up by the layer, not by the table (6026 7.1).
IGNORED = frozenset(
    {
        (PROCEEDING, GOT_ACK),
        (COMPLETED, TU_1XX),
        (COMPLETED, TU_3_6XX),
        (CONFIRMED, REQUEST),
        (CONFIRMED, GOT_ACK),
        (CONFIRMED, TU_1XX),
        (CONFIRMED, TU_3_6XX),
        (CONFIRMED, TRANSPORT_ERROR),
        (ACCEPTED, GOT_ACK),
        (ACCEPTED, TU_1XX),
        (ACCEPTED, TU_3_6XX),
    }
)
_TIMERS = (TIMER_100, TIMER_G, TIMER_H, TIMER_I, TIMER_L)
IMPOSSIBLE = frozenset(
    (state, timer)
    for state in (PROCEEDING, COMPLETED, CONFIRMED, ACCEPTED)
    for timer in _TIMERS
    if (state, timer) not in TABLE
)

ROWS: Final = fold(TABLE)
