"""One stream connection: bounded writing and its end, the same for all; and SIP cut out of it by the framer.

RFC 3261 section 18.3, RFC 5626 section 4.4.1. A peer that does not read is closed once more than `write_buffer` bytes
wait for it.
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
    """What a connection needs of its port. `secure`: its connections are inside TLS."""

    clock: Callable[[], float]
    counts: Counts
    deliver: Deliver
    limits: StreamLimits
    secure: bool

    def made(self, connection: Connection) -> None:
        """It carries messages from now on."""

    def leaves(self, connection: Connection, reason: str) -> None:
        """It ends: no message is taken from it, or sent on it, any more."""

    def lost(self, connection: Connection) -> None:
        """Its socket is gone."""


@implementer(IPushProducer)
class Connection(Protocol):
    """What all stream connections share. It counts what it wrote since the peer stopped reading.

    `flow` is None until it carries messages; `partial` tells that a message has begun (at `begun`) and not ended.
    """

    def __init__(self, port: ConnectionOwner, flow: Flow | None) -> None:
        self.port = port
        self.flow = flow
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

    def send(self, octets: bytes) -> None:
        """Write the octets, or what carries them; the connection of a peer that does not read is closed."""
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

    def rest(self, now: float) -> None:
        """Called every few seconds while nothing is wrong: the moment for a sign of life."""

    def close(self, reason: str) -> None:
        """Close once everything written has left; the flow ends now.

        Our half is closed first and the peer's octets are read until it closes its own: closing a socket with unread
        octets makes the kernel reset the connection, and the answer just written may be lost with it.
        """
        if self._closing:
            return
        self.say_goodbye(reason)
        if self._leave(reason):
            transport: Any = self.transport
            transport.unregisterProducer()
            if self.port.secure:
                # TLS has a goodbye of its own, after which it waits for the peer's.
                transport.loseConnection()
            else:
                transport.loseWriteConnection()

    def say_goodbye(self, reason: str) -> None:
        """Write what ends the conversation in an orderly way, if anything does."""

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
        elif not self._closing:
            self.say_goodbye(reason)
            if self._leave(reason):
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


class StreamConnection(Connection):
    """SIP on a stream, over TCP or inside TLS."""

    def __init__(self, port: ConnectionOwner, flow: Flow) -> None:
        super().__init__(port, flow)
        limits = port.limits
        self._to = flow
        self._framer = StreamFramer(limits.max_head, limits.max_body, limits.max_lines)

    def connectionMade(self) -> None:
        super().connectionMade()
        self.port.made(self)

    def dataReceived(self, data: bytes) -> None:
        self.heard = now = self.port.clock()
        if self.deaf:
            return
        framer = self._framer
        try:
            framer.feed(data)
            octets = framer.next()
            if octets is None and not self.partial:
                self.begun = now
            while octets is not None:
                self.begun = now
                self.port.deliver(MessageReceived(self._to, octets, now))
                # If that message closed the connection, what came behind it is nobody's any more.
                octets = None if self.deaf else framer.next()
            self.partial = framer.pending
            pings = framer.take_pings()
            if pings:
                self.send(PONG * pings)
        except FramingError as error:
            self.deaf = True
            self.port.deliver(FramingFailed(self._to, framer.broken, error.label, error.text, now, error.status))
