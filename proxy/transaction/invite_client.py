"""The INVITE client transaction (RFC 3261 section 17.1.1 as corrected by RFC 6026 section 7.2).

Timer C of RFC 3261 section 16.6 step 11 is kept as a field of this transaction and reported to its user, who owns
what follows from it.
"""

from __future__ import annotations

from typing import Final

from proxy.effects import Effect, Send
from proxy.flow import Flow
from proxy.sip.message import Request, Response, line_value
from proxy.sip.registry import ACK, CALL_ID, CSEQ, FROM, INVITE, ROUTE, TO, VIA
from proxy.transaction.machine import (
    ACCEPTED,
    CALLING,
    COMPLETED,
    PROCEEDING,
    R1XX,
    R2XX,
    R3_6XX,
    TERMINATED,
    TIMER_A,
    TIMER_B,
    TIMER_C,
    TIMER_D,
    TIMER_M,
    TRANSPORT_ERROR,
    ClientUser,
    Scene,
    Table,
    Transaction,
    fold,
    nothing,
)
from proxy.transaction.timers import NEVER


class InviteClient(Transaction):
    """One forwarded INVITE. `request` is the message as sent, kept until a final response; `ack` answers a non-2xx.

    `abandoned` is its user's mark that another branch was opened since this one kept silent.
    """

    __slots__ = ("abandoned", "ack", "branch", "cancelled", "octets", "request")

    kind = 0

    def __init__(
        self, scene: Scene, flow: Flow, request: Request, branch: bytes, user: ClientUser, octets: bytes = b""
    ) -> None:
        """`octets` are the request as it goes on the wire, if they are made already."""
        Transaction.__init__(self, scene, ROWS, flow, INVITE, CALLING)
        self.user = user
        self.branch = branch
        self.request: Request | None = request
        self.octets = octets or request.octets()
        self.ack = b""
        self.cancelled = False
        self.abandoned = False

    def start(self, out: list[Effect]) -> None:
        """Send the request; start A (unreliable transports only) and B (17.1.1.2)."""
        out.append(Send(self.flow, self.octets, INVITE))
        timers = self.scene.timers
        if not self.flow.listener.reliable:
            self.interval = timers.t1
            self.start_both(TIMER_A, timers.t1, TIMER_B, timers.long)
        else:
            self.start_long(TIMER_B, timers.long)


def send_again(t: InviteClient, given: None, out: list[Effect]) -> None:
    # > When timer A fires ... the client transaction MUST retransmit the request ... and MUST reset the timer with
    # > a value of 2*T1. (17.1.1.2)  It doubles without the cap T2.
    t.interval *= 2
    t.start_short(TIMER_A, t.interval)
    t.scene.counts.retransmissions[1] += 1
    out.append(Send(t.flow, t.octets, INVITE))


def time_out(t: InviteClient, given: None, out: list[Effect]) -> None:
    t.user.on_timeout(t, out)
    forget_request(t)


def ring_too_long(t: InviteClient, given: None, out: list[Effect]) -> None:
    if t.cancelled:  # 64*T1 after the CANCEL: nobody will answer any more (9.1)
        time_out(t, given, out)
        t.end()
    else:
        t.user.on_timer_c(t, out)


def proceed(t: InviteClient, response: Response, out: list[Effect]) -> None:
    t.short = NEVER
    t.octets = b""  # no retransmission after a provisional response
    if not t.cancelled and (t.long_name != TIMER_C or response.status > 100):
        # Any provisional response but 100 sets Timer C back (16.7 step 2).
        t.start_long(TIMER_C, t.scene.timers.c)
    t.user.on_response(t, response, out)


def accept(t: InviteClient, response: Response, out: list[Effect]) -> None:
    t.short = NEVER
    t.start_long(TIMER_M, t.scene.timers.long)
    t.user.on_response(t, response, out)
    forget_request(t)


def accept_again(t: InviteClient, response: Response, out: list[Effect]) -> None:
    t.user.on_response(t, response, out)


