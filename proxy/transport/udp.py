"""UDP: one socket, many flows (RFC 3261 section 18)."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import DatagramProtocol

from proxy.events import MessageReceived, SendFailed
from proxy.flow import Flow, Listener
from proxy.transport.contract import MAPPED, Deliver, FlowMaker

MAX_DATAGRAM = 65535
# A burst must find room while Python collects garbage: the kernel's default holds about 200 SIP messages.
RECEIVE_BUFFER = 4 * 1024 * 1024

# What phones send to keep a NAT open: CRLFs (RFC 5626 section 3.5.1 on streams, seen on UDP too) and NULs.
_KEEP_ALIVE = b"\r\n\0 "


class UdpPort(DatagramProtocol):
    """One UDP socket. `send` writes to the socket itself: Twisted's own write checks the address each time."""

    noisy = False

    def __init__(
        self,
        listener: Listener,
        reactor: Any,
        flows: FlowMaker,
        deliver: Deliver,
        clock: Callable[[], float],
    ) -> None:
        self.listener = listener
        self.keep_alives = 0
        self._reactor = reactor
        self._flow = flows.udp
        self._deliver = deliver
        self._clock = clock
        self._port: Any = None
        self._dual = listener.host == "::"
        self._sendto: Callable[[bytes, tuple[str, int]], int] = _unbound

    def listen(self) -> None:
        self._port = self._reactor.listenUDP(
            self.listener.port, self, interface=self.listener.host, maxPacketSize=MAX_DATAGRAM
        )

    def startProtocol(self) -> None:
        transport: Any = self.transport
        sock: socket.socket = transport.socket
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, RECEIVE_BUFFER)
        self._sendto = _both_families(sock.sendto) if self._dual else sock.sendto

    def stopProtocol(self) -> None:
        self._sendto = _unbound

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        if len(datagram) < 9 and not datagram.strip(_KEEP_ALIVE):
            self.keep_alives += 1
            return
        host = addr[0]
        if self._dual:
            host = host.removeprefix(MAPPED)
        self._deliver(MessageReceived(self._flow(self.listener, host, addr[1]), datagram, self._clock()))

    def connectionRefused(self) -> None:
        """ICMP said that a port is closed; the socket is not connected, so nobody knows whose: timers will tell."""

    def connect(self, flow: Flow) -> None:
        """A UDP flow needs no connection."""

    def send(self, flow: Flow, octets: bytes) -> None:
        """Send one datagram; a refusal of the kernel comes back as `SendFailed`."""
        try:
            self._sendto(octets, flow.address)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS):
                return  # a full socket buffer is loss: retransmission heals it
            name = errno.errorcode.get(error.errno or 0, "error").lower()
            reason = f"{name}: {os.strerror(error.errno or 0)}"
            # One message that is too large must not make the address look dead to all others.
            too_large = octets if error.errno == errno.EMSGSIZE else None
            self._deliver(SendFailed(flow, reason, self._clock(), too_large))

    def close_flow(self, flow: Flow, reason: str) -> None:
        """There is nothing to close."""

    def stop(self) -> None:
        if self._port is not None:
            self._port.stopListening()
            self._port = None


def _both_families(sendto: Callable[[bytes, tuple[str, int]], int]) -> Callable[[bytes, tuple[str, int]], int]:
    """The same for a socket on [::], which takes IPv4 addresses only as mapped ones."""

    def send(octets: bytes, address: tuple[str, int]) -> int:
        host, port = address
        return sendto(octets, (host if ":" in host else MAPPED + host, port))

    return send


def _unbound(octets: bytes, address: tuple[str, int]) -> int:
    raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
