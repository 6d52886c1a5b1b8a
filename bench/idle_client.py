"""One SIP client over WebSocket for the idle benchmark: it registers, keeps alive, answers; nothing else."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Protocol as Contract
from typing import cast

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
DOMAIN = "bench.test"
_HELLO = (
    b"GET /sip HTTP/1.1\r\nHost: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Origin: https://phone.bench.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en-US;q=0.9,en;q=0.8\r\n"
    b"Cache-Control: no-cache\r\nPragma: no-cache\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: sip\r\n\r\n"
)
_REGISTER = (
    "REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/WS c{n}.invalid;branch=z9hG4bK{n}x{cseq}\r\nMax-Forwards: 70\r\n"
    "From: <sip:u{n}@{domain}>;tag=f{n}\r\nTo: <sip:u{n}@{domain}>\r\nCall-ID: register-{n}\r\n"
    'CSeq: {cseq} REGISTER\r\nContact: <sip:r{n}@c{n}.invalid;transport=ws>;+sip.instance="'
    '<urn:uuid:00000000-0000-4000-8000-{n:012d}>";reg-id=1;expires=600\r\nExpires: 600\r\n'
    "Supported: path,gruu,outbound\r\nAllow: INVITE,ACK,CANCEL,BYE,OPTIONS,MESSAGE\r\n"
    "User-Agent: sipmend-bench\r\nContent-Length: 0\r\n\r\n"
)


def field(message: bytes, name: bytes) -> list[bytes]:
    """The lines of a header field as they were written."""
    return [line for line in message.split(b"\r\n") if line[: len(name) + 1].lower() == name.lower() + b":"]


def answer(message: bytes, extra: bytes = b"") -> bytes:
    """200 to a request; `extra` are further lines."""
    lines = [line for name in (b"Via", b"From", b"To", b"Call-ID", b"CSeq") for line in field(message, name)]
    lines = [line + b";tag=a" if line[:3] == b"To:" and b";tag=" not in line else line for line in lines]
    return b"SIP/2.0 200 OK\r\n" + b"\r\n".join(lines) + b"\r\n" + extra + b"Content-Length: 0\r\n\r\n"


class Tally(Contract):
    """Who wants to know what happens to the clients."""

    def registered(self, client: Client) -> None:
        """It has its 200."""

    def lost(self, client: Client) -> None:
        """Its connection ended, and not by its own will."""

    def asked(self, client: Client, message: bytes) -> None:
        """A request of the server side reached it (it answers by itself)."""


class Client(asyncio.Protocol):
    """Client number `n`. Keep-alives that wait for their answer stand in `waiting`, with the time they were sent."""

    def __init__(self, number: int, tally: Tally, host: bytes) -> None:
        self.number = number
        self.tally = tally
        self.host = host
        self.cseq = 0
        self.connections = 0
        self.registered = False
        self.cut = False
        self.waiting: dict[bytes, float] = {}
        self.sent = self.answered = self.pinged = 0
        self.slowest = 0.0
        self.transport: asyncio.Transport | None = None
        self._buffer = b""
        self._open = False

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._buffer, self._open, self.cut = b"", False, False
        self.connections += 1
        self.waiting.clear()
        self.transport.write(_HELLO % self.host)

    def connection_lost(self, exc: Exception | None) -> None:
        self.registered = False
        if not self.cut:
            self.tally.lost(self)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        if not self._open:
            head, end, buffer_after = buffer.partition(b"\r\n\r\n")
            if not end:
                self._buffer = buffer
                return
            if b" 101 " not in head:
                raise RuntimeError(head.decode())
            self._open, buffer = True, buffer_after
            self.register()
        while len(buffer) >= 2:
            length, start = buffer[1], 2
            if length == 126:
                if len(buffer) < 4:
                    break
                length, start = int.from_bytes(buffer[2:4], "big"), 4
            if len(buffer) < start + length:
                break
            self._frame(buffer[0] & 15, buffer[start : start + length])
            buffer = buffer[start + length :]
        self._buffer = buffer

    # -- frames

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self.pinged += 1
            self.write(PONG, payload)
        elif opcode == PONG or payload == b"\r\n":
            self._alive(payload)
        elif opcode == TEXT and payload.startswith(b"SIP/2.0 "):
            if payload.startswith(b"SIP/2.0 200") and not self.registered:
                self.registered = True
                self.tally.registered(self)
        elif opcode == TEXT:
            self.write(TEXT, answer(payload))
            self.tally.asked(self, payload)

    def write(self, opcode: int, payload: bytes) -> None:
        """One masked frame; the mask is zero, which leaves the payload as it is."""
        assert self.transport is not None
        length = len(payload)
        first = 0x80 | opcode
        head = bytes((first, 0x80 | length)) if length < 126 else struct.pack("!BBH", first, 254, length)
        self.transport.write(head + b"\0\0\0\0" + payload)

    # -- what it does

    def register(self) -> None:
        self.cseq += 1
        self.write(TEXT, _REGISTER.format(n=self.number, cseq=self.cseq, domain=DOMAIN).encode())

    def keep_alive(self) -> None:
        """A ping frame and CRLF CRLF in turns."""
        self.sent += 1
        key = b"\r\n" if self.sent % 2 else b"%d" % self.sent
        self.waiting[key] = asyncio.get_running_loop().time()
        self.write(*((TEXT, b"\r\n\r\n") if self.sent % 2 else (PING, key)))

    def _alive(self, key: bytes) -> None:
        since = self.waiting.pop(key, None)
        if since is not None:
            self.answered += 1
            self.slowest = max(self.slowest, asyncio.get_running_loop().time() - since)

    def cut_off(self, reset: bool) -> None:
        """Lose the connection without a goodbye of WebSocket: by RST, or by FIN."""
        assert self.transport is not None
        self.cut = True
        self.registered = False
        if reset:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()
