"""What has to be looked at now and then: bindings and guests that have run out. Idle when there are none."""

from __future__ import annotations

from proxy.core.keep_alives import KeepAlives
from proxy.core.node import Node
from proxy.effects import Effect, StoreBindings
from proxy.transaction.timers import NEVER

PERIOD = 30.0


class Housekeeping:
    """One entry of the wheel while there is something to expire (`transaction.timers.Timed`)."""

    __slots__ = ("_node", "armed", "keep_alives", "queued")

    def __init__(self, node: Node) -> None:
        self._node = node
        # These have times of their own.
        self.keep_alives = KeepAlives(node)
        self.armed = False
        self.queued = NEVER

    def arm(self) -> None:
        """Start the round if there is something to look at and it is not running."""
        if not self.armed and self._has_work():
            self.armed = True
            scene = self._node.layer.scene
            scene.wheel.push(self, scene.now + PERIOD)

    def run_due(self, now: float, out: list[Effect]) -> float:
        node = self._node
        changed = node.bindings.expire(now)
        if changed:
            out.append(StoreBindings(changed, 0))
        node.guests.expire(now)
        self.armed = self._has_work()
        return now + PERIOD if self.armed else NEVER

    def _has_work(self) -> bool:
        return len(self._node.bindings) > 0 or len(self._node.guests) > 0
