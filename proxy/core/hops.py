"""The top Via that a flow's requests bring, known again by its octets: all of it but the branch is always the same.

What it says and how it is stamped is found once (`response_routing`); the next request that brings it needs no
parsing.
"""

from __future__ import annotations

from typing import Final

from proxy.core.flows import Flows
from proxy.core.response_routing import reply_flow, stamp_via
from proxy.counts import Counts
from proxy.flow import Flow
from proxy.sip.message import Request
from proxy.sip.registry import VIA

_BRANCH: Final = b";branch=z9hG4bK"
_COOKIE: Final = 7
# > token       =  1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~" )  (25.1)
_TOKEN: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~"


class Hop:
    """One Via line but for its branch: `head` and `tail` as received, the other two as they are sent on.

    `sent_by` and `port` are those of the parsed Via. `home` is the flow of the responses, None for the flow itself.
    """

    __slots__ = ("head", "home", "port", "sent_by", "stamped_head", "stamped_tail", "tail")

    def __init__(
        self,
        head: bytes,
        tail: bytes,
        stamped_head: bytes,
        stamped_tail: bytes,
        sent_by: bytes,
        port: int,
        home: Flow | None,
    ) -> None:
        self.head = head
        self.tail = tail
        self.stamped_head = stamped_head
        self.stamped_tail = stamped_tail
        self.sent_by = sent_by
        self.port = port
        self.home = home

    def branch_in(self, line: bytes) -> bytes:
        """The branch of a line that has this head and tail."""
        return line[len(self.head) - _COOKIE : len(line) - len(self.tail)]


def known_hop(request: Request, flow: Flow) -> Hop | None:
    """The hop of this flow if the request brings it again."""
    hop = flow.hop
    if not isinstance(hop, Hop) or request.places().via != 1:
        return None
    line = request.lines[1]
    if not line.startswith(hop.head) or not line.endswith(hop.tail):
        return None
    branch = line[len(hop.head) : len(line) - len(hop.tail)]
    return hop if branch and not branch.translate(None, _TOKEN) else None


def settle_hop(request: Request, flow: Flow, hop: Hop | None, branch: bytes, flows: Flows, counts: Counts) -> Flow:
    """Stamp the top Via of a request (18.2.1) and give the flow of its responses; remember the Via for the next.

    `branch` is that of the `hop`, and of no account without one.
    """
    lines = request.lines
    if hop is not None:
        lines[1] = hop.stamped_head + branch + hop.stamped_tail
        return hop.home or flow
    via = request.via
    before = lines[1]
    home = reply_flow(request, flow, flows, counts)
    stamp_via(request, flow)
    if request.names[1] == VIA:
        flow.hop = _made_hop(before, lines[1], via.sent_by, via.port, None if home is flow else home)
    return home


def _made_hop(before: bytes, after: bytes, sent_by: bytes, port: int, home: Flow | None) -> Hop | None:
    """The hop of a Via line as received and as stamped; None where its branch is not plain to see."""
    head, tail = _cut(before)
    stamped_head, stamped_tail = _cut(after)
    if not head or not stamped_head or b"maddr" in before.lower():
        return None
    # What follows the cookie differs; with the cookie in the head, only branches that have it fit.
    return Hop(head, tail, stamped_head[:-_COOKIE], stamped_tail, sent_by, port, home)


def _cut(line: bytes) -> tuple[bytes, bytes]:
    """What stands before the branch, with its cookie, and behind it; empty where that is not plain to see."""
    head, found, rest = line.partition(_BRANCH)
    branch = rest.partition(b";")[0]
    plain = line.lower().count(b"branch") == 1 and not branch.translate(None, _TOKEN)
    if not found or not plain or b"," in line or b'"' in line or b"\n" in line:
        return b"", b""
    return head + _BRANCH, rest[len(branch) :]
