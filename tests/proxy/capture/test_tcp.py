"""TCP connections put in order: every disorder a network and a capture make, within bounds."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.capture.tcp import MAX_CONNECTIONS, MAX_SEGMENTS, MAX_TOTAL, Connections

KEY = (b"\1\1\1\1", 4000, b"\2\2\2\2", 5060)
BACK = (b"\2\2\2\2", 5060, b"\1\1\1\1", 4000)
SYN, RST, ACK = 2, 4, 16


class Kept:
    """Keeps what it is fed."""

    def __init__(self):
        self.pieces = []

    def feed(self, octets, gap, number, time):
        self.pieces.append((octets, gap))

    @property
    def text(self):
        return b"".join((b"|" if gap else b"") + octets for octets, gap in self.pieces)


class Table:
    """Connections with readers that keep everything."""

    def __init__(self):
        self.made = []
        self.connections = Connections(self.make)

    def make(self, key):
        readers = (Kept(), Kept())
        self.made.append(readers)
        return readers

    def take(self, sequence, octets=b"", flags=ACK, key=KEY):
        header = struct.pack("!HHIIBBHHH", key[1], key[3], sequence % 2**32, 0, 0x50, flags, 0, 0, 0)
        self.connections.take(key, header, octets, 1, 0.0)

    def finish(self):
        self.connections.finish(1, 0.0)
        assert self.connections.waiting == 0
        assert len(self.connections) == 0


@pytest.fixture
def table():
    table = Table()
    table.take(99, flags=SYN)
    return table


def test_both_directions_are_told_apart(table):
    table.take(500, flags=SYN | ACK, key=BACK)
    table.take(100, b"abc")
    table.take(501, b"xyz", key=BACK)
    assert [reader.text for reader in table.made[0]] == [b"abc", b"xyz"]


@pytest.mark.parametrize(
    "segments",
    [
        [(100, b"abc"), (103, b"def")],
        [(103, b"def"), (100, b"abc")],
        [(100, b"abc"), (100, b"abc"), (103, b"def"), (100, b"abcdef")],
        [(100, b"abcd"), (102, b"cdef")],
        [(102, b"cdef"), (104, b"ef"), (100, b"abcd")],
        [(105, b"f"), (104, b"ef"), (103, b"d"), (100, b"a"), (101, b"bcd")],
        [(99, b"?abc"), (103, b"def")],
        [(100, b"abc"), (99, b"?"), (103, b"def")],
    ],
)
def test_any_order_and_overlap_gives_the_same_octets(table, segments):
    for segment in segments:
        table.take(*segment)
    assert table.made[0][0].text == b"abcdef"
    assert table.connections.waiting == 0


def test_sequence_numbers_wrap():
    table = Table()
    table.take(2**32 - 3, flags=SYN)
    for sequence, octets in [(1, b"de"), (2**32 - 2, b"abc"), (3, b"f")]:
        table.take(sequence, octets)
    assert table.made[0][0].text == b"abcdef"


def test_gap_that_does_not_close_is_passed_over_at_the_end(table):
    table.take(100, b"abc")
    table.take(110, b"jkl")
    table.take(120, b"xyz")
    assert table.made[0][0].text == b"abc"
    table.finish()
    assert table.made[0][0].text == b"abc|jkl|xyz"
    assert table.connections.gaps == 2


def test_gap_is_passed_over_when_too_much_waits_behind_it(table):
    for number in range(MAX_SEGMENTS + 1):
        table.take(200 + number, b"x")
    assert table.made[0][0].text == b"|" + b"x" * (MAX_SEGMENTS + 1)


def test_connection_older_than_the_capture_begins_with_a_gap():
    table = Table()
    table.take(7000, b"abc")
    table.take(7003, b"def")
    assert table.made[0][0].text == b"|abcdef"
    assert table.connections.gaps == 0


def test_ports_used_again_are_another_connection(table):
    table.take(100, b"abc")
    table.take(5_000_000, flags=SYN)
    table.take(5_000_001, b"def")
    assert [readers[0].text for readers in table.made] == [b"abc", b"def"]
    table.take(3_000_000_000, b"ghi")  # once more, but its SYN is not in the capture
    assert table.made[1][0].text == b"def|ghi"


def test_reset_ends_the_connection(table):
    table.take(105, b"f")
    table.take(103, flags=RST)
    assert table.made[0][0].text == b"|f"
    assert len(table.connections) == 0


def test_segment_without_octets_makes_no_connection():
    table = Table()
    table.take(1)
    assert table.made == []


def test_connections_are_bounded_and_the_least_used_goes():
    table = Table()
    for number in range(MAX_CONNECTIONS):
        table.take(1, b"x", key=(b"\1\1\1\1", number, b"\2\2\2\2", 5060))
    table.take(2, b"y", key=(b"\1\1\1\1", 0, b"\2\2\2\2", 5060))
    table.take(1, b"x", key=(b"\1\1\1\1", 60_000, b"\2\2\2\2", 5060))
    assert len(table.connections) == MAX_CONNECTIONS
    assert table.connections.crowded == 1
    table.take(3, b"z", key=(b"\1\1\1\1", 0, b"\2\2\2\2", 5060))
    assert table.made[0][0].text == b"|xyz"


def test_octets_that_wait_are_bounded_in_all():
    """Hostile: every connection leaves a gap and fills what may wait behind it."""
    table = Table()
    piece = bytes(60_000)
    for number in range(400):
        key = (b"\1\1\1\1", number, b"\2\2\2\2", 5060)
        table.take(0, b"x", key=key)
        for part in range(4):
            table.take(10 + part * 60_000, piece, key=key)
        table.made[-1][0].pieces.clear()
        assert table.connections.waiting <= MAX_TOTAL + 240_000
    assert table.connections.crowded > 0


@given(st.binary(min_size=1, max_size=300), st.data())
def test_shuffled_repeated_and_overlapping_segments_give_the_stream(stream, data):
    pieces = [(at, stream[at : at + 20]) for at in range(0, len(stream), 20)]
    more = data.draw(st.lists(st.tuples(st.integers(0, len(stream) - 1), st.integers(1, 50)), max_size=10))
    pieces += [(at, stream[at : at + size]) for at, size in more]
    table = Table()
    table.take(2**32 - 100, flags=SYN)
    for at, octets in data.draw(st.permutations(pieces)):
        table.take(2**32 - 99 + at, octets)
    assert table.made[0][0].text == stream


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=5), st.integers(0, 63), st.booleans())))
def test_nonsense_never_crashes(segments):
    table = Table()
    for sequence, octets, flags, back in segments:
        table.take(sequence, octets, flags, BACK if back else KEY)
    table.finish()
