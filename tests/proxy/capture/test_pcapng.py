"""pcapng files: sections, interfaces, every kind of packet block, and damage."""

from __future__ import annotations

import io
import struct

import pytest

from proxy.capture.captured import DamagedFileError
from proxy.capture.octets import Octets
from proxy.capture.pcapng import read_pcapng
from tests.support.captures import (
    ETHERNET,
    PHONE,
    RAW,
    SERVER,
    block,
    enhanced,
    interface,
    linked,
    pcapng,
    section,
    udp,
)

PACKET = udp(PHONE, SERVER, b"one")
TIME = 1_700_000_000.5


def read(octets):
    return list(read_pcapng(Octets(io.BytesIO(octets))))


@pytest.mark.parametrize("order", ["<", ">"])
def test_packets_come_with_number_and_offset(order):
    octets = pcapng([PACKET, PACKET], order=order)
    first, second = read(octets)
    assert (first.number, first.link, first.octets[14:]) == (1, ETHERNET, PACKET)
    assert (second.number, second.offset) == (2, len(octets) - (len(octets) - first.offset) // 2)


def test_each_interface_has_its_own_link_type_and_unit_of_time():
    """Wireshark captures on several interfaces at once."""
    resolution = struct.pack("<HHB3x", 9, 1, 9) + struct.pack("<HHq", 14, 8, 100) + struct.pack("<HH", 0, 0)
    binary = struct.pack("<HHB3x", 9, 1, 0x80 | 10)
    octets = section() + interface() + interface(RAW, options=resolution) + interface(RAW, options=binary)
    octets += (
        enhanced(linked(PACKET), TIME) + enhanced(PACKET, TIME, 1, unit=1e-9) + enhanced(PACKET, TIME, 2, unit=2**-10)
    )
    packets = read(octets)
    assert [packet.link for packet in packets] == [ETHERNET, RAW, RAW]
    assert [packet.time for packet in packets] == pytest.approx([TIME, TIME + 100, TIME], abs=1e-5)


def test_sections_have_their_own_byte_order_and_interfaces():
    """Files that were joined by `cat`."""
    octets = pcapng([PACKET]) + pcapng([PACKET], RAW, order=">")
    assert [(packet.number, packet.link) for packet in read(octets)] == [(1, ETHERNET), (2, RAW)]


def test_simple_and_obsolete_packet_blocks():
    simple = block(3, struct.pack("<I", len(PACKET)) + PACKET)
    cut = block(3, struct.pack("<I", 5000) + PACKET[:24])
    old = block(2, struct.pack("<HHIIII", 0, 0, 0, 5_000_000, len(PACKET), len(PACKET)) + PACKET)
    packets = read(section() + interface(RAW, snap=24) + cut)
    assert [(packet.octets, packet.whole) for packet in packets] == [(PACKET[:24], False)]
    packets = read(section() + interface(RAW) + simple + old)
    assert [packet.octets for packet in packets] == [PACKET, PACKET]
    assert packets[1].time == 5.0


def test_other_blocks_are_passed_over_however_long():
    octets = section() + block(4, bytes(300_000)) + interface() + block(0xBAD, b"x") + enhanced(linked(PACKET), TIME)
    assert len(read(octets)) == 1


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        (section() + struct.pack("<II", 6, 0xFFFFFFFC), "claims 4,294,967,292 octets"),
        (section() + struct.pack("<II", 6, 0), "claims 0 octets"),
        (section() + struct.pack("<II", 4, 0xFFFFFFFC) + bytes(10), "in the middle of a block"),
        (section() + block(6, bytes(8)), "too short"),
        (section() + block(1, bytes(4)), "too short"),
        (section() + enhanced(PACKET, TIME), "contradicts itself"),
        (section() + interface() + block(6, struct.pack("<IIIII", 0, 0, 0, 99, 99) + b"abc"), "contradicts itself"),
        (section() + block(4, b"1234")[:-4] + b"\0\0\0\0", "does not end where it says"),
        (section()[:8] + b"abcd" + bytes(20), "names no byte order"),
        (section()[:4] + struct.pack("<I", 8) + section()[8:], "claims 8 octets"),
        (section()[:12] + b"\x09\x00" + section()[14:], "version 9"),
        (section() + b"\x06\0\0", "in the header of a block"),
        (section() + interface() * 4097, "more than 4096 interfaces"),
    ],
)
def test_damage_is_told_with_its_place(octets, complaint):
    with pytest.raises(DamagedFileError, match=complaint):
        read(octets)
