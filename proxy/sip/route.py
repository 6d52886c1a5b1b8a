"""Route, Record-Route and Path: addresses walked from the front (RFC 3261 section 20.34, RFC 3327)."""

from __future__ import annotations

from proxy.sip.address import NameAddr, parse_name_addr
from proxy.sip.params import split_first, split_list

Route = NameAddr


def parse_routes(values: list[bytes]) -> list[Route]:
    """Parse the values of all header lines of one name, in order, into one flat list.

    Raises:
        HeaderError: one of the elements is not an address.
    """
    return [parse_name_addr(element) for value in values for element in split_list(value)]


def is_loose(route: Route) -> bool:
    """Tell whether the route is a loose router: its URI has `lr`, with or without value (`lr=on`, `lr=true`).

    A route that was written without angle brackets, against the grammar, may carry its `lr` behind them too.

    Raises:
        UriError: the URI of the route is broken.
    """
    if route.uri.param(b"lr") is not None:
        return True
    return not route.bracketed and route.param(b"lr") is not None


def remove_leading(value: bytes, count: int) -> bytes:
    """Drop so many elements from the front of a header value; the others stay octet for octet."""
    for _ in range(count):
        value = split_first(value)[1]
    return value


def remove_first(value: bytes) -> bytes:
    """Drop the first element of a header value; the others stay octet for octet; b"" when none is left."""
    return split_first(value)[1]