def refuse(t: InviteClient, response: Response, out: list[Effect]) -> None:
    t.short = NEVER
    if t.request is not None:
        t.ack = make_ack(t.request, response)
        out.append(Send(t.flow, t.ack, ACK))
    t.user.on_response(t, response, out)
    forget_request(t)
    t.leave(TIMER_D, t.scene.timers.d, out)


def acknowledge(t: InviteClient, response: Response, out: list[Effect]) -> None:
    t.scene.counts.retransmissions[0] += 1
    out.append(Send(t.flow, t.ack, ACK))


def fail(t: InviteClient, given: None, out: list[Effect]) -> None:
    t.user.on_transport_error(t, out)
    forget_request(t)


def forget_request(t: InviteClient) -> None:
    t.request = None
    t.octets = b""


def make_ack(request: Request, response: Response) -> bytes:
    """The ACK to a non-2xx: Request-URI, Call-ID, From, CSeq number, top Via and Route of the INVITE (17.1.1.3)."""
    lines = [b"ACK %b SIP/2.0" % request.uri]
    for line, name in zip(request.lines, request.names, strict=True):
        if (name == VIA and len(lines) == 1) or name in (ROUTE, FROM, CALL_ID):
            lines.append(line)
        elif name == TO:
            lines.append(response.lines[response.index(TO)] if response.index(TO) > 0 else line)
        elif name == CSEQ:
            lines.append(b"CSeq: %b ACK" % line_value(line).split()[0])
    lines.append(b"Max-Forwards: 70")
    lines.append(b"Content-Length: 0\r\n\r\n")
    return b"\r\n".join(lines)


TABLE: Table = {
    (CALLING, TIMER_A): (send_again, CALLING),  # 17.1.1.2
    (CALLING, TIMER_B): (time_out, TERMINATED),  # 17.1.1.2
    (CALLING, R1XX): (proceed, PROCEEDING),  # 17.1.1.2
    (CALLING, R2XX): (accept, ACCEPTED),  # 6026 7.2
    (CALLING, R3_6XX): (refuse, COMPLETED),  # 17.1.1.2
    (CALLING, TRANSPORT_ERROR): (fail, TERMINATED),  # 17.1.1.2
    (PROCEEDING, R1XX): (proceed, PROCEEDING),  # 17.1.1.2
    (PROCEEDING, R2XX): (accept, ACCEPTED),  # 6026 7.2
    (PROCEEDING, R3_6XX): (refuse, COMPLETED),  # 17.1.1.2
    (PROCEEDING, TIMER_C): (ring_too_long, PROCEEDING),  # 16.8: the user cancels, or ends it
    (PROCEEDING, TRANSPORT_ERROR): (fail, TERMINATED),  # 6026 7.2
    (COMPLETED, R3_6XX): (acknowledge, COMPLETED),  # 17.1.1.2
    (COMPLETED, TIMER_D): (nothing, TERMINATED),  # 17.1.1.2
    (COMPLETED, TRANSPORT_ERROR): (nothing, TERMINATED),  # 17.1.1.2: the ACK could not be sent; the user has its answer
    (ACCEPTED, R2XX): (accept_again, ACCEPTED),  # 6026 7.2
    (ACCEPTED, TIMER_M): (nothing, TERMINATED),  # 6026 7.2
}

# Taken without effect. A transport error in Accepted concerns nothing that we sent (6026 7.2).
IGNORED = frozenset(
    {(COMPLETED, R1XX), (COMPLETED, R2XX), (ACCEPTED, R1XX), (ACCEPTED, R3_6XX), (ACCEPTED, TRANSPORT_ERROR)}
)
_TIMERS = (TIMER_A, TIMER_B, TIMER_C, TIMER_D, TIMER_M)
# Timers that are not armed in a state.
IMPOSSIBLE = frozenset(
    (state, timer)
    for state in (CALLING, PROCEEDING, COMPLETED, ACCEPTED)
    for timer in _TIMERS
    if (state, timer) not in TABLE
)

ROWS: Final = fold(TABLE)
