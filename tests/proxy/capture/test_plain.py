"""A message as an editor left it."""

from __future__ import annotations

import pytest

from proxy.capture.plain import read_octets

INVITE = """\
INVITE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.77:5062;branch=z9hG4bK1;rport
Max-Forwards: 70
From: <sip:alice@Example.com>;tag=1
To: <sip:bob@example.net>
Call-ID: c1
CSeq: 1 INVITE
Contact: <sip:alice@93.184.216.34:5062>
Content-Length: 0

"""


def test_crlf_stays_as_it_is():
    octets = INVITE.replace("\n", "\r\n").encode() + b"body\n"
    assert read_octets(octets) == octets
    assert read_octets(b"\r\n\n" + octets) == octets


def test_lf_becomes_crlf():
    assert read_octets(INVITE.encode()) == INVITE.replace("\n", "\r\n").encode()


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n\n\n"])
def test_head_alone_ends_in_an_empty_line(end):
    assert read_octets((INVITE.rstrip() + end).encode()) == INVITE.replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    ("length", "body", "expected"),
    [
        (10, "v=0\ns=-\n", b"v=0\r\ns=-\r\n"),
        (10, "v=0\ns=-\n\n", b"v=0\r\ns=-\r\n"),
        (8, "v=0\ns=-\n", b"v=0\ns=-\n"),
        (3, "v=0\ns=-\n", b"v=0\r\ns=-\r\n"),
    ],
)
def test_body_is_what_content_length_counted(length, body, expected):
    """An editor that saves with LF shortens the body; one that ends files with a newline lengthens it."""
    text = INVITE.replace("Content-Length: 0", f"l : {length}") + body
    assert read_octets(text.encode()).partition(b"\r\n\r\n")[2] == expected
