"""The addresses of a session description, and others in their place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sip.sdp import sdp_addresses, with_address

BODY = b"\r\n".join(
    (
        b"v=0",
        b"o=alice 1 1 IN IP4 192.168.1.100",
        b"s=c=IN IP4 10.0.0.1",
        b"c=IN IP4 192.168.1.100",
        b"t=0 0",
        b"m=audio 49172 RTP/AVP 0",
        b"a=rtcp:49173 IN IP4 192.168.1.100",
        b"m=audio 0 RTP/AVP 0",
        b"c=IN IP4 192.168.1.101",
        b"m=video 49174/2 RTP/AVP 31",
        b"c=IN IP6 fd00::7",
        b"a=rtcp:49177",
        b"",
    )
)


def test_every_place_where_media_are_sent_and_the_origin():
    """Not the address in a subject, not that of a refused medium, not an a=rtcp without one."""
    found = sdp_addresses(BODY)
    assert [(place.line.partition(b"=")[0], place.address, place.version, place.origin) for place in found] == [
        (b"o", b"192.168.1.100", 4, True),
        (b"c", b"192.168.1.100", 4, False),
        (b"a", b"192.168.1.100", 4, False),
        (b"c", b"fd00::7", 6, False),
    ]
    assert all(BODY[place.start : place.end] == place.address for place in found)


def test_only_the_addresses_change():
    found = [place for place in sdp_addresses(BODY) if place.version == 4]
    assert with_address(BODY, found, b"203.0.113.9") == BODY.replace(b"192.168.1.100", b"203.0.113.9")
    assert with_address(BODY, [], b"203.0.113.9") == BODY


@pytest.mark.parametrize(
    "line",
    [b"c=IN IP4 224.2.1.1/127", b"c=IN IP4 host.example.com", b"c=IN IP6 host.example.com", b"c=IN IP4", b"c=",
     b"c=ATM NSAP 1", b"c=IN IP5 1.2.3.4", b"c=IN IP4 1.2.3.4 x", b"o=alice 1 IN IP4 10.0.0.1", b"m=", b"m=audio",
     b"a=rtcp:1 IN IP4", b"c=IN  IP4 10.0.0.1"],
)  # fmt: skip
def test_lines_that_are_left_alone(line):
    assert sdp_addresses(b"v=0\r\n" + line + b"\r\n") == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" \r\n", b""])
def test_line_ends_as_they_come(end):
    body = b"v=0" + end + b"\nc=IN IP4 10.0.0.1" + end
    assert with_address(body, sdp_addresses(body), b"203.0.113.9") == body.replace(b"10.0.0.1", b"203.0.113.9")


@given(
    st.lists(st.sampled_from([b"c=", b"o=", b"m=", b"a=rtcp:", b"IN", b" ", b"IP4", b"\r", b"\n", b"1.2.3.4", b"0"]))
)
def test_junk_is_taken_as_it_is(pieces):
    body = b"".join(pieces)
    for place in sdp_addresses(body):
        assert with_address(body, [place], place.address) == body
