"""Link layers: what stands before the IP packet."""

from __future__ import annotations

import pytest

from proxy.capture.link import KNOWN, ip_packet
from tests.support.captures import ETHERNET, LOOP, NULL, PHONE, RAW, SERVER, SLL, SLL2, linked, udp

FOUR = udp(PHONE, SERVER, b"x")
SIX = udp(("2001:db8::1", 5060), ("2001:db8::2", 5060), b"x")


@pytest.mark.parametrize("link", [ETHERNET, RAW, SLL, SLL2, NULL, LOOP, 12, 14, 228, 229])
@pytest.mark.parametrize("packet", [FOUR, SIX], ids=["IPv4", "IPv6"])
def test_ip_packet_is_found(link, packet):
    assert link in KNOWN
    assert ip_packet(link, linked(packet, link)) == packet


@pytest.mark.parametrize("tags", [1, 2, 3])
def test_vlan_tags_are_taken_off(tags):
    assert ip_packet(ETHERNET, linked(FOUR, tags=tags)) == FOUR


def test_pppoe_is_taken_off():
    assert ip_packet(ETHERNET, bytes(12) + b"\x88\x64\x11\x00\x00\x01\x00\x99\x00\x21" + FOUR) == FOUR
    assert ip_packet(ETHERNET, bytes(12) + b"\x88\x64\x11\x00\x00\x01\x00\x99\xc0\x21" + FOUR) == b""


@pytest.mark.parametrize("octets", [b"", b"\0" * 5, bytes(12) + b"\x08\x06" + bytes(28), bytes(12) + b"\x81\x00" * 9])
@pytest.mark.parametrize("link", [ETHERNET, SLL, SLL2, NULL])
def test_what_is_no_ip_is_nothing(link, octets):
    assert ip_packet(link, octets) == b""
