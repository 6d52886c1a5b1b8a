"""One TCP connection, cut into messages by the framer (RFC 3261 section 18.3, RFC 5626 section 4.4.1).

A peer that does not read is closed once more than `write_buffer` bytes wait for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import Protocol as Contract

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from proxy.counts import Counts
from proxy.events import FramingFailed, MessageReceived
from proxy.flow import Flow
from proxy.sip.errors import FramingError
from proxy.sip.framing import StreamFramer
from proxy.transport.contract import Deliver, StreamLimits

PONG = b"\r\n"


class ConnectionOwner(Contract):
    """What a connection needs of its port."""

    clock: Callable[[], float]
    counts: Counts
    deliver: Deliver
    limits: StreamLimits

    def made(self, connection: StreamConnection) -> None:
        """It is up: it wants a flow if it has none."""

    def leaves(self, connection: StreamConnection, reason: str) -> None:
        """We close it."""

    def lost(self, connection: StreamConnection) -> None:
        """Its socket is gone."""


@implementer(IPushProducer)
class StreamConnection(Protocol):
    """One connection. It counts what it wrote since the peer stopped reading."""

    def __init__(self, port: ConnectionOwner, flow: Flow | None) -> None:
        self.port = port
        self.flow = flow
        limits = port.limits
        self.framer = StreamFramer(limits.max_head, limits.max_body, limits.max_lines)
        self.heard = self.begun = port.clock()
        self.partial = False
        # What arrives is thrown away: the stream cannot be cut any more, or is being closed.
        self.deaf = False
        self.left = 0.0
        self._closing = False
        self._blocked = False
        self._waiting = 0

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)
        transport.registerProducer(self, True)
        self.heard = self.begun = self.port.clock()
        self.port.made(self)

    def dataReceived(self, data: bytes) -> None:
        self.heard = now = self.port.clock()
        flow = self.flow
        if self.deaf or flow is None:
            return
        framer = self.framer
        try:
            framer.feed(data)
            octets = framer.next()
            if octets is None and not self.partial:
                self.begun = now
            while octets is not None:
                self.begun = now
                self.port.deliver(MessageReceived(flow, octets, now))
                # If that message closed the connection, what came behind it is nobody's any more.
                octets = None if self.deaf else framer.next()
            self.partial = framer.pending
            pings = framer.take_pings()
            if pings:
                self.send(PONG * pings)
        except FramingError as error:
            self.deaf = True
            self.port.deliver(FramingFailed(flow, framer.broken, error.label, error.text, now, error.status))

    def send(self, octets: bytes) -> None:
        if self._closing:
            return
        if self._blocked:
            self._waiting += len(octets)
            if self._waiting > self.port.limits.write_buffer:
                self.port.counts.dropped["slow_reader"] += 1
                self.abort("slow_reader")
                return
        transport: Any = self.transport
        transport.write(octets)

    def close(self, reason: str) -> None:
        """Close once everything written has left; the flow ends now.

        Our half is closed first and the peer's octets are read until it closes its own: closing a socket with unread
        octets makes the kernel reset the connection, and the answer just written may be lost with it.
        """
        if self._leave(reason):
            transport: Any = self.transport
            transport.unregisterProducer()
            transport.loseWriteConnection()

    def abort(self, reason: str) -> None:
        """Close at once; what waits to be written is lost."""
        if self._leave(reason):
            self.reset()

    def reset(self) -> None:
        """Give the socket back."""
        transport: Any = self.transport
        transport.abortConnection()

    def shut(self, reason: str) -> None:
        """Close without waiting for the peer: the process ends."""
        if self._blocked:
            self.abort(reason)
        elif self._leave(reason):
            transport: Any = self.transport
            transport.unregisterProducer()
            transport.loseConnection()

    def _leave(self, reason: str) -> bool:
        if self._closing:
            return False
        self._closing = self.deaf = True
        self.left = self.port.clock()
        self.port.leaves(self, reason)
        return True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._closing = self.deaf = True
        self.port.lost(self)

    # -- IPushProducer: the transport tells whether the peer reads

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's
        # Called again with each write while the peer does not read: the count must go on.
        self._blocked = True

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's
        self._blocked = False
        self._waiting = 0

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's
        """The connection ends; `connectionLost` follows."""
