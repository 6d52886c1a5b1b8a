"""A listening stream socket, and who comes in by it: by its first octets each connection finds its listener.

One socket may serve SIP and WebSocket, plain and inside TLS: TLS begins with the octet 0x16 (RFC 8446 section 5.1),
WebSocket with `GET /` (RFC 6455 section 4.1), everything else is SIP. Before that a proxy in front may announce the
client's address. A connection that does not get so far in time is closed; it has no flow, and the core never knew it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from OpenSSL.SSL import Error as TlsError
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from proxy.effects import Note
from proxy.flow import WS, WSS
from proxy.transport.announced import (
    Network,
    ProxyHeaderError,
    begins_proxy_header,
    is_in,
    may_become_proxy_header,
    read_proxy_header,
)
from proxy.transport.contract import MAPPED
from proxy.transport.crowd import Crowd
from proxy.transport.stream import StreamPort

SWEEP = 5.0  # seconds
_TLS = b"\x16"
_UPGRADE = b"GET /"


@implementer(IHandshakeListener)
class Arrival(Protocol):
    """A connection that has not shown yet what it is. It hands over to the one that it turns out to be.

    Inside TLS there is a second one, which has `source`, the client's address, from the first.
    """

    def __init__(self, entrance: Entrance, begun: float, source: tuple[str, int] | None = None) -> None:
        self.begun = begun
        self._entrance = entrance
        self._source = source
        self._secure = source is not None
        self._shaken = False
        self._octets = b""

    def connectionMade(self) -> None:
        self._entrance.waiting[self] = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._entrance.waiting.pop(self, None)
        error = reason.value
        if self._secure and not self._shaken and isinstance(error, TlsError):
            self._entrance.tls_failed(self._source, error)

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's
        self._shaken = True

    def dataReceived(self, data: bytes) -> None:
        self._octets += data
        source = self._source = self._source or self._find_source()
        octets = self._octets
        if source is None or not octets:
            return
        entrance = self._entrance
        if self._secure or octets[:1] != _TLS or not entrance.secure:
            self._choose(entrance.secure if self._secure else entrance.plain, source)
        else:
            self._begin_tls(source)

    def abort(self, reason: str) -> None:
        """Give it up, and count why."""
        self._entrance.waiting.pop(self, None)
        self._entrance.counts.dropped[reason] += 1
        transport: Any = self.transport
        transport.abortConnection()

    def leave(self) -> None:
        """The process ends."""
        transport: Any = self.transport
        transport.loseConnection()

    def _find_source(self) -> tuple[str, int] | None:
        """The client's address, by the socket or by a PROXY header, which is taken off; None if it is not known yet."""
        entrance = self._entrance
        transport: Any = self.transport
        peer = transport.getPeer()
        source = (entrance.plain_host(peer.host), peer.port)
        octets = self._octets
        trusted = bool(entrance.trusted) and is_in(source[0], entrance.trusted)
        if begins_proxy_header(octets):
            if not trusted:
                self.abort("proxy_header_untrusted")
                return None
            try:
                header = read_proxy_header(octets)
            except ProxyHeaderError:
                self.abort("proxy_header_malformed")
                return None
            if header is None:
                return None
            self._octets = octets[header.length :]
            return header.source or source
        return None if trusted and may_become_proxy_header(octets) else source

    def _begin_tls(self, source: tuple[str, int]) -> None:
        entrance = self._entrance
        inner = Arrival(entrance, self.begun, source)
        tls: Any = entrance.tls.protocol(entrance.tls, inner)
        transport: Any = self.transport
        entrance.waiting.pop(self, None)
        transport.protocol = tls
        tls.makeConnection(transport)
        tls.dataReceived(self._octets)

    def _choose(self, ports: Sequence[StreamPort], source: tuple[str, int]) -> None:
        octets = self._octets
        if len(ports) > 1 and len(octets) < len(_UPGRADE) and _UPGRADE.startswith(octets):
            return
        wanted = octets.startswith(_UPGRADE)
        transport: Any = self.transport
        for port in ports:
            if len(ports) == 1 or (port.listener.transport in (WS, WSS)) == wanted:
                asked = transport.getHandle().get_servername() if self._secure else None
                self._become(port.connection(source, (asked or b"").lower()))
                return
        self.abort("not_tls")

    def _become(self, connection: Any) -> None:
        self._entrance.waiting.pop(self, None)
        transport: Any = self.transport
        if self._secure:
            transport.wrappedProtocol = connection
        else:
            transport.protocol = connection
        connection.makeConnection(transport)
        connection.dataReceived(self._octets)


