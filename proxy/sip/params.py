"""Parameters behind ";" and values behind ",": found and cut without taking the text apart (RFC 3261 section
7.3.1).

Values come back as they are written: quotes, escapes and case are kept.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.sip import abnf

# > generic-param  =  token [ EQUAL gen-value ]
# Group 1 is the name, group 2 everything behind it up to the next ";" outside quotes.
_PARAM: Final = re.compile(
    rb";" + abnf.SWS + rb'([^ \t\r\n;="]*+)' + abnf.SWS + rb'((?:[^;"]++|' + abnf.QUOTED + rb")*+)", re.DOTALL
)
_EACH_PARAM: Final = _PARAM.finditer
_SPACED_OR_QUOTED: Final = re.compile(rb'["\s]').search
_AFTER_NAME: Final = (b"", b";", b"=")

# One element of a comma-separated list. An opening quote or bracket that is never closed swallows the rest,
# so that what follows it can never pass for an element of its own.
_ELEMENT: Final = re.compile(
    rb'(?:[^",<]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|<[^>]*+>?+)++', re.DOTALL
)
_FIRST_ELEMENT: Final = _ELEMENT.match
_ALL_ELEMENTS: Final = _ELEMENT.findall


def plain_param(params: bytes, name: bytes) -> bytes | None:
    """Return the value of `name` (given in lower case) in `params`, which have neither spaces nor quotes.

    `params` begins with its ";". A parameter without value gives b"", one that is not there None; of several
    with one name the first counts.
    """
    lower = params.lower()
    wanted = b";" + name
    at = lower.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        follows = lower[end : end + 1]
        if follows == b"=":
            stop = lower.find(b";", end)
            return params[end + 1 :] if stop < 0 else params[end + 1 : stop]
        if not follows or follows == b";":
            return b""
        at = lower.find(wanted, end)
    return None


def header_param(params: bytes, name: bytes) -> bytes | None:
    """As `plain_param`, for parameters of a header field: spaces, folding and quoted strings may occur."""
    if not params:
        return None
    if _SPACED_OR_QUOTED(params) is None:
        return plain_param(params, name)
    for found in _EACH_PARAM(params):
        if found.group(1).lower() == name:
            rest = found.group(2)
            return rest[1:].strip(abnf.WS) if rest.startswith(b"=") else b""
    return None


def param_span(text: bytes, name: bytes) -> tuple[int, int] | None:
    """Tell where in `text` the parameter `name` (lower case) has its value: from its "=", or the place for it.

    The span ends before trailing whitespace, so `text[:start] + b"=new" + text[end:]` sets the value.
    """
    if _SPACED_OR_QUOTED(text, text.find(b";")) is None:
        lower = text.lower()
        wanted = b";" + name
        start = lower.find(wanted)
        while start >= 0:
            start += len(wanted)
            stop = lower.find(b";", start)
            if lower[start : start + 1] in _AFTER_NAME:
                return start, len(text) if stop < 0 else stop
            start = lower.find(wanted, start)
        return None
    for found in _EACH_PARAM(text):
        if found.group(1).lower() == name:
            start = found.end(1)
            rest = text[start : found.end()]
            return start, start + len(rest.rstrip(abnf.WS))
    return None


def split_list(value: bytes) -> list[bytes]:
    """Cut a header value at the commas outside quotes and angle brackets; whitespace around elements is
    dropped.

    Empty elements, as a stray comma leaves them, are dropped too. A value without comma is its own only
    element.
    """
    if b"," not in value:
        return [value.strip(abnf.WS)]
    if b'"' in value or b"<" in value:
        parts = _ALL_ELEMENTS(value)
    else:
        parts = value.split(b",")
    return [element for part in parts if (element := part.strip(abnf.WS))]


def split_first(value: bytes) -> tuple[bytes, bytes]:
    """Cut off the first element of a comma-separated list: (element, rest), both without outer whitespace.

    The rest is octet for octet as written otherwise, and b"" when there was one element only.
    """
    comma = value.find(b",")
    if comma < 0:
        return value.strip(abnf.WS), b""
    found = _FIRST_ELEMENT(value)
    comma = 0 if found is None else found.end()
    return value[:comma].strip(abnf.WS), value[comma + 1 :].strip(abnf.WS)
