"""Digest authentication against the worked example of RFC 2617 section 3.5, and between our two sides."""

from __future__ import annotations

import pytest

from proxy.demo.digest import challenge, credentials, expected_response, parse_parameters

EXAMPLE = (
    b'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    b'uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", '
    b'response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)


def test_example_of_the_rfc_fits():
    given = parse_parameters(EXAMPLE)
    assert expected_response(given, b"Mufasa", b"Circle Of Life", b"GET") == given[b"response"]


def test_without_qop_the_older_formula_is_used():
    """RFC 2069 compatibility: some phones ignore qop."""
    given = parse_parameters(EXAMPLE)
    plain = {name: value for name, value in given.items() if name in (b"realm", b"nonce", b"uri")}
    assert expected_response(plain, b"Mufasa", b"Circle Of Life", b"GET") == b"670fd8c2df070c60b045671b8b24ff02"


@pytest.mark.parametrize("changed", ["password", "method", "uri", "nonce", "nc"])
def test_any_other_ingredient_gives_another_response(changed):
    given = parse_parameters(EXAMPLE)
    if changed.encode() in given:
        given[changed.encode()] += b"x"
    password = b"other" if changed == "password" else b"Circle Of Life"
    method = b"POST" if changed == "method" else b"GET"
    assert expected_response(given, b"Mufasa", password, method) != given[b"response"]


@pytest.mark.parametrize("opaque", [b"", b',opaque="x,y"'])
def test_client_answers_what_the_server_expects(opaque):
    value = credentials(challenge(b"demo.test", b"n1") + opaque, b"anna", b"secret", b"INVITE", b"sip:echo@d", b"c1")
    given = parse_parameters(value)
    assert given[b"response"] == expected_response(given, b"anna", b"secret", b"INVITE")
    assert given[b"nc"] == b"00000001"
    assert given.get(b"opaque") == (b"x,y" if opaque else None)


def test_challenge_without_qop_is_answered_without():
    given = parse_parameters(credentials(b'Digest realm="r", nonce="n"', b"u", b"p", b"BYE", b"sip:x", b"c"))
    assert b"qop" not in given
    assert given[b"response"] == expected_response(given, b"u", b"p", b"BYE")


@pytest.mark.parametrize(
    "value", [b'Digest realm="r"', b'Basic realm="r"', b"", b'Digest realm="r",nonce="n",algorithm=SHA-256']
)
def test_challenge_that_cannot_be_answered_is_refused(value):
    with pytest.raises(ValueError, match="the challenge"):
        credentials(value, b"u", b"p", b"BYE", b"sip:x", b"c")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'Digest a="x, y",b=z', {b"a": b"x, y", b"b": b"z"}),
        (b'digest A = "q\\"uote"', {b"a": b'q"uote'}),
        (b'Digest a="open', {}),
        (b"Bearer abc=1", {}),
        (b"Digest", {}),
    ],
)
def test_parameters_are_cut_at_commas_outside_quotes(value, expected):
    assert parse_parameters(value) == expected


def test_stale_nonce_is_said_so():
    assert parse_parameters(challenge(b"r", b"n", stale=True))[b"stale"] == b"true"


@pytest.mark.parametrize("atom", [b"a", b"a ", b'"', b"\\", b'a="', b'a="\\', b"=", b"a=", b" ", b","], ids=repr)
def test_long_nonsense_ends(atom):
    """A search that began anew within every name would take minutes here."""
    found = parse_parameters(b"Digest " + atom * (60_000 // len(atom)) + b"\x00")
    assert found.keys() <= {b"a"}
