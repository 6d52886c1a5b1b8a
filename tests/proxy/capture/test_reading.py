"""The one way into the captures: every kind of file, damage, and memory that does not grow with the file."""

from __future__ import annotations

import gc
import io
import tracemalloc
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.capture.captured import Tally
from proxy.capture.reading import kind_of, read_messages
from proxy.flow import TCP, UDP
from tests.proxy.capture.messages import ANSWER, INVITE
from tests.support.captures import (
    PHONE,
    SERVER,
    Connection,
    fragments,
    frame,
    handshake,
    pcap,
    pcap_pieces,
    pcapng,
    tcp,
    udp,
)

CONNECTION = Connection(("192.168.1.8", 4000), SERVER)
PACKETS = [
    udp(PHONE, SERVER, INVITE),
    *fragments(udp(SERVER, PHONE, ANSWER), 40),
    *CONNECTION.opens(),
    *CONNECTION.says(handshake()[0]),
    *CONNECTION.says(handshake()[1], back=True),
    *CONNECTION.says(frame(INVITE, True), 60),
    *CONNECTION.says(frame(ANSWER, False), back=True),
]


def read(octets):
    tally = Tally()
    return list(read_messages(io.BytesIO(octets), tally)), tally


@pytest.mark.parametrize("write", [pcap, pcapng])
def test_captures_of_both_formats_give_the_same(write):
    found, tally = read(write(PACKETS))
    assert [m.octets for m in found] == [INVITE, ANSWER, INVITE, ANSWER]
    assert tally.packets == len(PACKETS)
    assert tally.offset == len(write(PACKETS))
    assert tally.stopped == ""
    assert not tally.lost


@pytest.mark.parametrize("write", [pcap, pcapng])
def test_damaged_file_gives_what_can_be_read_and_says_where_it_stopped(write):
    octets = write(PACKETS)
    found, tally = read(octets[:-7])
    assert [m.octets for m in found] == [INVITE, ANSWER, INVITE]
    assert f"the file ends at byte {len(octets) - 7:,}" in tally.stopped


def test_message_in_a_file_of_its_own():
    (message,), tally = read(INVITE.replace(b"\r\n", b"\n"))
    assert (message.octets, message.source, message.transport) == (INVITE, None, TCP)
    assert tally.packets == 1


def test_log():
    text = b"\n<--- Received SIP request (%d bytes) from UDP:192.168.1.9:5060 --->\n%b" % (len(INVITE), INVITE)
    (message,), _ = read(text)
    assert (message.octets, message.source, message.transport) == (INVITE, PHONE, UDP)


def test_compressed_file_says_what_to_do():
    found, tally = read(b"\x1f\x8b\x08\x00abc")
    assert found == []
    assert "gunzip" in tally.stopped


@pytest.mark.parametrize("octets", [b"", b"\0", b"hello\n", bytes(range(256)), b"\xa1\xb2\xc3\xd4", b"\n\r\r\n"])
def test_anything_else_gives_nothing(octets):
    assert read(octets)[0] == []
    assert kind_of(b"") == "text"


def test_progress_is_told():
    told = []
    octets = pcap([udp(PHONE, SERVER, b"rtp")] * 2000)
    list(read_messages(io.BytesIO(octets), Tally(), told.append))
    assert len(told) == 3
    assert told == sorted(told)
    assert told[-1] < len(octets)


@given(st.sampled_from([pcap(PACKETS), pcapng(PACKETS)]), st.data())
def test_damage_anywhere_never_crashes_nor_loops(octets, data):
    changed = bytearray(octets)
    for _ in range(data.draw(st.integers(1, 8))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(changed)))
    found, _ = read(bytes(changed[:end]))
    assert len(found) <= len(PACKETS)


class Endless(io.RawIOBase):
    """A large file that is made while it is read; `size` is how many octets there were."""

    def __init__(self, pieces):
        self._pieces = iter(pieces)
        self._left = b""
        self.size = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=0):
        assert (offset, whence, self.size) == (0, 0, len(self._first))
        self._left = self._first + self._left
        return 0

    def readinto(self, room):
        while len(self._left) < len(room):
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._left += piece
        taken, self._left = self._left[: len(room)], self._left[len(room) :]
        room[: len(taken)] = taken
        if not self.size:
            self._first = taken
        self.size += len(taken)
        return len(taken)


def test_file_of_more_than_a_hundred_megabytes_needs_no_more_memory_than_a_small_one():
    """Calls, streams with gaps that never close, connections and fragments without end: all of it is bounded."""

    def packets():
        big = bytes(60_000)
        for number in range(1700):
            phone = (f"10.1.{number // 250}.{number % 250}", 1024 + number)
            yield udp(phone, SERVER, INVITE)
            yield fragments(udp(phone, SERVER, bytes(3000)), 1400, number)[0]
            yield tcp(phone, SERVER, 1, INVITE[:60])
            yield tcp(phone, SERVER, 900, big)
            yield udp(phone, SERVER, bytes(200))

    tally = Tally()
    file = Endless(pcap_pieces(packets()))
    count = 0
    tracemalloc.start()
    try:
        for _ in read_messages(file, tally):
            count += 1
            if count % 100 == 0:
                assert tracemalloc.get_traced_memory()[0] < 70_000_000
    finally:
        tracemalloc.stop()
    assert file.size > 100_000_000
    assert count == 1700
    assert tally.packets == 8500


def test_objects_kept_do_not_grow_with_the_number_of_packets():
    def kept(count):
        packets = chain.from_iterable(repeat([udp(PHONE, SERVER, INVITE), udp(PHONE, SERVER, b"rtp")], count))
        reading = read_messages(Endless(pcap_pieces(packets)), Tally())
        for _ in range(count):
            next(reading)
        gc.collect()
        return len(gc.get_objects())

    kept(10)
    assert abs(kept(20_000) - kept(100)) < 100
