"""A STUN server of the tests' own, written from RFC 8489 and not with our codec. It may lie about what it sees."""

from __future__ import annotations

import socket
import struct
import threading
from ipaddress import ip_address

COOKIE = 0x2112A442


class StunServer:
    """Answers binding requests on a thread of its own.

    `shown` is the address it tells, None for the true source; while `mute` is set it hears and says nothing; `plain`
    makes it speak RFC 3489. `asked` has the source of each request.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.shown: tuple[str, int] | None = None
        self.mute = False
        self.plain = False
        self.error: tuple[int, str] | None = None
        self.asked: list[tuple[str, int]] = []
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self.host, self.port = self._socket.getsockname()[:2]
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="stun server", daemon=True)
        self._thread.start()

    @property
    def uri(self) -> str:
        """As it is written in a configuration."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"stun:{host}:{self.port}"

    def close(self) -> None:
        self._closing = True
        # Its own datagram wakes the thread.
        self._socket.sendto(b"end", (self.host, self.port))
        self._thread.join(5)
        self._socket.close()

    def _run(self) -> None:
        while not self._closing:
            octets, source = self._socket.recvfrom(2048)
            if len(octets) < 20:
                continue
            kind, _, cookie, transaction = struct.unpack("!HHI12s", octets[:20])
            if (kind, cookie) != (1, COOKIE):
                continue
            self.asked.append(source[:2])
            if not self.mute:
                self._socket.sendto(self._answer(transaction, self.shown or source[:2]), source)

    def _answer(self, transaction: bytes, address: tuple[str, int]) -> bytes:
        kind, number = 0x0101, 0x0001 if self.plain else 0x0020
        if self.error is not None:
            kind, number = 0x0111, 0x0009
            code, text = self.error
            value = struct.pack("!HBB", 0, code // 100, code % 100) + text.encode()
        else:
            host, port = ip_address(address[0]), address[1]
            octets = int(host)
            size = len(host.packed)
            if not self.plain:
                port ^= COOKIE >> 16
                octets ^= int.from_bytes(struct.pack("!I", COOKIE) + transaction, "big") >> (8 * (16 - size))
            value = struct.pack("!BBH", 0, 1 if size == 4 else 2, port) + octets.to_bytes(size, "big")
        padded = value + bytes(-len(value) % 4)
        head = struct.pack("!HHI12s", kind, 4 + len(padded), COOKIE, transaction)
        return head + struct.pack("!HH", number, len(value)) + padded
