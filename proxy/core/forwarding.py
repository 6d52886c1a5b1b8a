"""Request forwarding (RFC 3261 section 16.6): what every proxy changes in the copy that leaves.

Max-Forwards, Record-Route, Via with an unguessable branch, and the mark in it by which we know a loop (RFC 5393).
None of this is a repair: no finding, no record.
"""

from __future__ import annotations

import re

from proxy.core.tokens import BRANCH_PREFIX, LOOP_MARK_LENGTH
from proxy.core.validation import MOST_BREADTH, breadths_of
from proxy.flow import Flow, Listener
from proxy.sip.message import Message, Request, Response
from proxy.sip.registry import (
    CONTENT_LENGTH,
    INVITE,
    MAX_FORWARDS,
    NOTIFY,
    RECORD_ROUTE,
    REFER,
    SUBSCRIBE,
    VIA,
)

_DIALOG_FORMING = (INVITE, SUBSCRIBE, REFER)
# The marks of all our branches in a Via line: some servers write all values into one.
_LOOP_MARKS = re.compile(BRANCH_PREFIX + rb"[a-z0-9]{16}([0-9a-f]{%d})" % LOOP_MARK_LENGTH).findall
# The line as nearly everybody writes it, and with one hop less.
_LESS = {b"Max-Forwards: %d" % hops: b"Max-Forwards: %d" % (hops - 1) for hops in range(1, 256)}


def spend_hop(request: Request) -> None:
    """Take one from Max-Forwards (16.6 step 3), and keep Max-Breadth within bounds (RFC 5393 section 5.3.3).

    Validation has seen that Max-Forwards is a number above 0.
    """
    places = request.places()
    if places.limits == 1:
        _spend(request, places.max_forwards)
    elif places.limits:
        for index in request.indexes(MAX_FORWARDS):
            _spend(request, index)
    if places.breadths:
        _bound_breadth(request, places.breadths)


def _spend(request: Request, index: int) -> None:
    line = request.lines[index]
    less = _LESS.get(line)
    if less is None:
        name, _, value = line.partition(b":")
        less = b"%b: %d" % (name.rstrip(), int(value) - 1)
    request.lines[index] = less


def _bound_breadth(request: Request, indexes: tuple[int, ...]) -> None:
    """One line of Max-Breadth, the lowest, all of which our one branch gets; 60 where it is more."""
    breadths = breadths_of(request, indexes)
    if not breadths:
        return
    kept = indexes[breadths.index(min(breadths))]
    if min(breadths) > MOST_BREADTH:
        request.replace(kept, b"Max-Breadth: %d" % MOST_BREADTH)
    for index in reversed(indexes):
        if index != kept:
            request.remove(index)


def loop_mark(request: Request, side: int) -> bytes:
    """A hash over all that decides about the way of a request (RFC 5393 section 4.2.1, protocol 9.2).

    Python's own hash of octets is keyed with a secret of the process, which is all that has to know the mark again.
    """
    lines, places = request.lines, request.places()
    decides: tuple[object, ...] = (
        side,
        request.uri,
        lines[places.from_],
        lines[places.to],
        lines[places.call_id],
        request.cseq[0],  # > The request method MUST NOT be included in the calculation of the branch (16.6 step 8)
    )
    if places.deciding:
        decides += tuple([lines[index] for index in places.deciding])
    return b"%016x" % (hash(decides) & 0xFFFFFFFFFFFFFFFF)


def has_looped(request: Request, mark: bytes) -> bool:
    """Whether the request passed here before and nothing about its way has changed since (16.3 step 4)."""
    names = request.names
    if names.count(VIA) == 1 and BRANCH_PREFIX not in request.lines[names.index(VIA)]:
        return False
    return any(mark in _LOOP_MARKS(line) for line, name in zip(request.lines, names, strict=True) if name == VIA)


def wants_record_route(request: Request) -> bool:
    """INVITE, SUBSCRIBE and REFER without To tag, and every NOTIFY (protocol 8.1)."""
    method = request.method
    return (method in _DIALOG_FORMING and request.to.tag is None) or method == NOTIFY


def record_route_line(listener: Listener, user: bytes, secure: bool) -> bytes:
    """One Record-Route of ours."""
    return (b"Record-Route: <sips:" if secure else b"Record-Route: <sip:") + user + listener.route


def add_hop(request: Request, listener: Listener, branch: bytes, routes: tuple[bytes, ...]) -> None:
    """Put our Via on top, and our Record-Routes (finished lines, topmost first) before those of others."""
    request.lines[1:1] = (listener.via + branch, *routes)
    request.names[1:1] = (VIA, *(RECORD_ROUTE,) * len(routes))
    request._via = None
    request.moved()
    if listener.reliable:
        measure(request)


def measure(message: Message) -> None:
    """Content-Length, without which a stream cannot be cut (16.6 step 9, 18.3), whatever the rules are told to do."""
    if message.places().content_length < 0:
        message.append(CONTENT_LENGTH, b"Content-Length: %d" % len(message.body))


def remove_hop(request: Request, routes: int) -> None:
    """Take off again what `add_hop` put on: our Via and so many Record-Routes."""
    end = 2 + routes
    del request.lines[1:end]
    del request.names[1:end]
    request._via = None
    request.moved()


def pop_via(response: Response) -> None:
    """Take our own Via off the top (16.7 step 3)."""
    index = response.places().via
    line = response.lines[index]
    rest = line.partition(b",")[2].strip() if b"," in line else b""
    if rest:
        response.lines[index] = line.partition(b":")[0] + b": " + rest
    else:
        del response.lines[index]
        del response.names[index]
        response.moved()
    response._via = None


def record_routes(leaving: Flow, other: Listener, user: bytes, secure: bool) -> tuple[bytes, bytes]:
    """Our two Record-Routes, that of the side by which the request leaves on top (RFC 5658 section 4)."""
    return record_route_line(leaving.listener, user, secure), record_route_line(other, user, secure)
