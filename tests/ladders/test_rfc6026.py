"""RFC 6026: the Accepted states of INVITE transactions, and what becomes of strays."""

from __future__ import annotations

import pytest

from proxy.flow import TCP
from tests.support.flows import registration
from tests.support.ladder import Ladder, after, nothing
from tests.support.world import World

ANY = ["{*}", "{*}"]
INVITE = "INVITE sip:bob@example.com"


def accepted(caller, server, opened=()):
    """An INVITE up to its 2xx; the first Contact that a ladder shows is that of a guest."""
    asked = [caller.sends(INVITE), *opened, server.gets("INVITE", contact="{*}", record_route=ANY)]
    return [*asked, server.sends(200), caller.gets(200)]


def test_2xx_is_not_repeated_by_us(field, anna, pbx):
    """7.1, 8.5: the server repeats it, we pass on; no Timer G in Accepted."""
    assert Ladder(field) >> accepted(anna, pbx) >> after(60) << nothing


def test_repeated_invite_is_absorbed_while_accepted(field, anna, pbx):
    """7.1: neither forwarded nor answered, up to Timer L at 32 s."""
    ladder = Ladder(field) >> accepted(anna, pbx) >> anna.repeats("INVITE") << nothing
    assert ladder >> after(31.95) >> anna.repeats("INVITE") << nothing


def test_timers_l_and_m_end_it_at_64_t1(field, anna, pbx):
    """7.1, 7.2: both sides of the transaction live for 32 s after the first 2xx."""
    assert Ladder(field) >> accepted(anna, pbx) >> after(31.95) >> pbx.repeats() << anna.gets(200, again=True)
    layer = field.core.node.layer
    assert (len(layer.clients), len(layer.servers)) == (1, 1)
    assert Ladder(field) >> after(0.05) << nothing
    assert (layer.clients, layer.servers) == ({}, {})


def test_timers_l_and_m_run_on_reliable_transports_too():
    """7.1, 7.2: 64*T1, not zero."""
    world = World(clients=("tcp://203.0.113.10:5060",), targets=("tcp://10.0.0.5:5060",))
    caller, server = world.client("caller", "198.51.100.20:31000"), world.server("server", transport=TCP)
    ladder = Ladder(world) >> accepted(caller, server, [server.is_connected()]) >> after(31.95)
    assert ladder >> server.repeats() << caller.gets(200, again=True) >> after(0.05) >> server.repeats() << nothing
    layer = world.core.node.layer
    assert (layer.clients, layer.servers) == ({}, {})


def test_every_2xx_is_passed_up_and_sent(field, anna, pbx):
    """7.1, 7.2: repetitions and those of other forks, each as it came; we acknowledge none."""
    one, two = ("<sip:bob@example.com>;tag=one", "<sip:bob@example.com>;tag=two")
    assert (
        Ladder(field)
        >> anna.sends(INVITE)
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> pbx.sends(200, to=one)
        << anna.gets(200, to=one)
        >> after(0.5)
        >> pbx.repeats()
        << anna.gets(200, to=one, again=True)
        >> pbx.sends(202, to=two)
        << anna.gets(202, to=two)
        >> pbx.repeats()
        << anna.gets(202, to=two, again=True)
    )


@pytest.mark.parametrize("same_branch", [False, True], ids=["own branch", "branch of the INVITE"])
def test_ack_to_a_2xx_is_passed_on(field, anna, pbx, same_branch):
    """7.1: in Accepted every ACK goes up, and each repetition of it; it ends nothing."""
    more = {"via": "SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bK-anna-1"} if same_branch else {}
    assert (
        Ladder(field)
        >> accepted(anna, pbx)
        >> anna.continues("ACK", **more)
        << pbx.gets("ACK", route=None)
        >> pbx.repeats()
        << anna.gets(200, again=True)
        >> anna.repeats("ACK")
        << pbx.gets("ACK", route=None, branch="{B}")
    )


@pytest.mark.parametrize("status", [180, 486])
def test_other_responses_have_no_effect_while_accepted(field, anna, pbx, status):
    """7.2: neither passed on nor acknowledged."""
    assert Ladder(field) >> accepted(anna, pbx) >> pbx.sends(status, answers="INVITE") << nothing


def test_transaction_outlives_a_response_that_could_not_be_sent():
    """8.8: the state is kept although the client's connection is gone; its next connection gets the 2xx."""
    world = World(clients=("tcp://203.0.113.10:5060",))
    caller, server = world.client("caller", "198.51.100.20:31000"), world.server("server")
    assert (
        Ladder(world)
        >> registration(caller, server, "T")
        >> accepted(caller, server)
        >> caller.closes()
        >> server.repeats()
        << caller.is_connected()
        << caller.gets(200, again=True)
    )
    assert len(world.core.node.layer.servers) == 1


def test_refused_datagram_ends_no_server_transaction(field, anna, pbx):
    """8.8: an ICMP error about a response of ours; the repeated INVITE still finds its transaction."""
    assert (
        Ladder(field)
        >> anna.sends(INVITE)
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> pbx.sends(180)
        << anna.gets(180)
        >> anna.fails()
        >> anna.repeats()
        << anna.gets(180, again=True)
        >> pbx.sends(200)
        << anna.gets(200)
    )


@pytest.mark.parametrize("status", [180, 200, 486])
def test_stray_responses_are_not_forwarded(field, anna, pbx, status):
    """7.3, 8.9: no transaction, no way home, not even for a 2xx to an INVITE."""
    ladder = Ladder(field) >> accepted(anna, pbx) >> after(32) >> pbx.sends(status, answers="INVITE") << nothing
    assert ladder
    assert field.counts.dropped["stray_response"] == 1
