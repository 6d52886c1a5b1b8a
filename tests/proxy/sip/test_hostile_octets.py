"""Octets made to keep a parser busy: 60,000 of them are read, or refused, in time that grows with their number only.

No clock is asked. A pattern that tries the same octets again and again takes minutes here, or does not end at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from proxy.sip.address import parse_name_addr
from proxy.sip.contact import misplaced
from proxy.sip.cseq import parse_cseq
from proxy.sip.errors import SipError
from proxy.sip.framing import StreamFramer
from proxy.sip.params import header_param, param_span, split_first, split_list
from proxy.sip.uri import parse_host_port, parse_uri
from proxy.sip.via import add_params, parse_via

LENGTH = 60_000
ATOMS = (
    b'"', b"\\", b'\\"', b'"\\', b";", b" ", b",", b"<", b">", b"a", b"0", b":", b"@", b"=", b"[", b"?", b"/",
    b"\r\n ", b"\r", b";a", b";a=", b'";', b';"', b'\\";', b';a"', b" ;", b"; ", b'""', b"@a", b"a:", b"<a>,", b'"<',
    b"%41", b"\t=", b";\\",
)  # fmt: skip
ENDS = (b"", b'"', b"\\", b"\x00", b",", b">")
T = TypeVar("T")
each_atom = pytest.mark.parametrize("atom", ATOMS, ids=repr)


def long_values(start: bytes, atom: bytes) -> list[bytes]:
    return [start + atom * (LENGTH // len(atom)) + end for end in ENDS]


def parsed(parse: Callable[[bytes], T], value: bytes) -> T | None:
    """What the value means, or None when it is refused with a text short enough for a log line."""
    try:
        return parse(value)
    except SipError as error:
        text = error.text
    assert len(text) < 500
    return None


@each_atom
@pytest.mark.parametrize(
    "start",
    [
        b"SIP", b"SIP/2.0/UDP ", b"SIP/2.0/UDP h", b"SIP/2.0/UDP h:", b"SIP/2.0/UDP h;", b'SIP/2.0/UDP h;a="',
        b"SIP/2.0/UDP h;a=",
    ],
    ids=repr,
)  # fmt: skip
def test_via(start, atom):
    for value in long_values(start, atom):
        via = parsed(parse_via, value)
        assert via is None or via.raw == value.strip()
        assert b"received=192.0.2.1" in add_params(value, b"192.0.2.1", b"5060")


@each_atom
@pytest.mark.parametrize(
    "start",
    [b"", b'"', b'"a" ', b"<", b"<sip:a@b>", b"<sip:a@b>;", b'<sip:a@b>;a="', b"sip:a@b", b"sip:a@b;"],
    ids=repr,
)
def test_addresses(start, atom):
    for value in long_values(start, atom):
        found = parsed(parse_name_addr, value)
        if found is not None:
            assert found.with_addr(b"sip:x").endswith(found.params)
            assert found.param(b"absent") is None
            inside, outside = misplaced(found)
            assert inside == b""
            assert outside in value


@each_atom
@pytest.mark.parametrize(
    "start", [b"", b"sip:", b"sip:a@", b"sip:a@b@", b"sip:h:", b"sip:h;", b"sip:h?", b"tel:"], ids=repr
)
def test_uris(start, atom):
    for value in long_values(start, atom):
        uri = parsed(parse_uri, value)
        if uri is not None:
            assert uri.param(b"absent") is None
            assert uri.equals(parse_uri(value))


@each_atom
@pytest.mark.parametrize("start", [b"", b";", b";a", b';"', b';b="', b"; b"], ids=repr)
def test_parameters(start, atom):
    for value in long_values(start, atom):
        assert header_param(value, b"absent") is None
        assert param_span(value, b"absent") is None
        found = header_param(value, b"a")
        assert found is None or found in value


@each_atom
@pytest.mark.parametrize("start", [b"", b'"', b"<", b"a,"], ids=repr)
def test_lists(start, atom):
    for value in long_values(start, atom):
        elements = split_list(value)
        assert sum(map(len, elements)) <= len(value)
        first, rest = split_first(value)
        assert len(first) + len(rest) <= len(value)


@each_atom
@pytest.mark.parametrize("start", [b"", b"0", b"1 ", b"1"], ids=repr)
def test_numbers_and_hosts(start, atom):
    for value in long_values(start, atom):
        cseq = parsed(parse_cseq, value)
        assert cseq is None or cseq[0] in (0, 1)
        host = parsed(parse_host_port, value)
        assert host is None or host[0] in value


@each_atom
@pytest.mark.parametrize("start", [b"\r\nl", b"\r\nl:", b"\r\nl ", b"\r\nl:\r\n "], ids=repr)
def test_lengths_on_a_stream(start, atom):
    def cut(value: bytes) -> bytes | None:
        stream = StreamFramer(10**6, 10**6, 10**6)
        stream.feed(value)
        return stream.next()

    for value in long_values(b"A sip:h SIP/2.0" + start, atom):
        head = value + b"\r\n\r\n"
        assert parsed(cut, head) in (None, head)


def test_keep_alives_in_one_piece():
    stream = StreamFramer(1000, 1000, 100)
    stream.feed(b"\r\n" * (LENGTH // 2))
    assert stream.next() is None
    assert stream.take_pings() == LENGTH // 4
