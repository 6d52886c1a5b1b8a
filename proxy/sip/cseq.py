"""The CSeq header field: number and method (RFC 3261 sections 8.1.1.5, 20.16)."""

from __future__ import annotations

import re
from typing import Final

from proxy.sip import abnf
from proxy.sip.errors import HeaderError
from proxy.sip.uri import shown

# > The sequence number value MUST be expressible as a 32-bit unsigned integer and MUST be less than 2**31.
_LIMIT: Final = 2**31

# > CSeq  =  "CSeq" HCOLON 1*DIGIT LWS Method
# A value without outer white space cannot match without a digit.
_CSEQ: Final = re.compile(rb"0*([1-9][0-9]*|)" + abnf.LWS + rb"(" + abnf.TOKEN + rb")").fullmatch


def parse_cseq(value: bytes) -> tuple[int, bytes]:
    """Return number and method (as written: methods are case-sensitive).

    Raises:
        HeaderError: there is no number or no method, or the number is 2**31 or more.
    """
    value = value.strip(abnf.WS)
    found = _CSEQ(value)
    if found is None:
        raise HeaderError(f"the CSeq {shown(value)} is not a number and a method (RFC 3261 section 20.16)")
    digits, method = found.groups()
    if len(digits) > 10 or (number := int(digits or b"0")) >= _LIMIT:
        raise HeaderError(f"the number in the CSeq {shown(value)} is 2**31 or more (RFC 3261 8.1.1.5)")
    return number, method
