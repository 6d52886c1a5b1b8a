"""Wires without sockets for the demo's agents: what is sent is delivered at once, or lost if the test says so."""

from __future__ import annotations

from twisted.internet.task import Clock

from proxy.demo.wire import UnreachableError
from proxy.sip.parser import parse_message


class Line:
    """One way of a wire. `lost` tells by message whether it disappears; `sent` keeps everything."""

    def __init__(self, address=("127.0.0.1", 4000), reliable=False):
        self.address = address
        self.reliable = reliable
        self.via_transport = b"TCP" if reliable else b"UDP"
        self.sent = []
        self.asked_ports = []
        self.peer = None
        self.back = None
        self.lost = lambda message: False
        self.broken = False

    def send(self, octets):
        if self.broken:
            raise UnreachableError("the wire is cut")
        message = parse_message(octets)
        self.sent.append(message)
        if self.peer is not None and not self.lost(message):
            self.peer.received(message, self.back)

    def at_port(self, port):
        self.asked_ports.append(port)
        return self

    @property
    def shown(self):
        """What was sent, as methods and status codes."""
        return [getattr(message, "method", None) or message.status for message in self.sent]


def connect(one, other, reliable=False):
    """Two lines between two agents: (from one to other, from other to one)."""
    there, back = Line(("127.0.0.1", 5060), reliable), Line(("127.0.0.1", 4000), reliable)
    there.peer, there.back = other, back
    back.peer, back.back = one, there
    return there, back


def run_until(clock: Clock, end: float) -> None:
    """Advance from one due call to the next, so that each runs at its own time."""
    while True:
        due = [call.getTime() for call in clock.getDelayedCalls() if call.getTime() <= end]
        if not due:
            break
        clock.advance(max(0.0, min(due) - clock.seconds()))
    clock.advance(end - clock.seconds())


def silent(direction, message, way, repeated):
    """A watch that does not look."""
