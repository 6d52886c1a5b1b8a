"""Watches the targets: an OPTIONS now and then; who answers is up (RFC 3261 section 11, design 6)."""

from __future__ import annotations

from proxy.core.node import Node
from proxy.core.own_options import send_options
from proxy.core.targets import Target
from proxy.effects import Effect, Note
from proxy.sip.message import Response
from proxy.transaction.timers import NEVER

_SERVICE_UNAVAILABLE = 503
_FIRST_REVIVAL = 1.0


class Probe:
    """One OPTIONS under way (`transaction.machine.ClientUser`)."""

    __slots__ = ("_health", "_sent", "_target")

    def __init__(self, health: Health, target: Target, sent: float) -> None:
        self._health = health
        self._target = target
        self._sent = sent

    def on_response(self, branch: object, response: Response, out: list[Effect]) -> None:
        if response.status >= 200:
            self._health.heard(self._target, self._sent, response.status, out)

    def on_timeout(self, branch: object, out: list[Effect]) -> None:
        """The health has long noticed."""

    def on_transport_error(self, branch: object, out: list[Effect]) -> None:
        self._health.lost(self._target, "no connection", out)

    def on_timer_c(self, branch: object, out: list[Effect]) -> None:
        """OPTIONS has none."""


class Revival:
    """Asks a target that was lost whether it is back: after a second, two, four ... (`transaction.timers.Timed`)."""

    __slots__ = ("_health", "_interval", "_target", "_wait", "queued")

    def __init__(self, health: Health, target: Target, interval: float) -> None:
        self._health = health
        self._target = target
        self._interval = interval
        self._wait = min(_FIRST_REVIVAL, interval)
        self.queued = NEVER

    def run_due(self, now: float, out: list[Effect]) -> float:
        if not self._health.asks_again(self, self._target, now, out):
            return NEVER
        self._wait = min(2 * self._wait, self._interval)
        return now + self._wait

    @property
    def wait(self) -> float:
        """Seconds until it is asked next."""
        return self._wait


class Health:
    """Probes every target each `interval` seconds; one that gave no answer within `timeout` seconds is down.

    A target that is down is asked more often at first. It implements `targets.Watcher`.
    """

    __slots__ = ("_checking", "_interval", "_node", "_revivals", "_timeout", "queued")

    def __init__(self, node: Node, interval: float, timeout: float) -> None:
        self._node = node
        self._interval = interval
        self._timeout = min(timeout, interval)
        self._checking = False
        # Those that are down.
        self._revivals: dict[Target, Revival] = {}
        self.queued = NEVER
        node.targets.watcher = self

    def start(self, out: list[Effect]) -> None:
        """Begin with the first round now, and go on by the wheel."""
        scene = self._node.layer.scene
        scene.wheel.push(self, self.run_due(scene.now, out))

    def run_due(self, now: float, out: list[Effect]) -> float:
        """Probe, or look who was silent; the two take turns (`transaction.timers.Timed`)."""
        self._checking = not self._checking
        for target in self._node.targets.all:
            if self._checking:
                target.answered = False
                if target not in self._revivals:
                    self._probe(target, now, out)
            elif not target.answered:
                self.lost(target, "it does not answer OPTIONS", out)
        return now + (self._timeout if self._checking else max(self._interval - self._timeout, 0.05))

    def heard(self, target: Target, sent: float, status: int, out: list[Effect]) -> None:
        """A target answered: any status but 503 shows that it works (21.5.4)."""
        target.answered = True
        target.rtt = self._node.now - sent
        if status == _SERVICE_UNAVAILABLE:
            self.lost(target, "it answers 503", out)
        elif not target.up:
            target.up = True
            self._revivals.pop(target, None)
            out.append(Note("info", "the server at {target} answers again", {"target": target.name}))

    def lost(self, target: Target, reason: str, out: list[Effect]) -> None:
        """A target is taken for dead until it answers again."""
        if target.up:
            target.up = False
            scene = self._node.layer.scene
            revival = self._revivals[target] = Revival(self, target, self._interval)
            scene.wheel.push(revival, scene.now + revival.wait)
            fields: dict[str, object] = {"target": target.name, "reason": reason}
            out.append(Note("warn", "the server at {target} is down: {reason}", fields))

    def asks_again(self, revival: Revival, target: Target, now: float, out: list[Effect]) -> bool:
        """Probe a target that was lost; false if it is back, or is none of ours any more."""
        if self._revivals.get(target) is not revival:
            return False
        if target not in self._node.targets.all:
            del self._revivals[target]
            return False
        self._probe(target, now, out)
        return True

    def _probe(self, target: Target, now: float, out: list[Effect]) -> None:
        node = self._node
        flow = node.targets.flow_to(target, out)
        if flow is None:
            return
        uri = b"sip:%b;transport=%b" % (target.host_port, flow.listener.uri_transport)
        send_options(node, uri, b"sip:" + flow.listener.sent_by, flow, Probe(self, target, now), out)
