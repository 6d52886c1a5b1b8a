"""URIs of ours that stand for others, and what comes back of them."""

from __future__ import annotations

from base64 import b32hexencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sip.stand_in import lenient, stand_in, stood_for
from proxy.sip.uri import parse_uri

HOME = b"edge.example.com:8443;transport=ws"


@pytest.mark.parametrize(
    ("uri", "user"),
    [
        (b"sip:bob@10.0.0.5:5060", b"bob@"),
        (b"sips:10.0.0.5", b""),
        (b"sip:a;b@10.0.0.5", b""),
        (b"sip:@10.0.0.5", b""),
        (b'sip:bob@[2001:db8::7]:5060;x="1~2";y==', b"bob@"),
        (b"sip:b%40b@h;LR;X=%FF", b"b%40b@"),
    ],
)
def test_what_it_stands_for_comes_back_octet_for_octet(uri, user):
    ours = stand_in(uri, HOME)
    assert ours.startswith(b"sip:" + user + HOME + b";sm=")
    assert ours.rpartition(b"=")[2].isalnum()
    assert stood_for(parse_uri(ours)) == uri


def test_case_that_a_server_folds_does_no_harm():
    ours = stand_in(b"sip:Bob@PBX", HOME)
    assert stood_for(parse_uri(ours.upper().replace(b"SIP:", b"sip:"))) == b"sip:Bob@PBX"


@pytest.mark.parametrize("uri", [b"sip:", b"x", b"sip:bob@" + b"a" * 300, b"sip:a<b@h"])
def test_what_nothing_can_stand_for(uri):
    assert stand_in(uri, HOME) is None


@pytest.mark.parametrize(
    "text",
    [b"", b";sm", b";sm=", b";sm=-", b";sm=zz", b";sm=e", b";sm=edkn0", b";sm=64p36d1l", b";sm=edkn0hi61s"],
)
def test_what_stands_for_nothing_else(text):
    assert stood_for(parse_uri(b"sip:edge.example.com" + text)) is None


def encoded(octets):
    return parse_uri(b"sip:h;sm=" + b32hexencode(octets).rstrip(b"=").lower())


@pytest.mark.parametrize(
    "octets",
    [b"sip:a@b\r\nRoute: <sip:evil>", b"sip:a b@c", b"sip:a@b>", b"<sip:a@b", b"sip:a\0@b", b"tel:+49", b"\xff"],
)
def test_nothing_harmful_is_taken_out(octets):
    """A client may write the parameter itself: it gets nothing into a line that would end it."""
    assert stood_for(encoded(octets)) is None


@given(st.binary(max_size=30))
def test_whatever_comes_out_is_a_uri_of_one_line(octets):
    found = stood_for(encoded(b"sip:" + octets))
    if found is not None:
        assert lenient(found).host
        assert not set(found) & set(b"\r\n\0 <>")
