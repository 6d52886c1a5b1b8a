"""pcap files: both byte orders, both units of time, and files that end or lie somewhere."""

from __future__ import annotations

import io
import struct

import pytest

from proxy.capture.captured import DamagedFileError
from proxy.capture.octets import Octets
from proxy.capture.pcap import read_pcap
from tests.support.captures import PHONE, SERVER, pcap, udp

PACKETS = [udp(PHONE, SERVER, b"one"), udp(SERVER, PHONE, b"other")]


def read(octets):
    return list(read_pcap(Octets(io.BytesIO(octets))))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_packets_come_with_number_offset_and_time(order, nanoseconds):
    first, second = read(pcap(PACKETS, order=order, nanoseconds=nanoseconds, start=1_700_000_000.25))
    assert (first.number, first.offset, first.link, first.whole) == (1, 24, 1, True)
    assert (second.number, second.offset) == (2, 24 + 16 + len(first.octets))
    assert first.octets[14:] == PACKETS[0]
    assert first.time == pytest.approx(1_700_000_000.25, abs=1e-5)
    assert second.time == pytest.approx(1_700_000_000.26, abs=1e-5)


def test_packet_that_was_cut_says_so():
    assert [packet.whole for packet in read(pcap(PACKETS, snap=40))] == [False, False]


def test_link_type_is_known_without_what_stands_above_it():
    octets = bytearray(pcap(PACKETS))
    octets[23] = 0x14
    assert {packet.link for packet in read(bytes(octets))} == {1}


def test_file_that_ends_in_the_middle_gives_what_was_whole_and_says_where():
    octets = pcap(PACKETS)
    packets = read_pcap(Octets(io.BytesIO(octets[:-2])))
    assert next(packets).number == 1
    with pytest.raises(DamagedFileError, match=rf"ends at byte {len(octets) - 2} in the middle of packet 2"):
        next(packets)
    packets = read_pcap(Octets(io.BytesIO(octets + b"abc")))
    assert [next(packets).number, next(packets).number] == [1, 2]
    with pytest.raises(DamagedFileError, match=rf"ends at byte {len(octets) + 3} in the header of packet 3"):
        next(packets)


def test_packet_with_an_absurd_length_is_not_believed():
    """A length of 4 GB must not become memory of 4 GB."""
    octets = pcap([]) + struct.pack("<IIII", 0, 0, 0xFFFFFFF0, 0xFFFFFFF0)
    with pytest.raises(DamagedFileError, match="packet 1 at byte 24 claims 4,294,967,280 octets"):
        read(octets)


def test_header_that_is_not_whole():
    with pytest.raises(DamagedFileError, match="header of the file"):
        read(pcap([])[:20])
