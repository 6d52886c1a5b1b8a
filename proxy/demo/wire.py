"""The sockets of the demo's server and clients: one UDP socket, and for the server TCP on the same port.

Octets become messages here; what is no SIP message is dropped. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Contract
from typing import cast

from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from proxy.sip.errors import SipError
from proxy.sip.framing import StreamFramer
from proxy.sip.message import Request, Response
from proxy.sip.parser import parse_message

Message = Request | Response
Address = tuple[str, int]
Received = Callable[[Message, "Way"], None]


class Delayed(Contract):
    """A call that was put off."""

    def cancel(self) -> None: ...

    def active(self) -> bool: ...


class Clock(Contract):
    """What the demo needs of time."""

    def seconds(self) -> float: ...

    def callLater(self, delay: float, call: Callable[..., object], *args: object) -> Delayed: ...  # noqa: N802  Twisted's name


class BoundPort(Contract):
    """A socket that Twisted listens on."""

    def getHost(self) -> IPv4Address: ...  # noqa: N802  Twisted's name

    def stopListening(self) -> object: ...  # noqa: N802  Twisted's name


class Reactor(Clock, Contract):
    """What the demo needs of Twisted's reactor, which is handed in."""

    listenUDP: Callable[..., BoundPort]  # noqa: N815  Twisted's name
    listenTCP: Callable[..., BoundPort]  # noqa: N815  Twisted's name


class Datagrams(Contract):
    """Twisted's side of a UDP socket."""

    def write(self, octets: bytes, address: Address) -> object: ...


class Octets(Contract):
    """Twisted's side of a TCP connection."""

    def write(self, octets: bytes) -> object: ...

    def loseConnection(self) -> object: ...  # noqa: N802  Twisted's name

    def getPeer(self) -> IPv4Address: ...  # noqa: N802  Twisted's name


class UnreachableError(Exception):
    """A message could not even leave; the text says why."""


class Way(Contract):
    """Where a message came from and where an answer may go: a remote address at one of our sockets."""

    address: Address
    via_transport: bytes
    reliable: bool

    def send(self, octets: bytes) -> None:
        """Raises UnreachableError if the socket refuses."""

    def at_port(self, port: int) -> Way:
        """The same host at another port, for datagrams; a connection stays what it is."""


class DatagramWay:
    """A remote address seen from the UDP socket."""

    via_transport = b"UDP"
    reliable = False

    def __init__(self, socket: DatagramSocket, address: Address) -> None:
        self.address = address
        self._socket = socket

    def send(self, octets: bytes) -> None:
        self._socket.send(octets, self.address)

    def at_port(self, port: int) -> Way:
        return DatagramWay(self._socket, (self.address[0], port))


class DatagramSocket(DatagramProtocol):
    """The UDP socket."""

    def __init__(self, received: Received) -> None:
        self._received = received
        self._port: BoundPort | None = None
        self.noisy = False

    def listen(self, reactor: Reactor, host: str, port: int) -> Address:
        """Bind; raises twisted.internet.error.CannotListenError. Returns the address it is bound to."""
        self._port = reactor.listenUDP(port, self, interface=host, maxPacketSize=65535)
        return _bound(self._port)

    def close(self) -> None:
        if self._port is not None:
            self._port.stopListening()
            self._port = None

    def send(self, octets: bytes, address: Address) -> None:
        if self.transport is None:
            raise UnreachableError("the socket is closed")
        try:
            cast(Datagrams, self.transport).write(octets, address)
        except (OSError, error.InvalidAddressError) as problem:
            why = getattr(problem, "strerror", None) or str(problem)
            raise UnreachableError(f"{address[0]}:{address[1]} cannot be reached from here ({why})") from problem

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        if not datagram.strip(b"\r\n\0"):
            return  # a keep-alive (RFC 5626 section 4.4.1)
        try:
            message = parse_message(datagram)
        except SipError:
            return
        self._received(message, DatagramWay(self, addr))


class StreamWay:
    """One TCP connection that somebody opened to the server."""

    via_transport = b"TCP"
    reliable = True

    def __init__(self, transport: Octets, address: Address) -> None:
        self.address = address
        self._transport = transport

    def send(self, octets: bytes) -> None:
        self._transport.write(octets)

    def at_port(self, port: int) -> Way:
        return self

    def close(self) -> None:
        self._transport.loseConnection()


class Stream(Protocol):
    """Cuts one TCP connection into messages and answers keep-alive pings (RFC 5626 section 4.4.1)."""

    def __init__(self, owner: StreamSocket) -> None:
        self._owner = owner
        self._framer = StreamFramer(max_head=65536, max_body=65536, max_lines=500)

    def connectionMade(self) -> None:
        transport = cast(Octets, self.transport)
        peer = transport.getPeer()
        self._way = StreamWay(transport, (peer.host, peer.port))
        self._owner.ways[self._way.address] = self._way

    def dataReceived(self, data: bytes) -> None:
        self._framer.feed(data)
        try:
            while (octets := self._framer.next()) is not None:
                self._owner.received(parse_message(octets), self._way)
        except SipError:
            self._way.close()  # nobody knows where the next message would begin
            return
        for _ in range(self._framer.take_pings()):
            self._way.send(b"\r\n")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._owner.ways.pop(self._way.address, None)


class StreamSocket(Factory):
    """The listening TCP socket; `ways` are its open connections."""

    noisy = False

    def __init__(self, received: Received) -> None:
        self.received = received
        self.ways: dict[Address, StreamWay] = {}
        self._port: BoundPort | None = None

    def listen(self, reactor: Reactor, host: str, port: int) -> Address:
        """Bind; raises twisted.internet.error.CannotListenError. Returns the address it is bound to."""
        self._port = reactor.listenTCP(port, self, interface=host)
        return _bound(self._port)

    def buildProtocol(self, addr: IAddress | None) -> Stream:
        return Stream(self)

    def close(self) -> None:
        for way in list(self.ways.values()):
            way.close()
        if self._port is not None:
            self._port.stopListening()
            self._port = None


def _bound(port: BoundPort) -> Address:
    address = port.getHost()
    return address.host, address.port
