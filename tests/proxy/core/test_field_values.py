"""Values in header fields of REGISTER and its answers."""

from __future__ import annotations

import pytest
from parts import request

from proxy.core.field_values import MAX_EXPIRES, has_option, seconds, username, with_expires, with_instance


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, 7), (b"", 7), (b"x", 7), (b"-1", 7), (b"1.5", 7), (b"0", 0), (b"0060", 60), (b"3600", 3600),
        (b"4294967295", MAX_EXPIRES), (b"9999999999", MAX_EXPIRES), (b"99999999999", 7),
    ],
)  # fmt: skip
def test_seconds(text, value):
    assert seconds(text, 7) == value


@pytest.mark.parametrize(
    ("element", "after"),
    [
        (b"<sip:a@b>", b"<sip:a@b>;expires=60"),
        (b"<sip:a@b>;expires=5", b"<sip:a@b>;expires=60"),
        (b'"A" <sip:a@b;expires=1>;q=1;Expires = 5 ;x', b'"A" <sip:a@b;expires=1>;q=1;Expires=60 ;x'),
        (b"sip:a@b;expires=5", b"sip:a@b;expires=60"),
        (b"<sip:a@b>;expires", b"<sip:a@b>;expires=60"),
    ],
)
def test_with_expires(element, after):
    """> ... Each Contact value MUST feature an "expires" parameter indicating its expiration interval (10.3 step 8)"""
    assert with_expires(element, 60) == after


@pytest.mark.parametrize(
    ("element", "after"),
    [
        (b'<sip:a@b>;reg-id=1;+sip.instance="<urn:x>";q=1', b'<sip:a@b>;reg-id=1;+sip.instance="<urn:y>";q=1'),
        (b'";+sip.instance=n" <sip:a@b>;+Sip.Instance = "u"', b'";+sip.instance=n" <sip:a@b>;+Sip.Instance="<urn:y>"'),
        (b"<sip:a@b>;expires=1", b"<sip:a@b>;expires=1"),
    ],
)
def test_with_instance(element, after):
    assert with_instance(element, b'"<urn:y>"') == after


@pytest.mark.parametrize(
    ("value", "there"),
    [(b"path", True), (b"gruu, Path ,outbound", True), (b"paths", False), (b"", False), (b"xpath,outbound", False)],
)
def test_option(value, there):
    assert has_option(value, b"path") is there


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ((), b""), (("Authorization: Bearer x",), b""),
        (('Authorization: Digest username="alice", realm="r"',), b"alice"),
        (('Proxy-Authorization: Digest realm="r", UserName = "a\\"b"',), b'a\\"b'),
        (('Authorization: Digest xusername="no", username="yes"',), b"yes"),
        (('Authorization: Digest username=""',), b""),
    ],
)  # fmt: skip
def test_username(headers, name):
    assert username(request("REGISTER", *headers)) == name
