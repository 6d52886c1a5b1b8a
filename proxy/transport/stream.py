"""TCP: one listening socket, the connections it accepted and those opened from its side (RFC 3261 section 18).

A connection that never completes a message, or is silent too long, is closed. Others are not affected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import NoRouteError
from twisted.internet.error import TimeoutError as TimedOut
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from proxy.counts import Counts
from proxy.events import FlowClosed, FlowOpened
from proxy.flow import Flow, Listener
from proxy.transport.connection import StreamConnection
from proxy.transport.contract import MAPPED, Deliver, FlowMaker, StreamLimits

CONNECT_TIMEOUT = 8.0  # seconds; well within Timer B and F, so that the next target is still of use
SWEEP = 5.0
# How long a connection that we closed may take to empty itself and to be closed by the peer (seconds).
LINGER = 5.0

_FAILURES: dict[type[BaseException], str] = {
    Refused: "refused",
    TimedOut: "connect_timeout",
    NoRouteError: "no_route",
}


class _Attempt(ClientFactory):
    """One connection of ours while it is being made, and the messages that wait for it."""

    noisy = False

    def __init__(self, port: StreamPort, flow: Flow) -> None:
        self.port = port
        self.flow = flow
        self.early: list[bytes] = []
        self.waiting = 0
        self.connector: Any = None
        self.given_up = ""

    def buildProtocol(self, addr: Any) -> Protocol:
        return StreamConnection(self.port, self.flow)

    def give_up(self, reason: str) -> None:
        self.given_up = reason
        self.connector.disconnect()

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:  # noqa: N802 - Twisted's
        kind = reason.type
        self.port.failed(self.flow, self.given_up or (_FAILURES.get(kind) if kind else None) or "connect_failed")


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
        in_use: Callable[[Flow], bool] = lambda flow: False,
    ) -> None:
        """`in_use` tells whether a flow is wanted although it is silent: a registered client's."""
        self.listener = listener
        self.deliver = deliver
        self.clock = clock
        self.limits = limits
        self.counts = counts
        self._reactor = reactor
        self._flows = flows
        self._in_use = in_use
        # By connection number: those that carry messages, those being made; and those being closed.
        self._connections: dict[int, StreamConnection] = {}
        self._attempts: dict[int, _Attempt] = {}
        self._leaving: set[StreamConnection] = set()
        self._port: Any = None
        self._stopped = False
        self._dual = listener.host == "::"
        self._sweeper = LoopingCall(self.sweep)
        self._sweeper.clock = reactor

    # -- Transport

    def listen(self) -> None:
        self._port = self._reactor.listenTCP(self.listener.port, self, backlog=1024, interface=self.listener.host)
        self._sweeper.start(SWEEP, now=False)

    def connect(self, flow: Flow) -> None:
        host = self.listener.host
        wildcard = host in ("0.0.0.0", "::")
        if self._stopped or not (wildcard or (":" in host) == (":" in flow.remote_host)):
            # From an address of the one family there is no way to one of the other.
            self.deliver(FlowClosed(flow, "shutdown" if self._stopped else "no_route", self.clock()))
            return
        attempt = self._attempts[flow.number] = _Attempt(self, flow)
        attempt.connector = self._reactor.connectTCP(
            flow.remote_host,
            flow.remote_port,
            attempt,
            timeout=CONNECT_TIMEOUT,
            bindAddress=None if wildcard else (host, 0),
        )

    def send(self, flow: Flow, octets: bytes) -> None:
        connection = self._connections.get(flow.number)
        if connection is not None:
            connection.send(octets)
            return
        attempt = self._attempts.get(flow.number)
        if attempt is None:
            self.counts.dropped["flow_gone"] += 1
        elif attempt.waiting + len(octets) > self.limits.write_buffer:
            self.counts.dropped["slow_connect"] += 1
        else:
            attempt.waiting += len(octets)
            attempt.early.append(octets)

    def close_flow(self, flow: Flow, reason: str) -> None:
        connection = self._connections.get(flow.number)
        if connection is not None:
            connection.close(reason)
        elif flow.number in self._attempts:
            self._attempts[flow.number].give_up(reason)

    def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        if self._sweeper.running:
            self._sweeper.stop()
        if self._port is not None:
            self._port.stopListening()
            self._port = None
        for attempt in list(self._attempts.values()):
            attempt.give_up("shutdown")
        for connection in list(self._leaving):
            connection.reset()
        for connection in list(self._connections.values()):
            connection.shut("shutdown")

    # -- connections

    def buildProtocol(self, addr: Any) -> Protocol | None:
        if len(self._connections) + len(self._leaving) >= self.limits.connections:
            self.counts.dropped["connections_full"] += 1
            return None
        return StreamConnection(self, None)

    def made(self, connection: StreamConnection) -> None:
        """A connection is up, in either direction."""
        flow = connection.flow
        if flow is None:
            transport: Any = connection.transport
            peer = transport.getPeer()
            host = peer.host.removeprefix(MAPPED) if self._dual else peer.host
            flow = connection.flow = self._flows.stream(self.listener, host, peer.port, False)
        self._connections[flow.number] = connection
        attempt = self._attempts.pop(flow.number, None)
        if attempt is not None:
            for octets in attempt.early:
                connection.send(octets)
        self.deliver(FlowOpened(flow, self.clock()))

    def leaves(self, connection: StreamConnection, reason: str) -> None:
        """We close a connection: its flow ends here, its socket when all is written and the peer has closed too."""
        self._leaving.add(connection)
        self._end(connection, reason)

    def lost(self, connection: StreamConnection) -> None:
        """The socket is gone."""
        self._leaving.discard(connection)
        self._end(connection, "peer_closed")

    def _end(self, connection: StreamConnection, reason: str) -> None:
        flow = connection.flow
        if flow is not None and self._connections.pop(flow.number, None) is not None:
            self.deliver(FlowClosed(flow, reason, self.clock()))

    def failed(self, flow: Flow, reason: str) -> None:
        """A connection of ours could not be made; what waited for it is lost."""
        if self._attempts.pop(flow.number, None) is not None:
            self.deliver(FlowClosed(flow, reason, self.clock()))

    def sweep(self) -> None:
        """Close connections that are silent too long, or that never complete a message or our goodbye."""
        now = self.clock()
        begun = now - self.limits.first_message
        idle = now - self.limits.idle
        for connection in list(self._connections.values()):
            if connection.deaf:
                # The core should have closed it; without this, an error there would keep it for good.
                connection.abort("unframed")
            elif connection.partial and connection.begun < begun:
                self.counts.dropped["slow_message"] += 1
                connection.abort("slow_message")
            elif connection.heard < idle and not (connection.flow is not None and self._in_use(connection.flow)):
                connection.close("idle")
        for connection in list(self._leaving):
            if now - connection.left > LINGER:
                connection.reset()
