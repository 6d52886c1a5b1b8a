"""The values of the timers of RFC 3261 (table 4 of appendix A) and RFC 6026, and the wheel that runs them.

All values are seconds. The wheel has a grid of 50 ms and holds one entry per transaction, which it asks again when
the entry is due: stopping a timer is one store, and a busy proxy keeps no object per timer.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from math import ceil
from typing import Final, Protocol

from proxy.effects import Effect

NEVER: Final = float("inf")
GRID: Final = 20  # slots per second

# RFC 3261 section 17.2.1 allows 200 ms before a 100; one grid step less, so that the grid cannot exceed it.
TRYING_DELAY: Final = 0.15


class Timers:
    """T1, T2, T4 and Timer C as configured; the others follow from them.

    D is at least 32 s (RFC 3261 section 17.1.1.2), L and M are 64*T1 (RFC 6026 section 7). `late_trying` is when
    Timer E of whom we keep waiting is first set to T2 (RFC 4320 section 4.1): 3.5 s.
    """

    __slots__ = ("c", "d", "late_trying", "long", "t1", "t2", "t4")

    def __init__(self, t1: float = 0.5, t2: float = 4.0, t4: float = 5.0, c: float = 185.0) -> None:
        self.t1 = t1
        self.t2 = t2
        self.t4 = t4
        self.c = c
        self.long = 64 * t1  # B, F, H, J, L, M
        self.d = max(32.0, 64 * t1)
        interval = self.late_trying = t1
        while 2 * interval < t2:
            interval *= 2
            self.late_trying += interval


class Timed(Protocol):
    """What the wheel can hold. `queued` is the time it is entered for; only the wheel sets it."""

    queued: float

    def run_due(self, now: float, out: list[Effect]) -> float:
        """Run what is due and return the next deadline, `NEVER` if there is none."""


class Wheel:
    """Deadlines on a 50 ms grid. An entry never runs before its deadline, and less than 50 ms after it."""

    __slots__ = ("_heap", "_slots", "entries")

    def __init__(self) -> None:
        self._slots: dict[int, list[Timed]] = {}
        self._heap: list[int] = []
        self.entries = 0

    def push(self, item: Timed, deadline: float) -> None:
        """Ask the item at that time what is due, and not at the later time for which it may be entered already."""
        slot = ceil(deadline * GRID - 1e-6)
        item.queued = deadline
        self.entries += 1
        items = self._slots.get(slot)
        if items is None:
            self._slots[slot] = [item]
            heappush(self._heap, slot)
        else:
            items.append(item)

    def next_deadline(self) -> float | None:
        """The time of the next slot that holds something; None if the wheel is empty."""
        return self._heap[0] / GRID if self._heap else None

    def tick(self, now: float, out: list[Effect]) -> None:
        """Run everything whose slot has come, slot by slot in order."""
        last = int(now * GRID + 1e-6)
        heap = self._heap
        while heap and heap[0] <= last:
            slot = heappop(heap)
            items = self._slots.pop(slot)
            self.entries -= len(items)
            waiting = iter(items)
            try:
                self._run(waiting, slot / GRID + 1e-6, now, out)
            finally:
                # Something is left only if an item raised: the others are due as before.
                for item in waiting:
                    if item.queued <= slot / GRID + 1e-6:  # else another entry counts, or none
                        self.push(item, item.queued)

    def _run(self, items: Iterator[Timed], end: float, now: float, out: list[Effect]) -> None:
        for item in items:
            if item.queued > end:
                continue  # it was entered for an earlier time since: that entry counted
            item.queued = 0.0  # what it arms while it is asked is in its answer, and needs no entry
            following = item.run_due(now, out)
            if following < NEVER:
                self.push(item, following)
            else:
                item.queued = NEVER
