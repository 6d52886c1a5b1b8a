"""Clients on real sockets by every stream transport: `WireEnd`s whose octets go inside TLS, inside WebSocket messages,
or inside both."""

from __future__ import annotations

import select
import ssl
from pathlib import Path

from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.uri import parse_uri

from tests.support.wire_end import PATIENCE, WireEnd

STREAMS = ("tcp", "tls", "ws", "wss")


def stream_end(transport: str, host: str, port: int, ca: Path | None = None) -> WireEnd:
    """A connection that is ready for SIP; inside TLS the far end is held against that CA."""
    if transport == "tcp":
        return WireEnd.tcp(host, port)
    if transport == "tls":
        return TlsWireEnd(host, port, ca)
    return WebWireEnd(WireEnd.tcp(host, port) if transport == "ws" else TlsWireEnd(host, port, ca))


class TlsWireEnd(WireEnd):
    """A TLS connection, shaken hands."""

    def __init__(self, host: str, port: int, ca: Path | None) -> None:
        plain = WireEnd.tcp(host, port).socket
        plain.settimeout(PATIENCE)
        super().__init__(ssl.create_default_context(cafile=ca).wrap_socket(plain, server_hostname=host))

    def send(self, octets: bytes, host: str = "", port: int = 0) -> None:
        self.socket.settimeout(PATIENCE)
        self.socket.sendall(octets)
        self.socket.setblocking(False)

    def _receive(self) -> bytes | None:
        try:
            return super()._receive()
        except ssl.SSLWantReadError:
            return None


class WebWireEnd(WireEnd):
    """A WebSocket with the subprotocol `sip` on another end; `frames` are the messages that came, one by one."""

    def __init__(self, carrier: WireEnd) -> None:
        super().__init__(carrier.socket)
        self.carrier = carrier
        self.frames: list[bytes] = []
        self._protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"), subprotocols=["sip"])
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        self._wait(lambda: self._receive() is None and self._protocol.handshake_exc is None and self._is_open)

    def send(self, octets: bytes, host: str = "", port: int = 0) -> None:
        self._protocol.send_text(octets)
        self._flush()

    @property
    def _is_open(self) -> bool:
        return self._protocol.state.name == "OPEN"

    def _flush(self) -> None:
        for octets in self._protocol.data_to_send():
            self.carrier.send(octets)

    def _receive(self) -> bytes | None:
        octets = self.carrier._receive()
        if octets is None:
            return None
        self.carrier._buffer = b""
        if octets:
            self._protocol.receive_data(octets)
        for event in self._protocol.events_received():
            if getattr(event, "opcode", None) in (Opcode.TEXT, Opcode.BINARY):
                self.frames.append(bytes(event.data))
                self._buffer += event.data
        self._flush()
        return octets

    def _idle(self) -> None:
        select.select([self.socket], [], [], 0.02)
