"""What the four transaction machines share: states, inputs, tables folded into rows, two timers each.

A table is `{(state, input): (action, next state)}`; its rows carry the section they come from. `IGNORED` lists the
inputs that a state takes without effect, `IMPOSSIBLE` those that cannot occur in it; together they name every cell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from proxy.counts import Counts
from proxy.effects import Effect
from proxy.flow import Flow
from proxy.sip.message import Response
from proxy.transaction.timers import NEVER, Timers, Wheel

CALLING: Final = 0
TRYING: Final = 1
PROCEEDING: Final = 2
COMPLETED: Final = 3
CONFIRMED: Final = 4
ACCEPTED: Final = 5
TERMINATED: Final = 6
STATES: Final = ("Calling", "Trying", "Proceeding", "Completed", "Confirmed", "Accepted", "Terminated")

R1XX: Final = 0
R2XX: Final = 1
R3_6XX: Final = 2
REQUEST: Final = 3  # the request, repeated
GOT_ACK: Final = 4
TU_1XX: Final = 5
TU_2XX: Final = 6
TU_3_6XX: Final = 7
TRANSPORT_ERROR: Final = 8
TIMER_A: Final = 9
TIMER_B: Final = 10
TIMER_C: Final = 11
TIMER_D: Final = 12
TIMER_E: Final = 13
TIMER_F: Final = 14
TIMER_G: Final = 15
TIMER_H: Final = 16
TIMER_I: Final = 17
TIMER_J: Final = 18
TIMER_K: Final = 19
TIMER_L: Final = 20
TIMER_M: Final = 21
TIMER_100: Final = 22
INPUTS: Final = (
    "1xx", "2xx", "3xx-6xx", "request again", "ACK", "1xx from TU", "2xx from TU", "3xx-6xx from TU", "transport error",
    "Timer A", "Timer B", "Timer C", "Timer D", "Timer E", "Timer F", "Timer G", "Timer H", "Timer I", "Timer J",
    "Timer K", "Timer L", "Timer M", "Timer for 100",
)  # fmt: skip

# Response input by status class: 1xx, 2xx, all others final.
BY_CLASS: Final = (R3_6XX, R1XX, R2XX, R3_6XX, R3_6XX, R3_6XX, R3_6XX)
TU_BY_CLASS: Final = (TU_3_6XX, TU_1XX, TU_2XX, TU_3_6XX, TU_3_6XX, TU_3_6XX, TU_3_6XX)

Action = Callable[[Any, Any, list[Effect]], None]
Table = dict[tuple[int, int], tuple[Action, int]]
Rows = tuple[dict[int, tuple[Action, int]], ...]


def fold(table: Table) -> Rows:
    """The table as one dict of inputs per state."""
    return tuple({i: row for (s, i), row in table.items() if s == state} for state in range(len(STATES)))


def nothing(transaction: Any, given: Any, out: list[Effect]) -> None:
    """The action of a row that only changes the state."""


class ClientUser(Protocol):
    """What a client transaction reports to: the response context, or whatever sent a request of our own."""

    def on_response(self, branch: Any, response: Response, out: list[Effect]) -> None:
        """A response that the transaction passes up (17.1)."""

    def on_timeout(self, branch: Any, out: list[Effect]) -> None:
        """Timer B or F: no final response came."""

    def on_transport_error(self, branch: Any, out: list[Effect]) -> None:
        """The request could not be sent, or its connection broke."""

    def on_timer_c(self, branch: Any, out: list[Effect]) -> None:
        """Timer C: an INVITE rang too long without a final response (16.8)."""


class Scene:
    """What all transactions of one core share: the time, the wheel, the timer values, the counters, the ends.

    `ended` is called with each transaction that reached Terminated.
    """

    __slots__ = ("counts", "ended", "now", "timers", "wheel")

    def __init__(self, timers: Timers, counts: Counts, ended: Callable[[Transaction], None]) -> None:
        self.timers = timers
        self.counts = counts
        self.ended = ended
        self.wheel = Wheel()
        self.now = 0.0


class Transaction:
    """One live transaction. A subclass brings the rows of its machine and its actions.

    `short` is the deadline of the retransmission timer, `long` that of the one that ends the state; `NEVER` means
    not armed. `short_name` and `long_name` say which timer it is, as input of the table.
    """

    __slots__ = (
        "flow",
        "interval",
        "key",
        "long",
        "long_name",
        "method",
        "queued",
        "rows",
        "scene",
        "short",
        "short_name",
        "state",
        "user",
    )

    kind = 0

    def __init__(self, scene: Scene, rows: Rows, flow: Flow, method: bytes, state: int) -> None:
        self.rows = rows
        self.scene = scene
        self.flow = flow
        self.method = method
        self.state = state
        self.key: Any = None
        self.user: Any = None
        self.interval = 0.0
        self.short = NEVER
        self.short_name = 0
        self.long = NEVER
        self.long_name = 0
        self.queued = NEVER

    def step(self, given: int, message: Any, out: list[Effect]) -> None:
        """Feed one input with its message or answer; an input without a row in this state has no effect."""
        row = self.rows[self.state].get(given)
        if row is not None:
            state = row[1]
            self.state = state
            row[0](self, message, out)
            if state == TERMINATED:
                self.end()

    def end(self) -> None:
        self.state = TERMINATED
        self.short = self.long = NEVER
        self.scene.ended(self)
        self.user = None

    def start_short(self, name: int, delay: float) -> None:
        self.short_name = name
        deadline = self.short = self.scene.now + delay
        if deadline < self.queued:
            self.scene.wheel.push(self, deadline)

    def start_long(self, name: int, delay: float) -> None:
        self.long_name = name
        deadline = self.long = self.scene.now + delay
        if deadline < self.queued:
            self.scene.wheel.push(self, deadline)

    def start_both(self, short: int, delay: float, long: int, longer: float) -> None:
        """Both timers at once: one entry in the wheel, for the earlier."""
        now = self.scene.now
        self.short_name = short
        self.short = now + delay
        self.long_name = long
        self.long = now + longer
        if self.short < self.queued:
            self.scene.wheel.push(self, self.short)

    def leave(self, name: int, delay: float, out: list[Effect]) -> None:
        """Arm the timer that ends this state; on a reliable transport the state is left at once (D, I, J, K = 0)."""
        self.short = NEVER
        if self.flow.listener.reliable:
            self.long = NEVER
            self.step(name, None, out)
        else:
            self.start_long(name, delay)

    def run_due(self, now: float, out: list[Effect]) -> float:
        """Run the timers that are due, the earlier first; returns the next deadline."""
        horizon = now + 1e-6
        while True:
            if self.short <= horizon and self.short <= self.long:
                self.short = NEVER
                self.step(self.short_name, None, out)
            elif self.long <= horizon:
                self.long = NEVER
                self.step(self.long_name, None, out)
            else:
                return self.short if self.short < self.long else self.long
