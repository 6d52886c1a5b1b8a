"""What stands at both ends of a connection under test: a wire that remembers, and the port it belongs to."""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from proxy.counts import Counts


class Wire(StringTransport):
    """A transport that remembers how it was ended."""

    def __init__(self):
        super().__init__(peerAddress=IPv4Address("TCP", "192.0.2.7", 4711))
        self.ends = []

    def setTcpNoDelay(self, enabled):
        self.no_delay = enabled

    def setTcpKeepAlive(self, enabled):
        self.keep_alive = enabled

    def loseWriteConnection(self):
        self.ends.append("half-closed")

    def loseConnection(self):
        self.ends.append("closed")

    def abortConnection(self):
        self.ends.append("aborted")


class Owner:
    """Stands for the port of a connection."""

    def __init__(self, limits):
        self.limits = limits
        self.time = Clock()
        self.clock = self.time.seconds
        self.counts = Counts(1)
        self.secure = False
        self.events = []
        self.left = []
        self.up = 0
        self.gone = 0
        self.on_event = None

    def deliver(self, event):
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)

    def made(self, connection):
        self.up += 1

    def leaves(self, connection, reason):
        self.left.append(reason)

    def lost(self, connection):
        self.gone += 1
