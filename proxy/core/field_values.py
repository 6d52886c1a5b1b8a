"""Values in header fields of REGISTER and its answers: delta-seconds, expires, option tags, the digest user name."""

from __future__ import annotations

import re

from proxy.sip.address import parse_name_addr
from proxy.sip.message import Request
from proxy.sip.params import param_span
from proxy.sip.registry import AUTHORIZATION, PROXY_AUTHORIZATION

MAX_EXPIRES = 2**32 - 1
_USERNAME = re.compile(rb"""\busername\s*=\s*"((?:[^"\\]|\\.)*)\"""", re.IGNORECASE).search


def seconds(text: bytes | None, default: int) -> int:
    """A delta-seconds value; the default where it is absent or no number."""
    if text is None or not text.isdigit() or len(text) > 10:
        return default
    return min(int(text), MAX_EXPIRES)


def with_expires(element: bytes, expires: int) -> bytes:
    """The Contact element with that expires parameter, in place if it has one (RFC 3261 section 10.3 step 8)."""
    params = parse_name_addr(element).params
    head = element[: len(element) - len(params)]
    span = param_span(params, b"expires")
    if span is None:
        return b"%b;expires=%d" % (element, expires)
    return b"%b%b=%d%b" % (head, params[: span[0]], expires, params[span[1] :])


def with_instance(element: bytes, instance: bytes) -> bytes:
    """The Contact element with that value (quotes included) in its +sip.instance, if it has one."""
    params = parse_name_addr(element).params
    span = param_span(params, b"+sip.instance")
    if span is None:
        return element
    head = element[: len(element) - len(params)]
    return b"%b%b=%b%b" % (head, params[: span[0]], instance, params[span[1] :])


def has_option(value: bytes, option: bytes) -> bool:
    """Whether an option tag stands in the value of a Supported or Require header."""
    return option in [tag.strip().lower() for tag in value.split(b",")]


def has_credentials(request: Request) -> bool:
    """Whether a request answers a challenge."""
    return AUTHORIZATION in request.names or PROXY_AUTHORIZATION in request.names


def username(request: Request) -> bytes:
    """The digest username of a request; empty without credentials."""
    for name in (AUTHORIZATION, PROXY_AUTHORIZATION):
        found = _USERNAME(request.value(name) or b"")
        if found is not None:
            return found.group(1)
    return b""
