"""What ICMP says of datagrams: that they cannot reach the server (RFC 3261 section 18.4).

Linux keeps such errors at a socket that asks for them, each with the address its datagram was for (ip(7), IP_RECVERR).
Elsewhere nobody is told, and timers notice. The port here is Twisted's, but such an error is not its end.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from typing import Any

from twisted.internet.interfaces import IHalfCloseableDescriptor
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.udp import Port
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from proxy.transport.contract import MAPPED

# Python has no names for these of Linux: the options, and (linux/errqueue.h) errno, origin, type and code of an error.
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_ERROR = struct.Struct("=IBBB")
# Origin and type of "destination unreachable" by ICMP and ICMPv6.
_UNREACHABLE = ((2, 3), (3, 1))
_NOTHING_READ = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR)
# More than anyone's targets: what is still there is read the next time.
_AT_ONCE = 64


@implementer(IHalfCloseableDescriptor)
class IcmpPort(Port):
    """A UDP socket whose protocol has `hear_errors`, which is called when there are ICMP errors to be read."""

    log = Logger()

    def doRead(self) -> None:
        """As Twisted's, but tells of errors: they come out of the first call on the socket, whatever that is."""
        read = 0
        while read < self.maxThroughput:
            try:
                octets, address = self.socket.recvfrom(self.maxPacketSize)
            except OSError as error:
                if error.errno not in _NOTHING_READ:
                    self.protocol.hear_errors()
                return
            read += len(octets)
            try:
                self.protocol.datagramReceived(octets, address)
            except Exception:  # the border: for the reactor it would be the end of the socket
                self.log.failure("internal error while taking a datagram; it was dropped, please report this")

    def readConnectionLost(self, reason: Failure) -> None:
        """The reactor takes an error without a datagram for the end of the socket, and has stopped to read."""
        reactor: Any = self.reactor
        reactor.addReader(self)
        self.protocol.hear_errors()

    def writeConnectionLost(self, reason: Failure) -> None:
        """Nothing is ever written by the reactor."""


def icmp_port(port: int, protocol: DatagramProtocol, host: str, largest: int, reactor: Any) -> Any:
    """The socket, not bound yet."""
    make: Any = IcmpPort
    return make(port, protocol, host, largest, reactor)


def ask_for_errors(sock: socket.socket) -> bool:
    """Ask the kernel to keep ICMP errors at this socket; false where it cannot."""
    if not sys.platform.startswith("linux"):
        return False
    sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    return True


def unreachable_addresses(sock: socket.socket) -> dict[tuple[str, int], int]:
    """Read what errors there are: the addresses that cannot be reached, in order, with the number of the error."""
    found: dict[tuple[str, int], int] = {}
    for _ in range(_AT_ONCE):
        try:
            _, notes, _, address = sock.recvmsg(0, 512, socket.MSG_ERRQUEUE)
        except OSError:
            break
        for note in notes:
            number = _unreachable(*note)
            if number:
                found[address[0].removeprefix(MAPPED), address[1]] = number
    return found


def _unreachable(level: int, option: int, data: bytes) -> int:
    """The number of the error; 0 for others.

    > host, network, port or protocol unreachable errors, or parameter problem errors SHOULD cause the transport layer
    > to inform the transport user of a failure in sending. Source quench and TTL exceeded ICMP errors SHOULD be
    > ignored. (18.4)

    A datagram too large for the path is cut into fragments the next time.
    """
    if (level, option) not in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)):
        return 0
    number: int
    number, origin, kind, _ = _ERROR.unpack_from(data)
    return number if (origin, kind) in _UNREACHABLE and number != errno.EMSGSIZE else 0
