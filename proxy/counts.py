"""The figures of the core as plain integers; `proxy.metrics` reads them when Prometheus scrapes.

Keys come from closed sets only (known methods, status codes, our own labels): a client cannot grow a table.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

DURATION_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0)


class Histogram:
    """Counts of observations by upper bound (seconds); the last count is for everything above the last bound."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(DURATION_BOUNDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.buckets[bisect_left(DURATION_BOUNDS, seconds)] += 1
        self.total += seconds


class Counts:
    """All counters of one core.

    `received` and `sent` are lists by listener index of {kind: n}, kind being a known method, `other`, or a
    status class such as `2xx`.
    """

    __slots__ = (
        "dropped",
        "durations",
        "failovers",
        "keep_alives",
        "keep_alives_unanswered",
        "misdirected",
        "plugin_errors",
        "received",
        "repairs",
        "responses",
        "restored_by",
        "retransmissions",
        "sent",
    )

    def __init__(self, listeners: int) -> None:
        self.received: list[defaultdict[bytes, int]] = [defaultdict(int) for _ in range(listeners)]
        self.sent: list[defaultdict[bytes, int]] = [defaultdict(int) for _ in range(listeners)]
        # (rule, header, mode) -> n
        self.repairs: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        # (side, status) -> n, of responses sent
        self.responses: defaultdict[tuple[int, int], int] = defaultdict(int)
        # [in, out]
        self.retransmissions = [0, 0]
        self.dropped: defaultdict[str, int] = defaultdict(int)
        # how a request from the server without a token found its client
        self.restored_by: defaultdict[str, int] = defaultdict(int)
        self.plugin_errors: defaultdict[str, int] = defaultdict(int)
        self.durations: defaultdict[bytes, Histogram] = defaultdict(Histogram)
        # (direction, kind) -> n: what keeps NATs open and is no SIP message
        self.keep_alives: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.keep_alives_unanswered = 0
        self.misdirected = 0
        self.failovers = 0
