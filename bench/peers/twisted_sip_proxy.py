#!/usr/bin/env python3
"""Twisted's own `twisted.protocols.sip.Proxy` (stateless, RFC 2543 style), everything to one server.

Usage: twisted_sip_proxy.py LISTEN_IP PORT SERVER_IP PORT
"""

import socket
import sys

from twisted.internet import defer, reactor
from twisted.protocols import sip

RECEIVE_BUFFER = 4 << 20
listen_ip, listen_port, server_ip, server_port = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])


class Locator:
    """Knows one place only."""

    def getAddress(self, _url: sip.URL) -> defer.Deferred:  # noqa: N802 - the name is Twisted's
        return defer.succeed(sip.URL(host=server_ip, port=server_port))


class OneServer(sip.Proxy):
    """The proxy, helped over the one thing that SIPp writes and it cannot read."""

    locator = Locator()

    def addMessage(self, message: sip.Message) -> None:  # noqa: N802 - the name is Twisted's
        # Twisted does not split "Via: a, b", which SIPp sends.
        message.headers["via"] = [part.strip() for line in message.headers["via"] for part in line.split(",")]
        super().addMessage(message)


proxy = OneServer(host=listen_ip, port=listen_port)
port = reactor.listenUDP(listen_port, proxy, interface=listen_ip, maxPacketSize=65535)
port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
reactor.run()
