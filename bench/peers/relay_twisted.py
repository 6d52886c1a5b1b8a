#!/usr/bin/env python3
"""A bare Twisted UDP relay, no parsing: the ceiling of a Twisted proxy.

Usage: relay_twisted.py LISTEN_IP PORT SERVER_IP PORT
"""

import socket
import sys

from twisted.internet import protocol, reactor

RECEIVE_BUFFER = 4 << 20


class Relay(protocol.DatagramProtocol):
    """Server's datagrams to the last client, everything else to the server."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.server = server
        self.client: tuple[str, int] | None = None

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        if addr != self.server:
            self.client = addr
            self.transport.write(datagram, self.server)
        elif self.client:
            self.transport.write(datagram, self.client)


relay = Relay((sys.argv[3], int(sys.argv[4])))
port = reactor.listenUDP(int(sys.argv[2]), relay, interface=sys.argv[1], maxPacketSize=65535)
port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
reactor.run()
