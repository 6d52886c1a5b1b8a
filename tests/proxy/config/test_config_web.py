"""Request paths and Origins as administrators write them."""

from __future__ import annotations

import pytest

from proxy.config.web import parse_origin, parse_request_path


@pytest.mark.parametrize("text", ["/", "/sip", "/a/b.c", "/%20", "/~x@y:z"])
def test_a_request_path_is_taken_as_it_is(text):
    assert parse_request_path(text) == text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("sip", "'sip' is not a request path: write / or /sip, did you mean /sip"),
        ("https://x/", "'https://x/' is not a request path: write / or /sip"),
        (5, "5 is not a request path: write / or /sip"),
        ("/a?b", "'/a?b' should have no query, fragment or space, and no letters beyond ASCII"),
        ("/a#b", "'/a#b' should have no query, fragment or space, and no letters beyond ASCII"),
        ("/a b", "'/a b' should have no query, fragment or space, and no letters beyond ASCII"),
        ("/ä", "'/ä' should have no query, fragment or space, and no letters beyond ASCII"),
    ],
)
def test_what_is_no_request_path_is_told(value, said):
    with pytest.raises(ValueError, match=r".") as caught:
        parse_request_path(value)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://phone.example.com", "https://phone.example.com"),
        (" HTTPS://Phone.Example.com:8443 ", "https://phone.example.com:8443"),
        ("http://[2001:DB8::1]:80", "http://[2001:db8::1]:80"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("none", "none"),
    ],
)
def test_an_origin_is_compared_in_lower_case(text, origin):
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("https://phone.example.com/", "an Origin ends without slash, did you mean https://phone.example.com"),
        ("phone.example.com", "an Origin has a scheme, did you mean https://phone.example.com"),
        ("https://a.example/app", "'https://a.example/app' is not an Origin: write https://phone.example.com, or none"),
        ("*", "'*' is not an Origin: write https://phone.example.com, or none"),
        (True, "true is not an Origin: write https://phone.example.com, or none"),
    ],
)
def test_what_is_no_origin_is_told(value, said):
    with pytest.raises(ValueError, match=r".") as caught:
        parse_origin(value)
    assert str(caught.value) == said
