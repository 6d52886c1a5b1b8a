"""TCP: connections in both directions, cut into messages by the framer (RFC 3261 sections 18 and 18.3, RFC 5626).

A peer that does not read is closed once more than `write_buffer` bytes wait for it; one that never completes a
message, or is silent too long, is closed too. Others are not affected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from zope.interface import implementer

from proxy.counts import Counts
from proxy.events import FlowClosed, FlowOpened, FramingFailed, MessageReceived
from proxy.flow import Flow, Listener
from proxy.sip.errors import FramingError
from proxy.sip.framing import StreamFramer
from proxy.transport.contract import Deliver, FlowMaker, StreamLimits

PONG = b"\r\n"
CONNECT_TIMEOUT = 8.0  # seconds; well within Timer B and F, so that the next target is still of use
SWEEP = 5.0


@implementer(IPushProducer)
class StreamConnection(Protocol):
    """One connection. It counts what it wrote since the peer stopped reading."""

    def __init__(self, port: StreamPort, flow: Flow | None) -> None:
        self.port = port
        self.flow = flow
        limits = port.limits
        self.framer = StreamFramer(limits.max_head, limits.max_body, limits.max_lines)
        self.heard = self.begun = port.clock()
        self.partial = False
        self.closing = ""
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
        if self.closing or self.flow is None:
            return
        framer = self.framer
        try:
            framer.feed(data)
            octets = framer.next()
            if octets is None and not self.partial:
                self.begun = now
            while octets is not None:
                self.begun = now
                self.port.deliver(MessageReceived(self.flow, octets, now))
                octets = framer.next()
            self.partial = framer.pending
            if framer.take_pings():
                self.send(PONG)
        except FramingError as error:
            self.closing = error.label
            self.port.deliver(FramingFailed(self.flow, framer.broken, error.label, error.text, now))

    def send(self, octets: bytes) -> None:
        transport: Any = self.transport
        if self._blocked:
            self._waiting += len(octets)
            if self._waiting > self.port.limits.write_buffer:
                self.port.counts.dropped["slow_reader"] += 1
                self.abort("slow_reader")
                return
        transport.write(octets)

    def close(self, reason: str) -> None:
        """Close once everything written has left."""
        self.closing = self.closing or reason
        transport: Any = self.transport
        transport.unregisterProducer()
        transport.loseConnection()

    def abort(self, reason: str) -> None:
        """Close at once."""
        self.closing = self.closing or reason
        transport: Any = self.transport
        transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.port.lost(self, self.closing or "peer_closed")

    # -- IPushProducer: the transport tells whether the peer reads

    def pauseProducing(self) -> None:
        self._blocked = True
        self._waiting = 0

    def resumeProducing(self) -> None:
        self._blocked = False

    def stopProducing(self) -> None:
        """The connection ends; `connectionLost` follows."""


class _Outgoing(ClientFactory):
    """Makes the protocol of one connection of ours."""

    noisy = False

    def __init__(self, port: StreamPort, flow: Flow) -> None:
        self.port = port
        self.flow = flow

    def buildProtocol(self, addr: Any) -> Protocol:
        return StreamConnection(self.port, self.flow)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.port.failed(self.flow, reason.type.__name__ if reason.type else "error")


class StreamPort(Factory):
    """One listening TCP socket, the connections it accepted and those opened from its side."""

    noisy = False

    def __init__(
        self,
        listener: Listener,
        reactor: Any,
        flows: FlowMaker,
        deliver: Deliver,
        clock: Callable[[], float],
        limits: StreamLimits,
        counts: Counts,
    ) -> None:
        self.listener = listener
        self.deliver = deliver
        self.clock = clock
        self.limits = limits
        self.counts = counts
        self._reactor = reactor
        self._flows = flows
        self._connections: dict[int, StreamConnection] = {}
        # Messages for connections that are being made, by connection number.
        self._early: dict[int, list[bytes]] = {}
        self._port: Any = None
        self._sweeper = LoopingCall(self.sweep)
        self._sweeper.clock = reactor

    # -- Transport

    def listen(self) -> None:
        self._port = self._reactor.listenTCP(self.listener.port, self, backlog=1024, interface=self.listener.host)
        self._sweeper.start(SWEEP, now=False)

    def connect(self, flow: Flow) -> None:
        self._early[flow.number] = []
        host = self.listener.host
        wildcard = host in ("", "0.0.0.0", "::")
        self._reactor.connectTCP(
            flow.remote_host,
            flow.remote_port,
            _Outgoing(self, flow),
            timeout=CONNECT_TIMEOUT,
            bindAddress=None if wildcard else (host, 0),
        )

    def send(self, flow: Flow, octets: bytes) -> None:
        connection = self._connections.get(flow.number)
        if connection is not None:
            connection.send(octets)
            return
        early = self._early.get(flow.number)
        if early is None:
            self.counts.dropped["flow_gone"] += 1
        elif sum(map(len, early)) + len(octets) > self.limits.write_buffer:
            self.counts.dropped["slow_connect"] += 1
        else:
            early.append(octets)

    def close_flow(self, flow: Flow, reason: str) -> None:
        connection = self._connections.get(flow.number)
        if connection is not None:
            connection.close(reason)

    def stop(self) -> None:
        if self._sweeper.running:
            self._sweeper.stop()
        if self._port is not None:
            self._port.stopListening()
            self._port = None
        for connection in list(self._connections.values()):
            connection.close("shutdown")

    # -- connections

    def buildProtocol(self, addr: Any) -> Protocol | None:
        if len(self._connections) >= self.limits.connections:
            self.counts.dropped["connections_full"] += 1
            return None
        return StreamConnection(self, None)

    def made(self, connection: StreamConnection) -> None:
        """A connection is up, in either direction."""
        flow = connection.flow
        if flow is None:
            transport: Any = connection.transport
            peer = transport.getPeer()
            flow = connection.flow = self._flows.stream(self.listener, peer.host, peer.port, False)
        self._connections[flow.number] = connection
        self.deliver(FlowOpened(flow, self.clock()))
        for octets in self._early.pop(flow.number, ()):
            connection.send(octets)

    def lost(self, connection: StreamConnection, reason: str) -> None:
        flow = connection.flow
        if flow is not None and self._connections.pop(flow.number, None) is not None:
            self.deliver(FlowClosed(flow, reason, self.clock()))

    def failed(self, flow: Flow, reason: str) -> None:
        """A connection of ours could not be made; what waited for it is lost."""
        self._early.pop(flow.number, None)
        self.deliver(FlowClosed(flow, reason, self.clock()))

    def sweep(self) -> None:
        """Close connections that are silent too long, or that never complete a message."""
        now = self.clock()
        limits = self.limits
        for connection in list(self._connections.values()):
            if connection.partial and now - connection.begun > limits.first_message:
                self.counts.dropped["slow_message"] += 1
                connection.abort("slow_message")
            elif now - connection.heard > limits.idle:
                connection.close("idle")
