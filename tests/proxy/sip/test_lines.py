"""Header lines one by one: what the memory of parsed lines gives is what parsing gives, and it is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.sip import lines
from proxy.sip.address import parse_name_addr
from proxy.sip.errors import HeaderError
from proxy.sip.lines import address_of, addresses_of, cseq_of, line_value


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"Subject: lunch", b"lunch"),
        (b"Subject:lunch", b"lunch"),
        (b"s :  a:b \t", b"a:b"),
        (b"Subject: two\r\n  lines\r\n\tthree", b"two lines three"),
        (b"Subject", b""),
        (b"Subject:", b""),
    ],
)
def test_value_of_a_line(line, value):
    assert line_value(line) == value


PIECES = st.sampled_from(
    [b'"A B"', b'"x>;tag=1"', b"<sip:a@h>", b"<sip:b@h;x=1>", b"sip:c@h", b";tag=1", b";tag=a.b-c", b";x=y", b">", b" "]
)


def seen(view):
    return (view.raw, view.display, view.addr, view.params, view.bracketed, view.tag, view.param(b"x"))


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=5).map(b"".join))
def test_address_from_memory_is_the_address_as_parsed(value):
    """Also where only the tag is new: every call of a client has one of its own."""
    line = b"From: " + value
    try:
        expected = seen(parse_name_addr(line_value(line)))
    except HeaderError:
        with pytest.raises(HeaderError):
            address_of(line)
        return
    for _ in range(2):
        assert seen(address_of(line)) == expected
    assert address_of(line).with_addr(b"sip:z@z") == parse_name_addr(line_value(line)).with_addr(b"sip:z@z")


def test_same_address_with_another_tag():
    first = address_of(b'From: "Alice" <sip:alice@example.com>;tag=one')
    second = address_of(b'From: "Alice" <sip:alice@example.com>;tag=two')
    assert (first.tag, second.tag) == (b"one", b"two")
    assert second.raw == b'"Alice" <sip:alice@example.com>;tag=two'
    assert first.uri.host == second.uri.host == b"example.com"


def test_all_addresses_of_a_line():
    assert [route.addr for route in addresses_of(b"Route: <sip:a;lr>, <sip:b;lr>")] == [b"sip:a;lr", b"sip:b;lr"]
    with pytest.raises(HeaderError):
        addresses_of(b"Route: <sip:a")


def test_cseq_of_a_line():
    assert cseq_of(b"CSeq: 7 INVITE") == cseq_of(b"CSeq: 7 INVITE") == (7, b"INVITE")
    with pytest.raises(HeaderError):
        cseq_of(b"CSeq: INVITE")


def test_memory_is_bounded():
    """Clients choose the keys: neither many lines nor long ones are kept."""
    long = b"From: <sip:%b@h>;tag=long" % (b"x" * 600)
    assert address_of(long) is not address_of(long)
    short = b"From: <sip:first@h>"
    kept = address_of(short)
    assert address_of(short) is kept
    for number in range(lines._MEMO_ENTRIES + 1):
        cseq_of(b"CSeq: %d INVITE" % number)
        address_of(b"To: <sip:u%d@h>" % number)
    assert address_of(short) is not kept
