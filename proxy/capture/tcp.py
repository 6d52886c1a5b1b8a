"""Puts the octets of TCP connections in order (RFC 9293 section 3.4): repeated, overlapping, missing segments.

What is remembered is bounded: octets that wait for earlier ones, per direction and in all, and connections. A gap that
does not close is passed over, and told, so that the reader of the octets can find its way again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

Key = tuple[bytes, int, bytes, int]  # source address and port, destination address and port

FIN: Final = 1
SYN: Final = 2
RST: Final = 4

# Out of order in one direction: beyond this the missing octets are taken for lost by the capture.
MAX_SEGMENTS: Final = 64
MAX_WAITING: Final = 262_144
# Of all connections together.
MAX_TOTAL: Final = 33_554_432
MAX_CONNECTIONS: Final = 1024
# A sequence number so far off belongs to another connection between the same ports.
_FAR: Final = 16_777_216
_MODULUS: Final = 1 << 32


def _ahead(number: int, expected: int) -> int:
    """How far a sequence number is ahead of another, negative if behind."""
    return (number - expected + (1 << 31)) % _MODULUS - (1 << 31)


class Direction:
    """One direction of a connection."""

    __slots__ = ("_expected", "_started", "_waiting", "gaps", "size")

    def __init__(self) -> None:
        self.gaps = 0  # that were passed over
        self._expected = 0
        self._started = False
        self._waiting: dict[int, bytes] = {}
        self.size = 0  # octets that wait

    def begin(self, number: int) -> None:
        """A SYN with that sequence number."""
        self._expected = (number + 1) % _MODULUS
        self._started = True
        self._waiting.clear()
        self.size = 0

    def take(self, number: int, octets: bytes) -> Iterator[tuple[bytes, bool]]:
        """The octets that are in order now, each with whether something before them is missing."""
        gap = not self._started
        if not self._started or abs(_ahead(number, self._expected)) > _FAR:
            gap = True
            self.begin((number - 1) % _MODULUS)
        ahead = _ahead(number, self._expected)
        if ahead > 0:
            if len(octets) > len(self._waiting.get(number, b"")):
                self.size += len(octets) - len(self._waiting.get(number, b""))
                self._waiting[number] = octets
            if len(self._waiting) > MAX_SEGMENTS or self.size > MAX_WAITING:
                yield from self.give_up()
            return
        fresh = octets[-ahead:]
        if fresh:
            self._expected = (self._expected + len(fresh)) % _MODULUS
            yield fresh, gap
            yield from self._follow()

    def _follow(self) -> Iterator[tuple[bytes, bool]]:
        """Waiting octets whose turn it is."""
        while self._waiting:
            number = min(self._waiting, key=lambda waiting: _ahead(waiting, self._expected))
            ahead = _ahead(number, self._expected)
            if ahead > 0:
                return
            octets = self._waiting.pop(number)
            self.size -= len(octets)
            fresh = octets[-ahead:] if ahead else octets
            if fresh:
                self._expected = (self._expected + len(fresh)) % _MODULUS
                yield fresh, False

    def give_up(self) -> Iterator[tuple[bytes, bool]]:
        """Pass over the first gap, and give what comes behind it."""
        if self._waiting:
            self._expected = min(self._waiting, key=lambda waiting: _ahead(waiting, self._expected))
            self.gaps += 1
            gap = True
            for octets, _ in self._follow():
                yield octets, gap
                gap = False

    def finish(self) -> Iterator[tuple[bytes, bool]]:
        """Everything that still waits, gaps and all."""
        while self._waiting:
            yield from self.give_up()


class Reader(Protocol):
    """Takes the octets of one direction of a connection, in order."""

    def feed(self, octets: bytes, gap: bool, number: int, time: float) -> None:
        """Take octets; with `gap` something is missing before them. `number` and `time` are of their packet."""


R = TypeVar("R", bound=Reader)


class Maker(Protocol[R]):  # type: ignore[misc]  # R is what it makes
    """Makes the readers of both directions of a connection: from the first endpoint of the key, and back."""

    def __call__(self, key: Key) -> tuple[R, R]: ...


class _Connection(Generic[R]):
    __slots__ = ("directions", "key", "readers")

    def __init__(self, key: Key, readers: tuple[R, R]) -> None:
        self.key = key
        self.readers = readers
        self.directions = (Direction(), Direction())


class Connections(Generic[R]):
    """All connections of a capture. `crowded` counts those given up for want of room."""

    __slots__ = ("_known", "_make", "_waiting", "crowded", "gaps")

    def __init__(self, make: Maker[R]) -> None:
        self._make = make
        self._known: dict[Key, _Connection[R]] = {}
        self._waiting = 0
        self.crowded = 0
        self.gaps = 0

    def take(self, key: Key, header: bytes, payload: bytes, number: int, time: float) -> None:
        """One segment: the fixed 20 octets of its header, and what it carries."""
        flags = header[13]
        sequence = int.from_bytes(header[4:8], "big")
        connection, way = self._find(key)
        if flags & SYN and not flags & 16 and connection is not None:
            self._end(connection, number, time)  # the ports are used anew
            connection = None
        if connection is None:
            if not payload and not flags & SYN:
                return
            connection, way = self._open(key, number, time), 0
        direction = connection.directions[way]
        before = direction.size
        if flags & SYN:
            direction.begin(sequence)
            sequence += 1
        if payload:
            self._deliver(connection, way, direction.take(sequence % _MODULUS, payload), number, time)
        self._waiting += direction.size - before
        if flags & RST:
            self._end(connection, number, time)
        elif self._waiting > MAX_TOTAL:
            self._end(next(iter(self._known.values())), number, time)
            self.crowded += 1

    def finish(self, number: int, time: float) -> None:
        """The capture is at its end: hand out what still waits."""
        for connection in list(self._known.values()):
            self._end(connection, number, time)

    @property
    def waiting(self) -> int:
        """Octets that wait for earlier ones, in all."""
        return self._waiting

    def __len__(self) -> int:
        return len(self._known)

    def _find(self, key: Key) -> tuple[_Connection[R] | None, int]:
        """The connection, and which of its directions the segment belongs to; it is the newest from now on."""
        way = 0
        if key not in self._known:
            key, way = (key[2], key[3], key[0], key[1]), 1
        connection = self._known.pop(key, None)
        if connection is not None:
            self._known[key] = connection
        return connection, way

    def _open(self, key: Key, number: int, time: float) -> _Connection[R]:
        if len(self._known) >= MAX_CONNECTIONS:
            self._end(next(iter(self._known.values())), number, time)
            self.crowded += 1
        connection = self._known[key] = _Connection(key, self._make(key))
        return connection

    def _deliver(
        self, connection: _Connection[R], way: int, pieces: Iterator[tuple[bytes, bool]], number: int, time: float
    ) -> None:
        reader = connection.readers[way]
        for octets, gap in pieces:
            reader.feed(octets, gap, number, time)

    def _end(self, connection: _Connection[R], number: int, time: float) -> None:
        for way, direction in enumerate(connection.directions):
            self._waiting -= direction.size
            self._deliver(connection, way, direction.finish(), number, time)
            self.gaps += direction.gaps
        del self._known[connection.key]