class Entrance(Factory):
    """One listening socket and the connections that wait at it."""

    noisy = False

    def __init__(
        self,
        reactor: Any,
        ports: Sequence[StreamPort],
        note: Callable[[Note], None],
        trusted: Sequence[Network] = (),
        certificates: Any = None,
        together: list[Entrance] | None = None,
    ) -> None:
        """`ports` share this address and have at most one of each transport. From `trusted` networks PROXY headers
        and X-Forwarded-For are believed. `certificates` makes TLS connections, where a port is secure. The entrances
        in `together`, which this one joins, have one limit of connections.
        """
        self.plain = [port for port in ports if not port.secure]
        self.secure = [port for port in ports if port.secure]
        self.trusted = tuple(trusted)
        # The one that waits longest first.
        self.waiting: dict[Arrival, None] = {}
        self._together = [] if together is None else together
        self._together.append(self)
        first = ports[0]
        self.counts = first.counts
        self.certificates = certificates
        self.tls: Any = _tls_factory(certificates, self, reactor) if self.secure else None
        self._note = note
        self._reactor = reactor
        self.ports = tuple(ports)
        self._listener = first.listener
        self._dual = first.listener.host == "::"
        self._clock = first.clock
        self.crowd = Crowd(first.clock, first.limits.connections)
        self._limits = first.limits
        self._port: Any = None
        self._sweeper = LoopingCall(self.sweep)
        self._sweeper.clock = reactor
        for port in ports:
            port.entrance = self

    def listen(self) -> None:
        """Bind the socket, once for all its ports. Raises twisted.internet.error.CannotListenError."""
        if self._port is None:
            host, port = self._listener.host, self._listener.port
            self._port = self._reactor.listenTCP(port, self, backlog=1024, interface=host)
            self._sweeper.start(SWEEP, now=False)

    def stop(self) -> None:
        """Take nobody in any more."""
        if self._sweeper.running:
            self._sweeper.stop()
        if self._port is not None:
            self._port.stopListening()
            self._port = None
        for arrival in list(self.waiting):
            arrival.leave()

    def buildProtocol(self, addr: Any) -> Protocol | None:
        full = sum(entrance.held for entrance in self._together) >= self._limits.connections
        if full and not self._make_room():
            self.counts.dropped["connections_full"] += 1
            return None
        return Arrival(self, self._clock())

    def _make_room(self) -> bool:
        """Who connects and says nothing must keep nobody out: the one that has waited longest leaves.

        Where nobody waits, one leaves who holds many connections without being registered on them.
        """
        waiting = max((entrance.waiting for entrance in self._together), key=len)
        if waiting:
            next(iter(waiting)).abort("connections_full")
            return True
        ports = [port for entrance in self._together for port in entrance.ports]
        if max(ports, key=lambda port: port.greeting).give_up_greeting("connections_full"):
            return True
        crowd = self._together[0].crowd
        found = crowd.next(lambda: chain.from_iterable(port.spare() for port in ports), ports[0].in_use)
        if found is not None:
            self.counts.dropped["connection_gave_way"] += 1
            found.abort("connections_full")
        return found is not None

    @property
    def held(self) -> int:
        """How many sockets are open here."""
        return len(self.waiting) + sum(port.held for port in self.ports)

    def plain_host(self, host: str) -> str:
        """The peer's address as everybody else writes it."""
        return host.removeprefix(MAPPED) if self._dual else host

    def tls_failed(self, source: tuple[str, int] | None, error: BaseException) -> None:
        """A TLS handshake came to nothing. Anybody can make that happen at will: it is no line at `info`."""
        self.counts.dropped["tls_handshake"] += 1
        why = "; ".join(str(part[-1]) for part in error.args[0]) if error.args and error.args[0] else "it broke off"
        fields: dict[str, object] = {"host": source[0] if source else "", "why": why}
        self._note(Note("debug", "TLS handshake with {host} failed: {why}", fields))

    def sweep(self) -> None:
        """Close what has not shown in time what it is, and let each port see to its own connections."""
        begun = self._clock() - self._limits.handshake
        for arrival in list(self.waiting):
            if arrival.begun < begun:
                arrival.abort("handshake_timeout")
        for port in self.ports:
            port.sweep()


def _tls_factory(certificates: Any, entrance: Any, reactor: Any) -> TLSMemoryBIOFactory:
    """What wraps connections in TLS. Without Twisted's gathering of small writes: each of ours is a whole message."""
    factory = TLSMemoryBIOFactory(certificates, False, entrance, reactor)
    factory.protocol = TLSMemoryBIOProtocol
    return factory
