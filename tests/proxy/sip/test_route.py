"""Route lists: flattened in order, told loose from strict, and shortened from the front."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sip.errors import HeaderError, UriError
from proxy.sip.route import is_loose, parse_routes, remove_first, remove_leading


def test_lines_and_lists_make_one_list_in_order():
    routes = parse_routes([b"<sip:a;lr>, <sip:b;lr>;x", b" \r\n <sip:c,d@e>", b'"q, r" <sip:f>,'])
    assert [route.addr for route in routes] == [b"sip:a;lr", b"sip:b;lr", b"sip:c,d@e", b"sip:f"]


def test_no_lines_no_routes():
    assert parse_routes([]) == []


@pytest.mark.parametrize("values", [[b""], [b"<sip:a>", b"<sip:b"]])
def test_broken_routes_are_refused(values):
    with pytest.raises(HeaderError):
        parse_routes(values)


@pytest.mark.parametrize(
    ("value", "loose"),
    [
        (b"<sip:p1;lr>", True),
        (b"<sip:p1;LR>", True),
        (b"<sip:p1;lr=on>", True),
        (b"<sip:p1;lr=true>", True),
        (b"<sip:p1;%6C%72>", True),
        (b"<sip:services.example.com;lr;unknownwith=value;unknown-no-value>", True),
        (b"sip:p1;lr", True),
        (b"<sip:p1>", False),
        (b"<sip:p1>;lr", False),
        (b"<sip:lr@p1;lrx>", False),
        (b"sip:p1;x", False),
    ],
)
def test_loose_routers(value, loose):
    """RFC 3261 section 19.1.1: the lr parameter; what stands behind the brackets belongs to the header."""
    assert is_loose(parse_routes([value])[0]) is loose


def test_loose_cannot_be_told_of_a_broken_uri():
    with pytest.raises(UriError):
        is_loose(parse_routes([b"<sip:>"])[0])


@pytest.mark.parametrize(
    ("value", "rest"),
    [
        (b"<sip:a;lr>", b""),
        (b"<sip:a;lr>, <sip:b;lr>", b"<sip:b;lr>"),
        (b"<sip:a,b@c>,\r\n <sip:d> , <sip:e>", b"<sip:d> , <sip:e>"),
        (b'"x, <y>" <sip:a>,<sip:b>', b"<sip:b>"),
        (b"", b""),
    ],
)
def test_first_route_is_removed_and_others_stay(value, rest):
    assert remove_first(value) == rest


@given(st.lists(st.sampled_from([b"<sip:a;lr>", b'"," <sip:b,c@d>;x', b"sip:e;lr"]), min_size=1, max_size=5))
def test_routes_are_removed_one_by_one(elements):
    value = whole = b" , ".join(elements)
    for left in range(len(elements), 0, -1):
        assert len(parse_routes([value])) == left
        value = remove_first(value)
        assert value == remove_leading(whole, len(elements) - left + 1)
    assert value == b""
