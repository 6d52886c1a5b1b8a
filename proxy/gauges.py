"""What the core holds at this moment, for the metrics."""

from __future__ import annotations

from proxy.core.proxy_core import ProxyCore
from proxy.flow import TRANSPORTS


class CoreGauges:
    """Implements `metrics.Gauges` over one core. `generation` counts accepted configurations."""

    def __init__(self, core: ProxyCore) -> None:
        self._core = core
        self.generation = 1

    def transactions(self) -> dict[str, int]:
        return self._core.node.layer.figures()

    def timers(self) -> int:
        return self._core.node.layer.scene.wheel.entries

    def bindings(self) -> dict[str, int]:
        return self._core.node.bindings.figures()

    def guests(self) -> int:
        return len(self._core.node.guests)

    def flows(self) -> dict[str, int]:
        return dict(zip(TRANSPORTS, self._core.node.flows.figures(), strict=True))

    def targets(self) -> list[tuple[str, bool, float]]:
        return [(target.name, target.up, target.rtt) for target in self._core.node.targets.all]

    def config_generation(self) -> int:
        return self.generation
