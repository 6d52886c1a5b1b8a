"""Two tabs of one instance: one client to the server, and each of them has its own calls (protocol 8.4)."""

from __future__ import annotations

import pytest

from tests.support.flows import registration, route_pair
from tests.support.ladder import Ladder, nothing, stores
from tests.support.world import World

INSTANCE = ';+sip.instance="<urn:uuid:1>"'
ONE, TWO = "sip:one@one.invalid;transport=ws", "sip:two@two.invalid;transport=ws"
URI = "sip:alice@10.0.0.2:5070;transport=udp;b={T}"
AUTH = 'Digest username="alice", realm="example.com", nonce="n", uri="sip:x", response="r"'


@pytest.fixture
def edge():
    return World()


@pytest.fixture
def one(edge):
    return edge.client("one", "198.51.100.7:50112", user="alice", contact=f"<{ONE}>", via="SIP/2.0/WSS one.invalid")


@pytest.fixture
def two(edge):
    return edge.client("two", "198.51.100.7:50113", user="alice", contact=f"<{TWO}>", via="SIP/2.0/WSS two.invalid")


def registers(party, k, **headers):
    mine = f"<{URI}>{INSTANCE}"
    return [
        party.sends("REGISTER sip:example.com", contact=party.contact + INSTANCE, **headers),
        k.gets("REGISTER", contact=mine, path="{*}", supported="path"),
        k.sends(200, contact=f"{mine};expires=600"),
        party.gets(200, contact=f"{party.contact}{INSTANCE};expires=600"),
    ]


def calls(party, k):
    return [
        party.sends("INVITE sip:bob@example.com"),
        k.gets("INVITE", contact=f"<{URI}>", record_route=route_pair(party, "R")),
        k.sends(200),
        party.gets(200),
        party.continues("ACK"),
        k.gets("ACK", route=None),
    ]


def test_each_tab_has_its_call_and_new_ones_come_to_the_later(edge, one, two, k):
    """The BYE finds the tab that has the call, by the Contact which that tab knows."""
    assert (
        Ladder(edge)
        >> registers(one, k)
        >> calls(one, k)
        >> registers(two, k)
        >> k.sends(f"MESSAGE {URI}")
        << two.gets(f"MESSAGE {TWO}")
        >> two.sends(200)
        << k.gets(200)
        >> k.continues("BYE")
        << one.gets(f"BYE {ONE}", route=None)
        >> one.sends(200)
        << k.gets(200)
    )


def test_tab_that_is_registered_no_more_keeps_its_name_in_its_call(edge, one, two, k):
    """The one Contact of the client in all messages of the call, and its Record-Route still counts."""
    assert (
        Ladder(edge)
        >> registers(one, k)
        >> calls(one, k)
        >> registers(two, k)
        >> one.continues("INVITE")
        << k.gets("INVITE", contact=f"<{URI}>", route=None)
        >> k.sends(200)
        << one.gets(200)
    )
    assert edge.names["T"] in edge.names["R"]


def test_credentials_in_a_call_do_not_bring_new_calls_to_its_tab(edge, one, two, k):
    """The registration is the other tab's; this one only goes on with what it has."""
    assert (
        Ladder(edge)
        >> registers(one, k, authorization=AUTH)
        >> calls(one, k)
        >> registers(two, k, authorization=AUTH)
        >> one.continues("INVITE", proxy_authorization=AUTH)
        << k.gets("INVITE", contact=f"<{URI}>", route=None)
        >> k.sends(200)
        << one.gets(200)
        >> k.sends(f"MESSAGE {URI}")
        << two.gets(f"MESSAGE {TWO}")
    )


def test_first_tab_that_registers_again_has_new_calls_and_the_other_keeps_its_own(edge, one, two, k):
    assert (
        Ladder(edge)
        >> registers(one, k)
        >> registers(two, k)
        >> calls(two, k)
        >> registers(one, k)
        << stores("alice@example.com", waiting=True)
        >> k.sends(f"MESSAGE {URI}")
        << one.gets(f"MESSAGE {ONE}")
        >> one.sends(200)
        << k.gets(200)
        >> k.continues("BYE")
        << two.gets(f"BYE {TWO}", route=None)
    )


def test_call_of_a_tab_that_is_closed_ends_at_the_other(edge, one, two, k):
    """Its connection is gone: the client's flow, which answers 481."""
    assert (
        Ladder(edge)
        >> registers(one, k)
        >> calls(one, k)
        >> registers(two, k)
        >> one.closes("going_away")
        << nothing
        >> k.continues("BYE")
        << two.gets(f"BYE {TWO}", route=None)
        >> two.sends(481)
        << k.gets(481)
    )


def test_name_of_a_connection_of_somebody_else_leads_nowhere_else(edge, one, two, k):
    """Another client behind the same NAT: a Record-Route of alice's never leads to its connection."""
    carol = edge.client("carol", "198.51.100.7:50114", contact="<sip:c@c.invalid;transport=ws>")
    ladder = Ladder(edge) >> registers(one, k) >> calls(one, k) >> registration(carol, k, "C")
    node = edge.core.node
    node.flows.streams[one.flow.number] = carol.flow  # as if its number had been given anew after a restart
    assert ladder >> k.continues("BYE") << one.gets(f"BYE {ONE}", route=None)


def test_call_of_a_tab_draws_no_requests_of_the_other_tabs_call(edge, one, two, k):
    """What moves a call to another port of its NAT (protocol 3.3) is no matter of connections: a request that has lost
    its Route goes to the tab that is registered."""
    assert (
        Ladder(edge)
        >> registers(one, k)
        >> calls(one, k)
        >> registers(two, k)
        >> one.continues("INFO")
        << k.gets("INFO", route=None)
        >> k.sends(200, answers="INFO")
        << one.gets(200)
        >> k.sends(f"MESSAGE {URI}", to="<sip:alice@example.com>;tag=two", call_id="another")
        << two.gets(f"MESSAGE {TWO}")
    )
