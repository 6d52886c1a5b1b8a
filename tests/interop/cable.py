"""The way of TCP connections to the proxy, on an address of its own, which can be cut."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from typing import Self

from peer_process import fresh_address
from sip_client import Address

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST


class Cable:
    """Relays every connection to `near` to the party at `far`. A new one is always possible."""

    def __init__(self, far: Address) -> None:
        self._far = far
        self._door = socket.create_server((fresh_address(), far[1]))
        self.near: Address = self._door.getsockname()
        self._lock = threading.Lock()
        self._ends: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._door, selectors.EVENT_READ)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cable")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.cut()
        self._door.close()
        self._selector.close()

    def cut(self) -> None:
        """Reset every connection: both ends hear of it at once."""
        with self._lock:
            for end in self._ends:
                self._selector.unregister(end)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.close()
            self._ends.clear()

    def _run(self) -> None:
        while not self._ended.is_set():
            ready = self._selector.select(0.05)
            with self._lock:
                for key, _ in ready:
                    if key.fileobj is self._door:
                        self._accept()
                    elif key.fileobj in self._ends:
                        self._pass(key.fileobj)

    def _accept(self) -> None:
        near = self._door.accept()[0]
        try:
            far = socket.create_connection(self._far, 5)
        except OSError:
            near.close()  # nobody is at home; the near party tries again
            return
        self._ends |= {near: far, far: near}
        for end in (near, far):
            self._selector.register(end, selectors.EVENT_READ)

    def _pass(self, end: socket.socket) -> None:
        other = self._ends[end]
        with contextlib.suppress(ConnectionError):
            octets = end.recv(65536)
            if octets:
                other.sendall(octets)
                return
        for one in (end, other):
            self._selector.unregister(one)
            del self._ends[one]
            one.close()
