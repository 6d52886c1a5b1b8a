"""IP packets: lengths that lie, extension headers, fragments in any order, and bounds."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.capture.ip import BrokenPacketError, Reassembly, address_text
from tests.support.captures import PHONE, SERVER, fragments, fragments6, ip, ipv4, udp

FOUR = udp(PHONE, SERVER, bytes(range(200)) * 5)
SIX = udp(("2001:db8::1", 5060), ("2001:db8::2", 5060), bytes(range(200)) * 5)


def test_payload_is_as_long_as_the_header_says():
    """Ethernet fills short packets up."""
    segment = Reassembly().take(udp(PHONE, SERVER, b"x") + bytes(20), True)
    assert (segment.protocol, len(segment.payload), segment.whole) == (17, 9, True)
    assert address_text(segment.source) == "192.168.1.9"


def test_length_of_zero_is_the_work_of_a_network_card():
    packet = bytearray(FOUR)
    packet[2:4] = b"\0\0"
    assert Reassembly().take(bytes(packet), True).payload == FOUR[20:]


@pytest.mark.parametrize("packet", [FOUR, SIX])
def test_packet_cut_by_the_capture_is_not_whole(packet):
    assert not Reassembly().take(packet[:100], False).whole


def test_extension_headers_are_passed_over():
    inner = udp(("2001:db8::1", 5060), ("2001:db8::2", 5060), b"x")[40:]
    options = struct.pack("!BB6x", 60, 0) + struct.pack("!BB14x", 51, 1) + struct.pack("!BB10x", 17, 1)
    packet = ip("2001:db8::1", "2001:db8::2", 0, options + inner)
    assert Reassembly().take(packet, True).payload == inner


@pytest.mark.parametrize("packet", [FOUR, SIX], ids=["IPv4", "IPv6"])
def test_fragments_in_any_order(packet):
    pieces = (fragments if packet is FOUR else fragments6)(packet, 400)
    assert len(pieces) == 3
    for order in itertools.permutations(pieces):
        reassembly = Reassembly()
        found = [segment for piece in order if (segment := reassembly.take(piece, True))]
        assert [segment.payload for segment in found] == [packet[20 if packet is FOUR else 40 :]]
        assert reassembly.waiting == 0


def test_fragment_that_comes_twice_does_no_harm():
    pieces = fragments(FOUR, 400)
    reassembly = Reassembly()
    found = [segment for piece in [pieces[0], pieces[0], *pieces[1:]] if (segment := reassembly.take(piece, True))]
    assert [segment.payload for segment in found] == [FOUR[20:]]


def test_what_waits_is_bounded():
    reassembly = Reassembly()
    for number in range(1000):
        assert reassembly.take(fragments(FOUR, 400, number)[0], True) is None
    assert reassembly.waiting == 256
    assert reassembly.lost == 1000 - 256
    reassembly = Reassembly()
    for place in range(0, 8000, 2):
        reassembly.take(ipv4(b"\1" * 4, b"\2" * 4, 17, b"12345678", 1, place | 0x2000), True)
    assert reassembly.waiting <= 1


def test_fragments_beyond_any_packet_are_given_up():
    """The "ping of death"."""
    reassembly = Reassembly()
    assert reassembly.take(ipv4(b"\1" * 4, b"\2" * 4, 17, bytes(1400), 1, 0x1FFF), True) is None
    assert (reassembly.waiting, reassembly.lost) == (0, 1)


@pytest.mark.parametrize("octets", [b"", b"\x15", b"\x41" + bytes(30), b"\x4f" + bytes(30), b"\x60" + bytes(30)])
def test_impossible_headers(octets):
    with pytest.raises(BrokenPacketError):
        Reassembly().take(octets, True)


@given(st.sampled_from([FOUR, SIX, *fragments(FOUR, 400)[:2], *fragments6(SIX, 400)[:2]]), st.data())
def test_damaged_headers_never_crash(packet, data):
    changed = bytearray(packet)
    for _ in range(data.draw(st.integers(0, 5))):
        changed[data.draw(st.integers(0, 60))] = data.draw(st.integers(0, 255))
    reassembly = Reassembly()
    try:
        reassembly.take(bytes(changed[: data.draw(st.integers(0, len(changed)))]), data.draw(st.booleans()))
    except BrokenPacketError:
        assert reassembly.waiting == 0


def test_ipv4_in_ipv6_is_shown_as_ipv4():
    assert address_text(bytes(10) + b"\xff\xff\xc0\x00\x02\x01") == "192.0.2.1"
    assert address_text(bytes(15) + b"\1") == "::1"
