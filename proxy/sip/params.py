"""Parameters behind ";" and values behind ",": found and cut without taking the text apart (RFC 3261 section
7.3.1).

Values come back as they are written: quotes, escapes and case are kept.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.sip import abnf

# > generic-param  =  token [ EQUAL gen-value ]
# Group 1 is the name, group 2 everything behind it up to the next ";" outside quotes. A quote that is never closed
# swallows the rest.
_EACH_PARAM: Final = re.compile(
    rb";" + abnf.SWS + rb'([^ \t\r\n;="]*)' + abnf.SWS + rb'([^;"]*(?:(?:' + abnf.QUOTED_OR_OPEN + rb'[^;"]*)+|))',
    re.DOTALL,
).finditer
_AFTER_NAME: Final = (b"", b";", b"=", b'"')
_QUOTE: Final = ord('"')
_BACKSLASH: Final = ord("\\")
_COMMA: Final = ord(",")
_SEMICOLON: Final = ord(";")
_EQUALS: Final = ord("=")
_OPENING: Final = ord("<")

# One element of a comma-separated list. An opening quote or bracket that is never closed swallows the rest,
# so that what follows it can never pass for an element of its own. The repetitions may stand side by side here
# because nothing comes behind them that could make the pattern go back.
_ELEMENT: Final = re.compile(rb'(?:[^",<]+|' + abnf.QUOTED_OR_OPEN + rb"|<[^>]*>?)+", re.DOTALL)
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
        if end == len(lower):
            return b""
        follows = lower[end]
        if follows == _EQUALS:
            stop = lower.find(b";", end)
            return params[end + 1 :] if stop < 0 else params[end + 1 : stop]
        if follows == _SEMICOLON:
            return b""
        at = lower.find(wanted, end)
    return None


def header_param(params: bytes, name: bytes) -> bytes | None:
    """As `plain_param`, for parameters of a header field: spaces, folding and quoted strings may occur."""
    if not params:
        return None
    if params.split() == [params]:
        if _QUOTE not in params:
            return plain_param(params, name)
        if _BACKSLASH not in params:
            span = _span_without_spaces(params.lower(), name)
            if span is None:
                return None
            return params[span[0] + 1 : span[1]] if params[span[0] : span[0] + 1] == b"=" else b""
    for found in _EACH_PARAM(params):
        if found.group(1).lower() == name:
            rest = found.group(2)
            return rest[1:].strip(abnf.WS) if rest.startswith(b"=") else b""
    return None


def param_span(text: bytes, name: bytes) -> tuple[int, int] | None:
    """Tell where in `text` the parameter `name` (lower case) has its value: from its "=", or the place for it.

    The span ends before trailing whitespace, so `text[:start] + b"=new" + text[end:]` sets the value.
    """
    lower = text.lower()
    if lower.find(name) < 0:
        return None
    params = text[text.find(b";") :]
    if _BACKSLASH not in params and params.split() == [params]:
        return _span_without_spaces(lower, name)
    for found in _EACH_PARAM(text):
        if found.group(1).lower() == name:
            start = found.end(1)
            rest = text[start : found.end()]
            return start, start + len(rest.rstrip(abnf.WS))
    return None


def _span_without_spaces(lower: bytes, name: bytes) -> tuple[int, int] | None:
    """Do the work of `param_span` in a text in lower case, with neither white space nor a backslash.

    Without backslashes a place is within quotes if the number of quotes since the first ";" is odd.
    """
    wanted = b";" + name
    quoted = _QUOTE in lower
    quotes = 0
    done = lower.find(b";")
    at = lower.find(wanted)
    while at >= 0:
        start = at + len(wanted)
        if quoted:
            quotes += lower.count(b'"', done, start)
            done = start
        if quotes % 2 == 0 and lower[start : start + 1] in _AFTER_NAME:
            stop = lower.find(b";", start)
            while stop >= 0:
                if quoted:
                    quotes += lower.count(b'"', done, stop)
                    done = stop
                if quotes % 2 == 0:
                    return start, stop
                stop = lower.find(b";", stop + 1)
            return start, len(lower)
        at = lower.find(wanted, start)
    return None


def split_list(value: bytes) -> list[bytes]:
    """Cut a header value at the commas outside quotes and angle brackets; whitespace around elements is
    dropped.

    Empty elements, as a stray comma leaves them, are dropped too. A value without comma is its own only
    element.
    """
    if _COMMA not in value:
        return [value.strip(abnf.WS)]
    if _QUOTE in value or _OPENING in value:
        parts = _ALL_ELEMENTS(value)
    else:
        parts = value.split(b",")
    return [element for part in parts if (element := part.strip(abnf.WS))]


def split_first(value: bytes) -> tuple[bytes, bytes]:
    """Cut off the first element of a comma-separated list: (element, rest), both without outer whitespace.

    The rest is octet for octet as written otherwise, and b"" when there was one element only.
    """
    element, comma, rest = value.partition(b",")
    if comma and (_QUOTE in element or _OPENING in element):
        found = _FIRST_ELEMENT(value)
        end = 0 if found is None else found.end()
        element, rest = value[:end], value[end + 1 :]
    return element.strip(abnf.WS), rest.strip(abnf.WS)
