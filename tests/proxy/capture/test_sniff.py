"""Telling SIP from everything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.capture.sniff import looks_like_sip, looks_like_tls, may_become_sip, via_transport
from proxy.flow import TCP, WSS
from tests.proxy.capture.messages import ANSWER, INVITE


@pytest.mark.parametrize(
    "octets",
    [INVITE, ANSWER, b"\r\n\r\n" + INVITE, b"bad  sip:a b  sip/7.0\n", b"SIP/2.0 xyz", b"FOO * SIP/2.0\r\n"],
)
def test_sip_is_known_by_its_start_line(octets):
    assert looks_like_sip(octets)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\r\n\r\n",
        bytes(100),
        b"\x80\x00abc",
        b"GET / HTTP/1.1\r\n",
        b"INVITE sip:bob@exa",
        b"\x00\x01\x00\x00!\x12\xa4B",
    ],
)
def test_everything_else_is_not(octets):
    assert not looks_like_sip(octets)


@pytest.mark.parametrize("length", [0, 1, 10, 34])
def test_beginning_of_a_start_line_may_become_one(length):
    assert may_become_sip(INVITE[:length])
    assert not may_become_sip(b"\x80" + INVITE[:length])
    assert not may_become_sip(b"a" * 5000)


def test_tls_is_known():
    assert looks_like_tls(b"\x16\x03\x01\x02")
    assert not looks_like_tls(INVITE)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (INVITE, TCP),
        (ANSWER, WSS),
        (INVITE.replace(b"Via", b"v"), TCP),
        (INVITE.replace(b"TCP", b"SCTP"), None),
        (b"SIP/2.0 200 OK\r\n\r\nVia: SIP/2.0/UDP x\r\n", None),
    ],
)
def test_transport_is_that_of_the_topmost_via(octets, expected):
    assert via_transport(octets) == expected


@given(st.binary(max_size=200))
def test_no_octets_crash_it(octets):
    looks_like_sip(octets)
    may_become_sip(octets)
    via_transport(octets)
