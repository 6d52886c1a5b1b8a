"""The figures of the core: plain integers under keys that no client chooses."""

from __future__ import annotations

import pytest

from proxy.counts import DURATION_BOUNDS, Counts, Histogram


def test_bounds_rise():
    assert list(DURATION_BOUNDS) == sorted(set(DURATION_BOUNDS))


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, 0), (0.005, 0), (0.0051, 1), (1.0, 7), (179.9, 13), (180.0, 13), (180.1, 14), (9e9, 14)],
)
def test_observation_goes_under_its_upper_bound(seconds, bucket):
    """The bounds of Prometheus are inclusive."""
    histogram = Histogram()
    histogram.observe(seconds)
    assert [i for i, n in enumerate(histogram.buckets) if n] == [bucket]
    assert histogram.total == seconds


def test_observations_add_up():
    histogram = Histogram()
    for seconds in (0.25, 0.5, 2.0):
        histogram.observe(seconds)
    assert sum(histogram.buckets) == 3
    assert histogram.total == 2.75


def test_everything_begins_at_zero():
    counts = Counts(2)
    assert (len(counts.received), len(counts.sent)) == (2, 2)
    assert counts.retransmissions == [0, 0]
    assert (counts.misdirected, counts.failovers) == (0, 0)
    counts.received[0][b"INVITE"] += 1
    assert counts.received[1] == {}
    counts.durations[b"INVITE"].observe(1.0)
    assert counts.durations[b"BYE"].total == 0.0
