"""The media echo: RTP comes back, nothing else does."""

from __future__ import annotations

import socket

import demo_reactor
import pytest

from proxy.demo.echo import MediaEcho

pytestmark = pytest.mark.loopback

RTP = b"\x80\x00" + bytes(10) + b"sound"


def test_only_rtp_comes_back(reactor):
    echo = MediaEcho()
    echo.listen(reactor, "127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.setblocking(False)
        for octets in (b"\x80", b"hello, world", RTP):
            peer.sendto(octets, ("127.0.0.1", echo.port))
        got = []

        def heard():
            try:
                got.append(peer.recv(100))
            except BlockingIOError:
                return False
            return True

        assert demo_reactor.turn(reactor, heard)
        assert got == [RTP]
        demo_reactor.turn(reactor, lambda: False, rounds=3)
        assert not heard()
    echo.close()
    echo.close()
