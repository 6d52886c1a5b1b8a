"""PROXY headers and X-Forwarded-For, octet by octet, right and wrong."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from proxy.transport.announced import (
    V2,
    ProxyHeaderError,
    begins_proxy_header,
    forwarded_for,
    is_in,
    may_become_proxy_header,
    plain,
    read_proxy_header,
)


def version_2(command=0x21, kind=0x11, addresses=None, extra=b"", length=None):
    if addresses is None:
        addresses = ip_address("198.51.100.7").packed + ip_address("203.0.113.10").packed
    body = addresses + (4711).to_bytes(2, "big") + (5060).to_bytes(2, "big") + extra
    size = len(body) if length is None else length
    return V2 + bytes([command, kind]) + size.to_bytes(2, "big") + body


IPV6 = ip_address("2001:db8::7").packed + ip_address("2001:db8::1").packed
MAPPED = ip_address("::ffff:198.51.100.7").packed * 2

GOOD = {
    "v1 IPv4": (b"PROXY TCP4 198.51.100.7 203.0.113.10 4711 5060\r\n", ("198.51.100.7", 4711)),
    "v1 IPv6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 5060\r\n", ("2001:db8::7", 4711)),
    "v1 longest": (b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", None),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", None),
    "v1 port 0": (b"PROXY TCP4 198.51.100.7 203.0.113.10 0 65535\r\n", ("198.51.100.7", 0)),
    "v2 IPv4": (version_2(), ("198.51.100.7", 4711)),
    "v2 IPv6": (version_2(kind=0x21, addresses=IPV6), ("2001:db8::7", 4711)),
    "v2 mapped": (version_2(kind=0x21, addresses=MAPPED), ("198.51.100.7", 4711)),
    "v2 with TLVs": (version_2(extra=b"\x04\x00\x02ab"), ("198.51.100.7", 4711)),
    "v2 health check": (version_2(command=0x20, kind=0, addresses=b""), None),
    "v2 UNIX": (version_2(kind=0x31, addresses=b"x" * 216), None),
}

BAD = {
    "v1 other family": b"PROXY TCP5 198.51.100.7 203.0.113.10 4711 5060\r\n",
    "v1 too few": b"PROXY TCP4 198.51.100.7 203.0.113.10 4711\r\n",
    "v1 too many": b"PROXY TCP4 198.51.100.7 203.0.113.10 4711 5060 x\r\n",
    "v1 name": b"PROXY TCP4 localhost 203.0.113.10 4711 5060\r\n",
    "v1 not ASCII": b"PROXY TCP4 \xff 203.0.113.10 4711 5060\r\n",
    "v1 IPv6 as TCP4": b"PROXY TCP4 2001:db8::7 203.0.113.10 4711 5060\r\n",
    "v1 no port": b"PROXY TCP4 198.51.100.7 203.0.113.10 x 5060\r\n",
    "v1 port too large": b"PROXY TCP4 198.51.100.7 203.0.113.10 65536 5060\r\n",
    "v1 port with sign": b"PROXY TCP4 198.51.100.7 203.0.113.10 +1 5060\r\n",
    "v1 without end": b"PROXY TCP4 " + b"1" * 200,
    "v2 version 3": version_2(command=0x31),
    "v2 unknown command": version_2(command=0x22),
    "v2 too short": version_2(addresses=b"1234"),
    "v2 too long": version_2(length=5000),
}


@pytest.mark.parametrize(("octets", "source"), GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("behind", [b"", b"OPTIONS sip:a SIP/2.0\r\n"], ids=["alone", "with data"])
def test_a_header_is_read_whole(octets, source, behind):
    header = read_proxy_header(octets + behind)
    assert (header.length, header.source) == (len(octets), source)


@pytest.mark.parametrize("octets", [octets for octets, _ in GOOD.values()], ids=GOOD)
def test_a_header_that_is_not_complete_waits(octets):
    for end in range(len(octets)):
        part = octets[:end]
        if begins_proxy_header(part):
            assert read_proxy_header(part) is None
        else:
            assert may_become_proxy_header(part)


@pytest.mark.parametrize("octets", BAD.values(), ids=BAD)
def test_a_header_that_is_none_is_told(octets):
    assert begins_proxy_header(octets)
    with pytest.raises(ProxyHeaderError):
        read_proxy_header(octets)


@pytest.mark.parametrize("octets", [b"REGISTER", b"GET /", b"\x16\x03\x01", b"\r\n\r\nREG", b"PROPFIND"])
def test_other_octets_never_become_a_header(octets):
    assert not begins_proxy_header(octets)
    assert not may_become_proxy_header(octets)


NETWORKS = (ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48"))
PEER = ("10.0.0.1", 4711)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["198.51.100.7"], ("198.51.100.7", 4711)),
        (["198.51.100.7:999"], ("198.51.100.7", 999)),
        (["2001:db8::7"], ("2001:db8::7", 4711)),
        (["[2001:db8::7]"], ("2001:db8::7", 4711)),
        (["[2001:db8::7]:999"], ("2001:db8::7", 999)),
        (["::ffff:198.51.100.7"], ("198.51.100.7", 4711)),
        # What a client wrote itself stands to the left.
        (["203.0.113.1, 198.51.100.7"], ("198.51.100.7", 4711)),
        (["nonsense, 198.51.100.7"], ("198.51.100.7", 4711)),
        (["203.0.113.1", "198.51.100.7"], ("198.51.100.7", 4711)),
        # Two of our proxies in a row.
        (["198.51.100.7, 10.0.0.2"], ("198.51.100.7", 4711)),
        (["198.51.100.7, 2001:db8:1::2, 10.0.0.2"], ("198.51.100.7", 4711)),
        # A client in our own network.
        (["10.0.0.9"], ("10.0.0.9", 4711)),
    ],
)
def test_the_last_address_that_is_none_of_our_proxies_is_the_client(values, found):
    assert forwarded_for(values, PEER, NETWORKS) == found


@pytest.mark.parametrize("value", ["", "unknown", "198.51.100.7:x", "198.51.100.7:99999", "[2001:db8::7]x", "a, "])
def test_a_value_that_names_no_address_is_worth_nothing(value):
    assert forwarded_for([value], PEER, NETWORKS) is None


def test_a_link_local_address_belongs_to_its_network():
    assert is_in("fe80::1%eth0", [ip_network("fe80::/10")])
    assert not is_in("fe80::1%eth0", NETWORKS)


def test_addresses_become_plain():
    assert [plain(ip_address(text)) for text in ("::ffff:10.0.0.1", "2001:DB8::1", "10.0.0.1")] == [
        "10.0.0.1", "2001:db8::1", "10.0.0.1",
    ]  # fmt: skip


@pytest.mark.parametrize("zone", ["eth0", "a;branch=z9hG4bKx", "\x1b[31m"])
def test_an_address_with_a_zone_is_none(zone):
    """What stands behind `%` is free text for Python, and would go into Via and log lines."""
    with pytest.raises(ProxyHeaderError):
        read_proxy_header(b"PROXY TCP6 fe80::1%%%b ::1 1 2\r\n" % zone.encode())
    trusted = (ip_network("10.0.0.0/8"),)
    for written in (f"fe80::1%{zone}", f"[fe80::1%{zone}]:4711"):
        assert forwarded_for([f"{written}, 10.0.0.1"], ("10.0.0.2", 5), trusted) is None
