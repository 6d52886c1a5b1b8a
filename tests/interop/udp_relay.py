"""A relay of datagrams between two parties, on addresses of its own: it loses some, and it can be a NAT that moves.

Which datagrams are lost is drawn from a seeded generator, apart for each direction.
"""

from __future__ import annotations

import random
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from peer_process import fresh_address
from sip_client import Address

PORT = 5060


@dataclass
class Counted:
    """Datagrams of one direction."""

    passed: int = 0
    lost: int = 0


class UdpRelay:
    """Relays between whoever sends to `near` and the party at `far`, which sees the address `outside`.

    `loss` is the share of datagrams that vanish, in each direction. When a datagram of the near party fulfils
    `moves`, the relay takes another port towards the far party first, and hears nothing by the old one.
    """

    def __init__(
        self, far: Address, loss: float = 0.0, seed: int = 1, moves: Callable[[bytes], bool] | None = None
    ) -> None:
        self._far = far
        self._loss = loss
        self._moves = moves
        self._chance = {"to far": random.Random(seed), "to near": random.Random(seed + 1)}
        self.counted = {"to far": Counted(), "to near": Counted()}
        self.ports: list[int] = []
        self._peer: Address | None = None
        self._near = bound((fresh_address(), PORT))
        self._outside_host = fresh_address()
        self._outside = self._open()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="udp-relay")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._near.close()
        self._outside.close()

    @property
    def near(self) -> Address:
        """Where the near party sends."""
        address: Address = self._near.getsockname()
        return address

    @property
    def outside(self) -> Address:
        """Where the far party sends."""
        address: Address = self._outside.getsockname()
        return address

    def _open(self) -> socket.socket:
        opened = bound((self._outside_host, 0))
        self.ports.append(opened.getsockname()[1])
        return opened

    def _run(self) -> None:
        while not self._ended.is_set():
            readable = select.select([self._near, self._outside], [], [], 0.05)[0]
            if self._outside in readable:
                octets = self._outside.recv(65535)
                if self._peer and self._passes("to near"):
                    self._near.sendto(octets, self._peer)
            if self._near in readable:
                octets, self._peer = self._near.recvfrom(65535)
                if self._moves and self._moves(octets):
                    self._outside.close()
                    self._outside = self._open()
                if self._passes("to far"):
                    self._outside.sendto(octets, self._far)

    def _passes(self, direction: str) -> bool:
        counted = self.counted[direction]
        if self._chance[direction].random() < self._loss:
            counted.lost += 1
            return False
        counted.passed += 1
        return True


def bound(address: Address) -> socket.socket:
    """A UDP socket at this address."""
    opened = socket.socket(type=socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    opened.bind(address)
    return opened
