"""RFC 4320: no useless answers to requests other than INVITE, and a 100 only when it helps."""

from __future__ import annotations

import pytest

from proxy.flow import TCP
from tests.support.flows import registration
from tests.support.ladder import Ladder, after, nothing
from tests.support.world import World

MESSAGE = "MESSAGE sip:bob@example.com"


@pytest.mark.parametrize("status", [180, 182, 183])
def test_no_provisional_response_but_100(field, anna, pbx, status):
    """4.1: what the server says too much ends here."""
    assert (
        Ladder(field)
        >> anna.sends(MESSAGE)
        << pbx.gets("MESSAGE")
        >> pbx.sends(f"{status} Patience")
        << nothing
        >> pbx.sends(200)
        << anna.gets(200)
    )


def test_100_not_before_timer_e_is_t2(field, anna, pbx):
    """4.1: by UDP the first 100 comes at 3.5 s; the server's own 100 does not make it earlier."""
    ladder = Ladder(field) >> anna.sends(MESSAGE) << pbx.gets("MESSAGE") >> pbx.sends(100) << nothing >> after(3.45)
    ladder = ladder << pbx.gets("MESSAGE", again=True, at=0.5) << nothing
    assert ladder >> after(0.05) << anna.gets("100 Trying", at=3.5) >> after(0.5) << nothing


def test_100_with_other_timers():
    """4.1: T1 of 1 s and T2 of 4 s: Timer E is set to T2 when it runs at 3 s."""
    world = World(clients=("udp://203.0.113.10:5060",), timers={"t1": "1s"})
    caller, server = world.client("caller", "198.51.100.20:31000"), world.server("server")
    ladder = Ladder(world) >> caller.sends(MESSAGE) << server.gets("MESSAGE") >> after(3)
    ladder = ladder << server.gets("MESSAGE", again=True, at=1.0) << caller.gets("100 Trying", at=3.0)
    assert ladder << server.gets("MESSAGE", again=True, at=3.0)


@pytest.mark.parametrize("listener", [0, 1], ids=["UDP", "TCP"])
def test_100_when_nothing_else_came(listener):
    """4.1: whatever the transport, once, and after the answer none."""
    world = World(clients=("udp://203.0.113.10:5060", "tcp://203.0.113.10:5060"), targets=("tcp://10.0.0.5:5060",))
    caller = world.client("caller", "198.51.100.20:31000", listener=listener)
    server = world.server("server", transport=TCP)
    assert (
        Ladder(world)
        >> caller.sends(MESSAGE)
        << server.is_connected()
        << server.gets("MESSAGE")
        >> after(20)
        << caller.gets("100 Trying", at=3.5)
        >> server.sends(200)
        << caller.gets(200)
        >> caller.sends(MESSAGE)
        << server.gets("MESSAGE")
        >> server.sends(200)
        << caller.gets(200)
        >> after(10)
        << nothing
    )


def test_100_to_the_server(field, anna, pbx):
    """4.1: the same for its requests to a client."""
    ladder = Ladder(field) >> registration(anna, pbx, "T")
    ladder = ladder >> pbx.sends("MESSAGE sip:anna@10.0.0.2:5070;transport=udp;b={T}")
    ladder = ladder << anna.gets("MESSAGE sip:anna@192.168.1.20:5060") >> after(3.5)
    ladder = ladder << anna.gets("MESSAGE", again=True, at=0.5) << anna.gets("MESSAGE", again=True, at=1.5)
    assert ladder << pbx.gets("100 Trying", at=3.5) << anna.gets("MESSAGE", again=True, at=3.5)


def test_408_of_the_server_is_not_passed_on(field, anna, pbx):
    """4.2: no 408 to a request other than INVITE, whoever made it; repetitions are absorbed, not forwarded anew."""
    assert (
        Ladder(field)
        >> anna.sends(MESSAGE)
        << pbx.gets("MESSAGE")
        >> pbx.sends(408)
        << nothing
        >> anna.repeats()
        << nothing
        >> after(31.95)
        >> anna.repeats()
        << nothing
    )
    assert field.counts.dropped["no_answer"] == 1
    assert Ladder(field) >> after(0.1) << nothing
    assert field.core.node.layer.servers == {}


def test_408_to_an_invite_is_passed_on(field, anna, pbx):
    """4.2 speaks of the others only."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=["{*}", "{*}"])
        >> pbx.sends(408)
        << pbx.gets("ACK")
        << anna.gets(408)
    )


def test_late_answer_is_not_forwarded(field, anna, pbx):
    """4.2: when the transactions have ended, nothing goes home any more."""
    ladder = Ladder(field) >> anna.sends(MESSAGE) << pbx.gets("MESSAGE") >> after(32)
    ladder = ladder << pbx.gets("MESSAGE", again=True, at=0.5) << pbx.gets("MESSAGE", again=True, at=1.5)
    ladder = ladder << anna.gets("100 Trying", at=3.5)
    for at in (3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5):
        ladder = ladder << pbx.gets("MESSAGE", again=True, at=at)
    assert ladder >> pbx.sends(200) << nothing
    assert field.counts.dropped["stray_response"] == 1
