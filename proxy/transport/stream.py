"""The connections of one stream listener: those it accepted and those opened from its side (RFC 3261 section 18).

A connection that never completes a message, or is silent too long, is closed. Others are not affected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from typing import Protocol as Contract

from proxy.counts import Counts
from proxy.events import FlowClosed, FlowOpened
from proxy.flow import CLIENT, TLS, WS, WSS, Flow, Listener
from proxy.transport.announced import Network
from proxy.transport.connection import Connection, StreamConnection
from proxy.transport.contract import Deliver, FlowMaker, StreamLimits, WebSocketRules
from proxy.transport.outgoing import Attempt
from proxy.transport.websocket import WebSocketConnection

# How long a connection that we closed may take to empty itself and to be closed by the peer (seconds).
LINGER = 5.0


class Entry(Contract):
    """The listening socket, as its ports need it (`entrance.Entrance`)."""

    trusted: tuple[Network, ...]

    def listen(self) -> None:
        """Bind the socket, once for all its ports."""

    def stop(self) -> None:
        """Take nobody in any more."""


class StreamPort:
    """The connections of one listener. Its `Entrance` listens for it, and runs its sweep."""

    entrance: Entry

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
        rules: WebSocketRules | None = None,
        verifier: Any = None,
    ) -> None:
        """`in_use` tells whether a flow is wanted although it is silent: a registered client's. `rules` are for
        WebSocket; `verifier` (`tls_client.Verifier`) makes and judges TLS connections of ours.
        """
        self.listener = listener
        self.secure = listener.transport in (TLS, WSS)
        self.deliver = deliver
        self.clock = clock
        self.limits = limits
        self.counts = counts
        self.reactor = reactor
        self.rules = rules or WebSocketRules()
        self.verifier = verifier
        self._flows = flows
        self._in_use = in_use
        # By connection number: those that carry messages, those being made; and those being closed.
        self._connections: dict[int, Connection] = {}
        self._attempts: dict[int, Attempt] = {}
        self._leaving: set[Connection] = set()
        # WebSockets that are not open yet, the one that waits longest first.
        self._greeting: dict[Connection, None] = {}
        self._stopped = False

    @property
    def held(self) -> int:
        """How many sockets are open here."""
        return len(self._connections) + len(self._greeting) + len(self._leaving)

    @property
    def greeting(self) -> int:
        """How many WebSockets are not open yet."""
        return len(self._greeting)

    def give_up_greeting(self, reason: str) -> bool:
        """Close the WebSocket that has been shaking hands for longest, and count why; false if there is none."""
        connection = next(iter(self._greeting), None)
        if connection is None:
            return False
        self.counts.dropped[reason] += 1
        connection.abort(reason)
        return True

    def spare(self) -> Iterator[tuple[str, Connection]]:
        """Connections of clients on which nobody is registered, with the address of each."""
        if self.listener.side == CLIENT:
            for connection in self._connections.values():
                flow = connection.flow
                if flow is not None and not flow.outgoing and not self._in_use(flow):
                    yield flow.remote_host, connection

    def in_use(self, connection: Connection) -> bool:
        """Whether somebody is registered on a connection."""
        return connection.flow is not None and self._in_use(connection.flow)

    # -- Transport

    def listen(self) -> None:
        self.entrance.listen()

    def connect(self, flow: Flow) -> None:
        host = self.listener.host
        wildcard = host in ("0.0.0.0", "::")
        if self._stopped or not (wildcard or (":" in host) == (":" in flow.remote_host)):
            # From an address of the one family there is no way to one of the other.
            self.deliver(FlowClosed(flow, "shutdown" if self._stopped else "no_route", self.clock()))
            return
        attempt = self._attempts[flow.number] = Attempt(self, flow)
        attempt.begin(self.reactor, None if wildcard else (host, 0))

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
        self.entrance.stop()
        for attempt in list(self._attempts.values()):
            attempt.give_up("shutdown")
        for connection in [*self._leaving, *self._greeting]:
            connection.reset()
        for connection in list(self._connections.values()):
            connection.shut("shutdown")

    # -- connections

    def connection(self, source: tuple[str, int], asked: bytes = b"") -> Connection:
        """What takes over a connection that has come in, `source` being the client's address; `asked` as in a flow."""
        if self.listener.transport in (WS, WSS):
            return WebSocketConnection(self, source, self.entrance.trusted)
        flow = self.new_flow(source)
        flow.asked = asked
        return StreamConnection(self, flow)

    def new_flow(self, source: tuple[str, int]) -> Flow:
        """A flow for a connection that has come in."""
        return self._flows.stream(self.listener, *source, False)

    def greets(self, connection: Connection) -> None:
        """A connection is up, and has to shake hands before it can carry messages."""
        self._greeting[connection] = None

    def made(self, connection: Connection) -> None:
        """A connection carries messages from now on, in either direction."""
        self._greeting.pop(connection, None)
        flow = connection.flow
        if flow is None:
            raise AssertionError("a connection without a flow carries no messages")
        self._connections[flow.number] = connection
        attempt = self._attempts.pop(flow.number, None)
        if attempt is not None:
            for octets in attempt.early:
                connection.send(octets)
        self.deliver(FlowOpened(flow, self.clock()))

    def leaves(self, connection: Connection, reason: str) -> None:
        """A connection ends: its flow does so here, its socket when all is written and the peer has closed too."""
        self._leaving.add(connection)
        self._end(connection, reason)

    def lost(self, connection: Connection) -> None:
        """The socket is gone."""
        self._leaving.discard(connection)
        self._end(connection, "peer_closed")

    def _end(self, connection: Connection, reason: str) -> None:
        self._greeting.pop(connection, None)
        flow = connection.flow
        if flow is not None and self._connections.pop(flow.number, None) is not None:
            self.deliver(FlowClosed(flow, reason, self.clock()))

    def failed(self, flow: Flow, reason: str) -> None:
        """A connection of ours could not be made; what waited for it is lost."""
        if self._attempts.pop(flow.number, None) is not None:
            self.deliver(FlowClosed(flow, reason, self.clock()))

    def sweep(self) -> None:
        """Close connections that are silent too long, or that never complete a handshake, a message or our goodbye."""
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
            elif connection.heard < idle and not self.in_use(connection):
                connection.close("idle")
            else:
                connection.rest(now)
        shaken = now - self.limits.handshake
        for connection in [each for each in self._greeting if each.begun < shaken]:
            self.counts.dropped["handshake_timeout"] += 1
            connection.abort("handshake_timeout")
        for attempt in [each for each in self._attempts.values() if each.begun < shaken]:
            attempt.give_up("handshake_timeout")
        for connection in list(self._leaving):
            if now - connection.left > LINGER:
                connection.reset()
