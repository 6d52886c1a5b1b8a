"""CSeq: a number below 2**31 and a method, whatever white space and zeros there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sip.cseq import parse_cseq
from proxy.sip.errors import HeaderError


@pytest.mark.parametrize(
    ("value", "number", "method"),
    [
        (b"1 INVITE", 1, b"INVITE"),
        (b"0 ACK", 0, b"ACK"),
        (b"000 ACK", 0, b"ACK"),
        (b"0009\r\n  INVITE", 9, b"INVITE"),
        (b" 35   invite ", 35, b"invite"),
        (b"2147483647 BYE", 2**31 - 1, b"BYE"),
        (b"00000000000000002147483647 BYE", 2**31 - 1, b"BYE"),
        (b"139122385 !interesting-Method0123456789_*+`.%indeed'~", 139122385,
         b"!interesting-Method0123456789_*+`.%indeed'~"),
        (b"29234234 RE%47IST%45R", 29234234, b"RE%47IST%45R"),
    ],
)  # fmt: skip
def test_number_and_method(value, number, method):
    assert parse_cseq(value) == (number, method)


@pytest.mark.parametrize(
    "value", [b"", b"1", b"INVITE", b" INVITE", b"-1 INVITE", b"+1 INVITE", b"1INVITE", b"1 A B", b"1 A;b"]
)
def test_not_a_number_and_a_method(value):
    with pytest.raises(HeaderError, match="not a number and a method"):
        parse_cseq(value)


@pytest.mark.parametrize("value", [b"2147483648 BYE", b"36893488147419103232 REGISTER", b"9" * 5000 + b" INVITE"])
def test_numbers_that_are_too_great(value):
    """RFC 3261 section 8.1.1.5; RFC 4475 section 3.1.2.4 has the second one."""
    with pytest.raises(HeaderError, match=r"2\*\*31 or more"):
        parse_cseq(value)


@given(st.integers(0, 2**31 - 1), st.integers(0, 9), st.sampled_from([b" ", b"\t", b"\r\n "]))
def test_every_legal_number(number, zeros, space):
    assert parse_cseq(b"0" * zeros + b"%d" % number + space + b"INVITE") == (number, b"INVITE")
