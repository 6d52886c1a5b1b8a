"""What a transport offers the driver, and what it needs of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from proxy.events import Event
from proxy.flow import Flow, Listener

# How the kernel shows an IPv4 address at a socket on [::] (RFC 4291 section 2.5.5.2); nobody else is to see it.
MAPPED = "::ffff:"

Deliver = Callable[[Event], None]


class FlowMaker(Protocol):
    """Makes flows (`core.flows.Flows`)."""

    def udp(self, listener: Listener, host: str, port: int) -> Flow:
        """The UDP flow between that socket and that remote address."""

    def stream(self, listener: Listener, host: str, port: int, outgoing: bool) -> Flow:
        """A flow for a new connection."""


class Transport(Protocol):
    """One listening socket and what came of it."""

    listener: Listener

    def listen(self) -> None:
        """Bind the socket; raises twisted.internet.error.CannotListenError."""

    def connect(self, flow: Flow) -> None:
        """Begin to connect a stream flow; sends on it wait."""

    def send(self, flow: Flow, octets: bytes) -> None:
        """Send one message; a failure comes back as an event."""

    def close_flow(self, flow: Flow, reason: str) -> None:
        """Close a stream once what was sent has left."""

    def stop(self) -> None:
        """Close the socket and every connection."""


class StreamLimits:
    """Bounds on one stream: bytes of a head, of a body, header lines, bytes waiting to be written; seconds.

    `idle` is how long a connection may be silent, `first_message` how long it may take to complete a message,
    `handshake` how long until its first octets have come (after TLS and the WebSocket upgrade, where it has those).
    After `ping` seconds of silence a WebSocket is pinged, and closed if it is silent for as long again.
    """

    __slots__ = (
        "connections", "first_message", "handshake", "idle", "max_body", "max_head", "max_lines", "ping",
        "write_buffer",
    )  # fmt: skip

    def __init__(
        self,
        max_head: int = 32768,
        max_body: int = 65535,
        max_lines: int = 500,
        write_buffer: int = 262144,
        idle: float = 600.0,
        first_message: float = 30.0,
        connections: int = 100_000,
        handshake: float = 15.0,
        ping: float = 30.0,
    ) -> None:
        self.max_head = max_head
        self.max_body = max_body
        self.max_lines = max_lines
        self.write_buffer = write_buffer
        self.idle = idle
        self.first_message = first_message
        self.connections = connections
        self.handshake = handshake
        self.ping = ping


class WebSocketRules:
    """Which WebSocket handshakes are taken.

    `paths` are those of the request line, without query; empty: all. `origins` are values of Origin in lower case,
    and `none` for a client that sends none; empty: all. `max_message` is the most octets of one message.
    """

    __slots__ = ("max_message", "origins", "paths")

    def __init__(
        self, paths: frozenset[str] = frozenset(), origins: frozenset[str] = frozenset(), max_message: int = 98_303
    ) -> None:
        self.paths = paths
        self.origins = origins
        self.max_message = max_message
