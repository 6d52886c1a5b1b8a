"""Reading from front to back."""

from __future__ import annotations

import io

import pytest

from proxy.capture.captured import DamagedFileError
from proxy.capture.octets import Octets


def test_knows_where_it_is():
    octets = Octets(io.BytesIO(b"abcdef"))
    assert octets.take(2, "x") == b"ab"
    octets.skip(2, "x")
    assert octets.offset == 4
    assert octets.take_header(2, "x") == b"ef"
    assert octets.take_header(2, "x") == b""
    assert octets.offset == 6


def test_end_is_told_with_both_places():
    octets = Octets(io.BytesIO(b"abcdef"))
    octets.take(2, "x")
    with pytest.raises(DamagedFileError, match="ends at byte 6 in the middle of packet 7, which begins at byte 2"):
        octets.take(9, "packet 7")
    with pytest.raises(DamagedFileError, match="ends at byte 200,000"):
        Octets(io.BytesIO(bytes(200_000))).skip(1_000_000_000_000, "a block")
