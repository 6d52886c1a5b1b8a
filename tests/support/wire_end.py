"""One end of a wire in octets: what a SIP client or server sends and gets on a real socket, read message by message."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable

PATIENCE = 10.0  # seconds until a test is given up; nothing is measured with it


def free_port(host: str = "127.0.0.1") -> int:
    """A port that is free for UDP and TCP at that address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(50):
        with socket.socket(family, socket.SOCK_DGRAM) as udp, socket.socket(family, socket.SOCK_STREAM) as tcp:
            udp.bind((host, 0))
            port: int = udp.getsockname()[1]
            with contextlib.suppress(OSError):
                tcp.bind((host, port))
                return port
    raise AssertionError("no free port")


class SipOctets(bytes):
    """One message with what tests ask of it."""

    @property
    def start(self) -> bytes:
        return self.partition(b"\r\n")[0]

    @property
    def status(self) -> int:
        """The status code; 0 for a request."""
        return int(self.split(b" ", 2)[1]) if self.startswith(b"SIP/2.0 ") else 0

    @property
    def body(self) -> bytes:
        return self.partition(b"\r\n\r\n")[2]

    def all(self, name: bytes) -> list[bytes]:
        """The values of a header, by its long name."""
        lines = (line.partition(b":") for line in self.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:])
        return [value.strip() for key, _, value in lines if key.strip().lower() == name.lower()]

    def one(self, name: bytes) -> bytes:
        [value] = self.all(name)
        return value


class WireEnd:
    """A UDP socket, or one TCP connection. `pump` is called while waiting: it turns a reactor of the test's own."""

    def __init__(self, sock: socket.socket, pump: Callable[[], object] | None = None) -> None:
        self.socket = sock
        self.pump = pump
        self.datagrams = sock.type == socket.SOCK_DGRAM
        self.source: tuple[str, int] = ("", 0)
        self._buffer = b""
        sock.setblocking(False)

    @classmethod
    def udp(cls, host: str = "127.0.0.1", port: int = 0, pump: Callable[[], object] | None = None) -> WireEnd:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((host, port))
        return cls(sock, pump)

    @classmethod
    def tcp(cls, host: str, port: int, pump: Callable[[], object] | None = None) -> WireEnd:
        """A connection to that address."""
        return cls(socket.create_connection((host, port), PATIENCE), pump)

    @property
    def host(self) -> str:
        return str(self.socket.getsockname()[0])

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def close(self) -> None:
        self.socket.close()

    def send(self, octets: bytes, host: str = "127.0.0.1", port: int = 0) -> None:
        """Send; without port to where the last message came from."""
        if self.datagrams:
            self.socket.sendto(octets, (host, port) if port else self.source)
            return
        while octets:
            self._wait(lambda: select.select([], [self.socket], [], 0)[1])
            octets = octets[self.socket.send(octets) :]

    def read(self, wanted: int | bytes | None = None) -> SipOctets:
        """The next message; with `wanted` (status code or method) the next such one, others are thrown away."""
        while True:
            message = self._next()
            if wanted is None or wanted == (message.status or message.split(b" ", 1)[0]):
                return message

    def exactly(self, count: int) -> bytes:
        """So many octets of the stream, whatever they are."""
        self._wait(lambda: self._receive() is None and len(self._buffer) >= count)
        octets, self._buffer = self._buffer[:count], self._buffer[count:]
        return octets

    def silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing comes for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._receive():
                return False
            self._idle()
        return True

    def until_closed(self) -> bytes:
        """Everything up to the end of the stream."""
        self._wait(lambda: self._receive() == b"")
        return self._buffer

    def _next(self) -> SipOctets:
        self._wait(self._whole)
        end = len(self._buffer) if self.datagrams else self._whole()
        message, self._buffer = self._buffer[:end], self._buffer[end:]
        return SipOctets(message)

    def _whole(self) -> int:
        """Where the message at the front ends; 0 if it is not complete."""
        if self.datagrams:
            if not self._buffer:
                self._receive()
            return len(self._buffer)
        self._receive()
        # Keep-alives between messages (RFC 3261 section 7.5).
        self._buffer = self._buffer.lstrip(b"\r\n")
        head, blank, rest = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return 0
        length = int(SipOctets(head + blank).one(b"Content-Length"))
        return len(head) + 4 + length if len(rest) >= length else 0

    def _receive(self) -> bytes | None:
        """Read what is there; None if there is nothing, b"" at the end."""
        try:
            if self.datagrams:
                octets, source = self.socket.recvfrom(65535)
                self.source = source[:2]
            else:
                octets = self.socket.recv(65535)
        except BlockingIOError:
            return None
        self._buffer += octets
        return octets

    def _wait(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"nothing came, but for {self._buffer!r}"
            self._idle()

    def _idle(self) -> None:
        if self.pump is not None:
            self.pump()
        else:
            select.select([self.socket], [], [], 0.02)


class TcpServer:
    """A listening socket of a far end."""

    def __init__(self, host: str = "127.0.0.1", pump: Callable[[], object] | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.bind((host, 0))
        self.socket.listen()
        self.socket.settimeout(PATIENCE)
        self.pump = pump

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def accept(self) -> WireEnd:
        return WireEnd(self.socket.accept()[0], self.pump)

    def close(self) -> None:
        self.socket.close()


def request(method: str, sent_by: str, uri: str = "sip:bob@example.com", *lines: str, **fields: str) -> bytes:
    """One request. `fields`: transport, branch, call, cseq, from_tag, to_tag, contact, body."""
    call = fields.get("call", "1@test")
    transport = fields.get("transport", "UDP")
    branch = fields.get("branch", f"z9hG4bK-{method}-{call}")
    to_tag = f";tag={fields['to_tag']}" if "to_tag" in fields else ""
    body = fields.get("body", "")
    contact = [f"Contact: <{fields['contact']}>"] if "contact" in fields else []
    head = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/{transport} {sent_by};branch={branch};rport",
        "Max-Forwards: 70",
        f"From: <sip:alice@example.com>;tag={fields.get('from_tag', 'a1')}",
        f"To: <sip:bob@example.com>{to_tag}",
        f"Call-ID: {call}",
        f"CSeq: {fields.get('cseq', '1')} {method}",
        *contact,
        *lines,
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


def answer(asked: SipOctets, status: int, *lines: str, to_tag: str = "b1") -> bytes:
    """A response to a request as it came."""
    head = [b"SIP/2.0 %d Test" % status]
    head += [b"Via: " + via for via in asked.all(b"Via")]
    head += [b"Record-Route: " + route for route in asked.all(b"Record-Route")]
    to = asked.one(b"To")
    head += [
        b"From: " + asked.one(b"From"),
        b"To: " + (to if b";tag=" in to or status == 100 else b"%b;tag=%b" % (to, to_tag.encode())),
        b"Call-ID: " + asked.one(b"Call-ID"),
        b"CSeq: " + asked.one(b"CSeq"),
        *[line.encode() for line in lines],
        b"Content-Length: 0",
    ]
    return b"\r\n".join(head) + b"\r\n\r\n"
