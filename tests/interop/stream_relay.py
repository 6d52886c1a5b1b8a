"""A relay of one TCP connection between two parties, on addresses of its own, that can move in mid-call."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from typing import Self

from peer_process import fresh_address
from sip_client import Address

PORT = 5060


class StreamRelay:
    """Relays what one party sends to `near` to the party at `far`, and back.

    At the first octets of the near party that fulfil `moves` it breaks its connection to the far party and makes
    another one from another address, as a phone does that leaves one network for another.
    """

    def __init__(self, far: Address, moves: Callable[[bytes], bool]) -> None:
        self._far = far
        self._moves: Callable[[bytes], bool] | None = moves
        self.places: list[Address] = []
        self._door = socket.create_server((fresh_address(), PORT))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stream-relay")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._door.close()

    @property
    def near(self) -> Address:
        """Where the near party connects."""
        address: Address = self._door.getsockname()
        return address

    def _run(self) -> None:
        near = self._accept()
        if not near:
            return
        outside = self._connect()
        while not self._ended.is_set():
            readable = select.select([near, outside], [], [], 0.05)[0]
            if outside in readable:
                octets = received(outside)
                if not octets:
                    break
                near.sendall(octets)
            if near in readable:
                octets = received(near)
                if not octets:
                    break
                if self._moves and self._moves(octets):
                    self._moves = None
                    outside.close()
                    outside = self._connect()
                outside.sendall(octets)
        near.close()
        outside.close()

    def _accept(self) -> socket.socket | None:
        while not self._ended.is_set():
            if select.select([self._door], [], [], 0.05)[0]:
                return self._door.accept()[0]
        return None

    def _connect(self) -> socket.socket:
        outside = socket.create_connection(self._far, 10, (fresh_address(), 0))
        self.places.append(outside.getsockname())
        return outside


def received(stream: socket.socket) -> bytes:
    """What came; nothing at its end."""
    try:
        return stream.recv(65535)
    except ConnectionError:
        return b""
