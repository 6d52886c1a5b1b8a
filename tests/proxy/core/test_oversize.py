"""Which limit a message is above, and what of it can be answered (RFC 3261 section 21.5.7)."""

from __future__ import annotations

import pytest
from parts import request, settings

from proxy.core.oversize import check_size, read_first_lines
from proxy.sip.errors import SipError

SMALL = settings(max_message=600, max_head=400, max_header_lines=10)
OCTETS = request().octets()
PADDING = b"X: " + b"y" * 500 + b"\r\n"


def with_lines(*lines: bytes) -> bytes:
    """The usual request with more lines at the end of its head."""
    return OCTETS.removesuffix(b"\r\n") + b"".join(lines) + b"\r\n"


@pytest.mark.parametrize("octets", [OCTETS, OCTETS + b"y" * (600 - len(OCTETS)), b"\r\n\r\n" + OCTETS, b""])
def test_within_the_limits(octets):
    check_size(octets, SMALL)


@pytest.mark.parametrize(
    ("octets", "label", "text"),
    [
        (with_lines(PADDING), "head_too_long", "the head has more than 400 octets"),
        (b"\r\n\r\n" + with_lines(PADDING), "head_too_long", "the head has more than 400 octets"),
        (with_lines(PADDING).replace(b"\r\n", b"\n"), "head_too_long", "the head has more than 400 octets"),
        (b"y" * 401, "head_too_long", "the head has more than 400 octets"),
        (OCTETS + b"y" * 600, "message_too_long", "the message has more than 600 octets"),
    ],
)
def test_above_a_limit(octets, label, text):
    with pytest.raises(SipError) as caught:
        check_size(octets, SMALL)
    assert (caught.value.status, caught.value.label, caught.value.text) == (513, label, text)


@pytest.mark.parametrize(
    "octets",
    [
        with_lines(PADDING), with_lines(PADDING) + b"y" * 1000, with_lines(PADDING)[:500],
        with_lines(*[b"X: y\r\n"] * 50),
        OCTETS + b"y" * 1000, b"\r\n" + with_lines(PADDING), with_lines(PADDING).replace(b"\r\n", b"\n"),
        OCTETS.replace(b"\r\n", b"\n") + b"y\r\n\r\n" * 1000,
    ],
)  # fmt: skip
def test_first_lines(octets):
    """All lines up to the one that is cut off, and no body."""
    found = read_first_lines(octets, SMALL)
    assert found.lines[:8] == request().lines
    assert set(found.lines[8:]) <= {b"X: y"}
    assert len(found.lines) <= 10
    assert found.body == b""


@pytest.mark.parametrize(
    "octets",
    [
        b"", b"\r\n\r\n", b"y" * 1000, b"y\r\n" * 1000, PADDING, OCTETS.replace(b"Via", PADDING + b"Via"),
        OCTETS.replace(b"From", PADDING + b"From"), OCTETS.replace(b"CSeq", PADDING + b"CSeq"),
        b"X: y\r\n" * 20 + OCTETS, b"SIP/2.0 200 OK\r\n" + OCTETS.partition(b"\r\n")[2],
    ],
)  # fmt: skip
def test_nothing_to_answer(octets):
    assert read_first_lines(octets, SMALL) is None
