"""The fragments of the grammar, each against what its production lets through and what not."""

from __future__ import annotations

import re

import pytest

from proxy.sip import abnf


@pytest.mark.parametrize("text", [b"INVITE", b"!interesting-Method0123456789_*+`.%indeed'~", b"z9hG4bK-.!%66*_+`'~"])
def test_tokens(text):
    assert re.fullmatch(abnf.TOKEN, text)


@pytest.mark.parametrize("text", [b"", b"a b", b"a;b", b'a"b', b"a=b", "é".encode(), b"a@b"])
def test_not_tokens(text):
    assert not re.fullmatch(abnf.TOKEN, text)


@pytest.mark.parametrize("text", [b'""', b'"a"', rb'"a\"b"', rb'"\\"', b'"a,;<>"', b'"\x07\x00"', '"Привет"'.encode()])
def test_quoted_strings(text):
    assert re.fullmatch(abnf.QUOTED, text, re.DOTALL)


@pytest.mark.parametrize("text", [b'"', b'"a', rb'"a\"', b'a"', b'"a"b"'])
def test_not_quoted_strings(text):
    assert not re.fullmatch(abnf.QUOTED, text, re.DOTALL)


@pytest.mark.parametrize(
    "text",
    [
        b"example.com", b"example.com.", b"a_b", b"192.0.2.1", b"9sh.invalid", b"[2001:db8::10]", b"[::ffff:192.0.2.1]",
        b"[2001:db8:::192.0.2.1]",
    ],
)  # fmt: skip
def test_hosts(text):
    assert re.fullmatch(abnf.HOST, text)


@pytest.mark.parametrize("text", [b"", b"[]", b"[192.0.2.1]", b"2001:db8::10", b"a b", b"[::1", b"a]", b"a@b"])
def test_not_hosts(text):
    assert not re.fullmatch(abnf.HOST, text)


@pytest.mark.parametrize("text", [b" ", b"\t ", b"\r\n  ", b" \r\n\t"])
def test_white_space_includes_folding(text):
    assert re.fullmatch(abnf.LWS, text)
    assert re.fullmatch(abnf.SWS, text)
    assert text.strip(abnf.WS) == b""


def test_optional_white_space_may_be_absent():
    assert re.fullmatch(abnf.SWS, b"")
    assert not re.fullmatch(abnf.LWS, b"")


def test_ports_are_digits_and_not_endless():
    assert re.fullmatch(abnf.PORT, b"5060")
    assert not re.fullmatch(abnf.PORT, b"123456789")


def test_delimiters_and_controls_are_in_no_uri():
    pattern = re.compile(b"[" + abnf.NOT_IN_URI + b"]")
    banned = [code for code in range(256) if pattern.match(bytes((code,)))]
    assert banned == [*range(33), ord('"'), ord("<"), ord(">"), 127]
