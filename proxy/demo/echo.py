"""Sends every media packet back to where it came from, so that a caller hears itself (RTP, RFC 3550). No SIP here."""

from __future__ import annotations

from typing import cast

from twisted.internet.protocol import DatagramProtocol

from proxy.demo.wire import Address, BoundPort, Datagrams, Reactor


class MediaEcho(DatagramProtocol):
    """One UDP socket for the media of all calls."""

    noisy = False

    def __init__(self) -> None:
        self._port: BoundPort | None = None
        self.port = 0

    def listen(self, reactor: Reactor, host: str) -> None:
        """Bind to a free port; raises twisted.internet.error.CannotListenError."""
        self._port = reactor.listenUDP(0, self, interface=host)
        self.port = self._port.getHost().port

    def close(self) -> None:
        if self._port is not None:
            self._port.stopListening()
            self._port = None

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        # Only what looks like RTP or RTCP (version 2) is sent back: two echoes would otherwise talk for ever.
        if len(datagram) >= 8 and datagram[0] >> 6 == 2:
            cast(Datagrams, self.transport).write(datagram, addr)
