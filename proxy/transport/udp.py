"""UDP: one socket, many flows (RFC 3261 section 18)."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import DatagramProtocol

from proxy.events import MessageReceived, SendFailed
from proxy.flow import SERVER, Flow, Listener
from proxy.transport.contract import MAPPED, Deliver, FlowMaker
from proxy.transport.icmp import ask_for_errors, icmp_port, unreachable_addresses

MAX_DATAGRAM = 65535
# A burst must find room while Python collects garbage: the kernel's default holds about 200 SIP messages.
RECEIVE_BUFFER = 4 * 1024 * 1024

# What phones send to keep a NAT open: CRLFs (RFC 5626 section 3.5.1 on streams, seen on UDP too) and NULs.
_KEEP_ALIVE = b"\r\n\0 "


class UdpPort(DatagramProtocol):
    """One UDP socket. `send` writes to the socket itself: Twisted's own write checks the address each time.

    Towards the server it hears what ICMP says, so that the next server can be tried at once. Of clients timers tell:
    an ICMP error is easily forged, and a phone behind a NAT that restarts is back before the last retransmission.
    """

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
        self._hears_errors = False
        self._dual = listener.host == "::"
        self._sendto: Callable[[bytes, tuple[str, int]], int] = _unbound

    def listen(self) -> None:
        where = self.listener
        if where.side != SERVER:
            self._port = self._reactor.listenUDP(where.port, self, interface=where.host, maxPacketSize=MAX_DATAGRAM)
            return
        self._port = icmp_port(where.port, self, where.host, MAX_DATAGRAM, self._reactor)
        self._port.startListening()

    def startProtocol(self) -> None:
        transport: Any = self.transport
        sock: socket.socket = transport.socket
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, RECEIVE_BUFFER)
        self._sendto = _both_families(sock.sendto) if self._dual else sock.sendto
        self._hears_errors = self.listener.side == SERVER and ask_for_errors(sock)

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

    def hear_errors(self) -> None:
        """ICMP said that something we sent did not arrive."""
        transport: Any = self.transport
        for (host, port), number in unreachable_addresses(transport.socket).items():
            self._deliver(SendFailed(self._flow(self.listener, host, port), _reason(number), self._clock()))

    def connect(self, flow: Flow) -> None:
        """A UDP flow needs no connection."""

    def send(self, flow: Flow, octets: bytes) -> None:
        """Send one datagram; a refusal of the kernel comes back as `SendFailed`."""
        try:
            self._sendto(octets, flow.address)
        except OSError as error:
            if self._hears_errors:
                self._send_again(flow, octets)
            else:
                self._failed(flow, octets, error.errno or 0)

    def _send_again(self, flow: Flow, octets: bytes) -> None:
        """The kernel fails one call for what ICMP said of an earlier datagram, whomever this one is for."""
        self.hear_errors()
        try:
            self._sendto(octets, flow.address)
        except ConnectionRefusedError:
            return  # said of yet another one meanwhile; retransmission heals it
        except OSError as error:
            self._failed(flow, octets, error.errno or 0)

    def _failed(self, flow: Flow, octets: bytes, number: int) -> None:
        if number in (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS):
            return  # a full socket buffer is loss: retransmission heals it
        # One message that is too large must not make the address look dead to all others.
        too_large = octets if number == errno.EMSGSIZE else None
        self._deliver(SendFailed(flow, _reason(number), self._clock(), too_large))

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


def _reason(number: int) -> str:
    """Name and words of an error of the system, for the log."""
    return f"{errno.errorcode.get(number, 'error').lower()}: {os.strerror(number)}"


def _unbound(octets: bytes, address: tuple[str, int]) -> int:
    raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
