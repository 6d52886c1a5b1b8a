"""A relay of datagrams between two parties, on addresses of its own: it loses some, and it can be a NAT that moves."""

from __future__ import annotations

import hashlib
import re
import select
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from peer_process import fresh_address
from sip_client import Address

PORT = 5060
# SIPp writes NUMBER-PROCESS@HOST: only the number of the call is the same in every run.
CALL = re.compile(rb"^Call-ID: *(?:\w+///)?(\d+)-", re.MULTILINE | re.IGNORECASE)
CSEQ = re.compile(rb"^CSeq: *([^\r]+)", re.MULTILINE | re.IGNORECASE)


@dataclass
class Counted:
    """Datagrams of one direction."""

    passed: int = 0
    lost: int = 0


class Loss:
    """Which datagrams vanish: a share of them, in each direction.

    It is drawn for each from the seed, its direction, its call, what it is there, and how often that has come: a call
    loses the same datagrams in every run, however the calls mix and however long they take.
    """

    def __init__(self, share: float, seed: str) -> None:
        self._share = share
        self._seed = seed
        self._came: Counter[str] = Counter()

    def takes(self, direction: str, octets: bytes) -> bool:
        """Whether this one vanishes."""
        call, sequence = CALL.search(octets), CSEQ.search(octets)
        start = octets.split(b" ", 2)
        kind = start[1] if octets.startswith(b"SIP/2.0 ") else start[0]
        name = f"{direction} {kind!r} {sequence and sequence[1]!r} {call and call[1]!r}"
        self._came[name] += 1
        drawn = hashlib.blake2b(f"{self._seed} {name} {self._came[name]}".encode(), digest_size=4).digest()
        return int.from_bytes(drawn) < self._share * 2**32


class UdpRelay:
    """Relays between whoever sends to `near` and the party at `far`, which sees the address `outside`.

    `loss` tells which datagrams vanish. At the first datagram of the near party that fulfils `moves`, the relay takes
    another port towards the far party, or another address if `far_away`; the old one leads nowhere from then on.
    `outside_port` is its first one there, 0 for any.
    """

    def __init__(
        self,
        far: Address,
        loss: Loss | None = None,
        moves: Callable[[bytes], bool] | None = None,
        far_away: bool = False,
        outside_port: int = 0,
    ) -> None:
        self._far = far
        self._loss = loss or Loss(0, "")
        self._moves = moves
        self._far_away = far_away
        self.counted = {"to far": Counted(), "to near": Counted()}
        self.places: list[Address] = []
        self._left: list[socket.socket] = []
        self._peer: Address | None = None
        self._near = bound((fresh_address(), PORT))
        self._outside_host = fresh_address()
        self._outside = self._open(outside_port)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="udp-relay")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for one in (self._near, self._outside, *self._left):
            one.close()

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

    def _open(self, port: int = 0) -> socket.socket:
        opened = bound((self._outside_host, port))
        self.places.append(opened.getsockname())
        return opened

    def _move(self) -> None:
        self._moves = None
        if self._far_away:
            self._outside_host = fresh_address()
        self._left.append(self._outside)  # not closed: a NAT that has forgotten a hole says nothing either
        self._outside = self._open()

    def _run(self) -> None:
        while not self._ended.is_set():
            readable = select.select([self._near, self._outside], [], [], 0.05)[0]
            if self._outside in readable:
                octets = self._outside.recv(65535)
                if self._peer and self._passes("to near", octets):
                    self._near.sendto(octets, self._peer)
            if self._near in readable:
                octets, self._peer = self._near.recvfrom(65535)
                if self._moves and self._moves(octets):
                    self._move()
                if self._passes("to far", octets):
                    self._outside.sendto(octets, self._far)

    def _passes(self, direction: str, octets: bytes) -> bool:
        counted = self.counted[direction]
        if self._loss.takes(direction, octets):
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
