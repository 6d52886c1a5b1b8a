"""Who gives way when connections are as many as there may be."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from proxy.transport.crowd import Crowd, site_of


class Parked:
    """A connection of a client that is silent since `heard`."""

    def __init__(self, host, heard=0.0):
        self.host = host
        self.heard = heard
        self.deaf = False
        self.registered = False


class Bench:
    def __init__(self, *connections):
        self.time = Clock()
        self.connections = list(connections)
        self.looks = 0
        self.crowd = Crowd(self.time.seconds, 100_000)

    def spare(self):
        self.looks += 1
        return [(one.host, one) for one in self.connections if not one.registered and not one.deaf]

    def next(self):
        found = self.crowd.next(self.spare, lambda one: one.registered)
        if found is not None:
            found.deaf = True
        return found


def test_the_longest_silent_one_of_the_largest_crowd_leaves():
    crowd = [Parked("192.0.2.7", heard) for heard in (3.0, 1.0, 2.0)]
    bench = Bench(Parked("192.0.2.8"), Parked("192.0.2.8"), *crowd)
    assert bench.next() is crowd[1]


def test_it_leaves_half_of_the_crowd_before_it_looks_again():
    bench = Bench(*[Parked("192.0.2.7", float(heard)) for heard in range(10)])
    assert [bench.next().heard for _ in range(5)] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert bench.looks == 1
    assert bench.next() is None
    bench.time.advance(1.0)
    assert bench.next().heard == 5.0


def test_who_has_one_connection_keeps_it():
    bench = Bench(Parked("192.0.2.7"), Parked("192.0.2.8"), Parked("2001:db8::7"))
    assert bench.next() is None


def test_a_hundred_thousand_are_looked_through_once_a_second_at_the_most():
    bench = Bench(Parked("192.0.2.7"))
    for _ in range(100):
        assert bench.next() is None
    assert bench.looks == 1


@pytest.mark.parametrize("change", ["deaf", "registered", "heard"])
def test_one_that_is_gone_or_of_use_by_now_is_passed_over(change):
    crowd = [Parked("192.0.2.7", float(heard)) for heard in range(6)]
    bench = Bench(*crowd)
    assert bench.next() is crowd[0]
    setattr(crowd[1], change, 9.0)
    assert bench.next() is crowd[2]


def test_a_network_of_ipv6_is_one_client():
    crowd = [Parked("2001:db8:0:1::7"), Parked("2001:db8:0:1:ffff::9", 1.0)]
    bench = Bench(Parked("2001:db8:0:2::7"), *crowd)
    assert bench.next() is crowd[0]
    assert site_of("fe80::1%eth0") == site_of("fe80::2") != site_of("192.0.2.7")
