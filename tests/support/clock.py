"""Virtual time, stepped from deadline to deadline.

One big step would run a doubling timer once, at its end; small equal steps drift. Both helpers stop where something
is due, so that 0.5, 1.5, 3.5 ... are seen at those times.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.task import Clock

from proxy.core.proxy_core import ProxyCore
from proxy.effects import Effect


def run_core_until(core: ProxyCore, end: float) -> Iterator[tuple[float, list[Effect]]]:
    """Tick the core at each of its deadlines up to that time; yields the time and what the core wanted then."""
    last = -1.0
    while (deadline := core.next_deadline()) is not None and deadline <= end + 1e-9:
        assert deadline > last, f"the core wants to be ticked at {deadline} again and again"
        last = deadline
        yield deadline, core.tick(deadline)


def run_until(clock: Clock, end: float) -> None:
    """Advance a Twisted clock to that time, call by call."""
    while calls := [call for call in clock.getDelayedCalls() if call.getTime() <= end]:
        clock.advance(max(0.0, min(call.getTime() for call in calls) - clock.seconds()))
    clock.advance(max(0.0, end - clock.seconds()))
