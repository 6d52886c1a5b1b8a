"""What is shown of a capture acts on no terminal and tells no secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.doctor.words import line, plain


@pytest.mark.parametrize("octets", [b"\x1b[31mred", b"a\rb\nc", b"\x9b2J", "\u202eevil".encode(), b"\xff\x00"])
def test_control_characters_are_shown_as_escapes(octets):
    assert line(octets).isprintable()


@given(st.text())
def test_any_text_becomes_printable_in_one_line(text):
    assert not set(plain(text)) & set("\n\r\t\x1b\x00\x7f\x9b\u202e")


@pytest.mark.parametrize(
    "octets",
    [
        b'Authorization: Digest username="alice", nonce="s3cret", response="s3cret", cnonce=s3cret',
        b"Proxy-Authorization: Basic s3cret",
        b"Authorization: Bearer s3cret",
        b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:s3cret",
    ],
)
def test_secrets_are_hidden(octets):
    assert "s3cret" not in line(octets)
    assert "hidden" in line(octets)
    assert ('username="alice"' in line(octets)) is (b"alice" in octets)


def test_other_lines_stay():
    assert line(b"Contact: <sip:a@b>;response=1") == "Contact: <sip:a@b>;response=1"
