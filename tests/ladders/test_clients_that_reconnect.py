"""Connections that break in the middle: of a call that rings, in either direction, and of a call that runs."""

from __future__ import annotations

import pytest

from proxy.events import FlowClosed
from tests.support.flows import call_in, registration, route_pair, shown
from tests.support.ladder import Ladder, after, does, nothing
from tests.support.world import World

URI = "sip:alice@10.0.0.2:5070;transport=udp;b={T}"
OWN = "sip:63et72ng@9sh.invalid;transport=ws"


def rings(alice, k):
    """A call comes in and rings."""
    return [
        k.sends(f"INVITE {URI}"),
        alice.gets(f"INVITE {OWN}", record_route=route_pair(alice, "R", "client")),
        alice.sends(180),
        k.gets(180, contact=shown(alice, "T")),
    ]


def back(alice, k, address="198.51.100.7:50999"):
    return [alice.connects(address), *registration(alice, k, "T")]


def test_call_that_rings_is_sent_again_to_the_client_that_is_back(edge, alice, k):
    """With the branch it had: a client that lost nothing but its connection takes it for a retransmission."""
    assert (
        Ladder(edge)
        >> registration(alice, k, "T")
        >> rings(alice, k)
        >> alice.closes()
        << nothing
        >> after(2)
        >> back(alice, k)
        << alice.gets(f"INVITE {OWN}", again=True)
        >> alice.sends(200, answers="INVITE")
        << k.gets(200, contact=shown(alice, "T"))
        >> k.continues("ACK")
        << alice.gets(f"ACK {OWN}", route=None)
        >> k.continues("BYE")
        << alice.gets(f"BYE {OWN}", route=None)
    )
    first, second = [text for text in alice.received if text.method == "INVITE" and not text.is_response]
    assert first.octets == second.octets


def test_call_before_it_rang_is_sent_again_too(edge, alice, k):
    assert (
        Ladder(edge)
        >> registration(alice, k, "T")
        >> k.sends(f"INVITE {URI}")
        << alice.gets(f"INVITE {OWN}", record_route=route_pair(alice, "R", "client"))
        >> alice.closes()
        >> after(1)
        << k.gets(100, at=0.15)
        >> back(alice, k)
        << alice.gets(f"INVITE {OWN}", again=True)
    )


def test_client_that_was_back_before_its_old_connection_was_known_to_be_dead(edge, alice, k):
    """A mobile phone between two networks: the old connection ends minutes later, as far as we can tell."""
    old = alice.flow
    assert (
        Ladder(edge)
        >> registration(alice, k, "T")
        >> rings(alice, k)
        >> back(alice, k)
        >> does(lambda world: world.feed(FlowClosed(old, "timeout", world.now)), "the old connection ends")
        << alice.gets(f"INVITE {OWN}", again=True)
    )


def test_client_that_does_not_come_back(edge, alice, k):
    """480 after `limits.reconnect`, and not 500 at once."""
    assert (
        Ladder(edge)
        >> registration(alice, k, "T")
        >> rings(alice, k)
        >> alice.closes()
        >> after(3.9)
        << nothing
        >> after(0.2)
        << k.gets(480)
        >> k.acks()
        >> back(alice, k)
        << nothing
    )


def test_page_that_went_away_is_not_waited_for(edge, alice, k):
    """1001: it will not come back, so the caller hears it at once."""
    assert Ladder(edge) >> registration(alice, k, "T") >> rings(alice, k) >> alice.closes("going_away") << k.gets(480)


def test_nobody_waits_where_that_is_switched_off():
    edge = World(limits={"reconnect": "0s"})
    alice = edge.client("alice", "198.51.100.7:50112", contact=f"<{OWN}>", via="SIP/2.0/WSS 9sh.invalid")
    k = edge.server("k")
    assert Ladder(edge) >> registration(alice, k, "T") >> rings(alice, k) >> alice.closes() << k.gets(480)


def test_call_that_is_cancelled_meanwhile(edge, alice, k):
    """487 at once, and nothing for the client that comes back."""
    assert (
        Ladder(edge)
        >> registration(alice, k, "T")
        >> rings(alice, k)
        >> alice.closes()
        >> k.cancels()
        << k.gets(200)
        << k.gets(487, cseq="1 INVITE")
        >> k.acks()
        >> back(alice, k)
        << nothing
        >> after(10)
        << nothing
    )


def test_cancelled_call_whose_client_is_gone(edge, alice, k):
    """CANCEL first, then the connection breaks: 487, since nobody will say it."""
    assert (
        Ladder(edge)
        >> registration(alice, k, "T")
        >> rings(alice, k)
        >> k.cancels()
        << k.gets(200)
        << alice.gets("CANCEL")
        >> alice.closes()
        << k.gets(487, cseq="1 INVITE")
    )


def test_call_comes_to_nobody_else(edge, alice, k):
    """Only the client it was for: another one on a new connection, even of the same user, does not get it."""
    other = edge.client("other", "198.51.100.7:50777", user="alice", contact="<sip:x@x.invalid;transport=ws>")
    assert (
        Ladder(edge)
        >> registration(alice, k, "T")
        >> rings(alice, k)
        >> alice.closes()
        >> registration(other, k, "U")
        << nothing
        >> after(4.1)
        << k.gets(480)
    )


def test_call_to_a_guest_that_is_gone(edge, alice, k):
    """Nothing is known by which it could come back: 480 at once."""
    assert (
        Ladder(edge)
        >> alice.sends("INVITE sip:bob@example.com")
        << k.gets("INVITE", contact="<sip:alice@10.0.0.2:5070;transport=udp;b={G}>", record_route=["{*}", "{*}"])
        >> k.sends(200)
        << alice.gets(200)
        >> k.continues("INVITE")
        << alice.gets(f"INVITE {OWN}", route=None)
        >> alice.closes()
        << k.gets(480)
    )


def test_other_requests_are_answered_at_once(edge, alice, k):
    assert (
        Ladder(edge)
        >> registration(alice, k, "T")
        >> k.sends(f"MESSAGE {URI}")
        << alice.gets(f"MESSAGE {OWN}")
        >> alice.closes()
        << k.gets(480)
    )


@pytest.mark.parametrize("setting", ["silent", "480"])
def test_options_on_a_connection_that_breaks(setting):
    """Also here any answer would be a sign of life."""
    edge = World(server={"options_gone": setting})
    alice = edge.client("alice", "198.51.100.7:50112", contact=f"<{OWN}>", via="SIP/2.0/WSS 9sh.invalid")
    k = edge.server("k")
    ladder = (
        Ladder(edge)
        >> registration(alice, k, "T")
        >> k.sends(f"OPTIONS {URI}")
        << alice.gets(f"OPTIONS {OWN}")
        >> alice.closes()
    )
    if setting == "480":
        assert ladder << k.gets(480)
    else:
        assert ladder << nothing >> after(60) << nothing
        assert edge.counts.dropped["options_gone"] == 1
        assert len(edge.core.node.layer.servers) == 0


def test_running_call_goes_on_by_the_new_connection(edge, alice, k):
    """In both directions, after the client has registered again; its old connection counts no more, dead or not."""
    assert (
        Ladder(edge)
        >> registration(alice, k, "T")
        >> call_in(alice, k, "T", "R")
        >> back(alice, k)
        >> k.continues("INFO")
        << alice.gets(f"INFO {OWN}", route=None)
        >> alice.sends(200)
        << k.gets(200)
        >> alice.continues("INFO")
        << k.gets("INFO", route=None)
        >> k.sends(200)
        << alice.gets(200)
    )


def test_answer_to_a_caller_who_is_not_back_yet_comes_when_the_far_end_repeats_it(edge, alice, k):
    """A 2xx is repeated until its ACK: the one after the client is back arrives."""
    assert (
        Ladder(edge)
        >> registration(alice, k, "T")
        >> alice.sends("INVITE sip:bob@example.com")
        << k.gets("INVITE", contact=shown(alice, "T"), record_route=["{*}", "{*}"])
        >> alice.closes()
        >> k.sends(200, answers="INVITE")
        << nothing
        >> back(alice, k)
        >> k.repeats("INVITE")
        << alice.gets(200)
    )


def test_registrar_that_keeps_flows_hears_430():
    """RFC 5626 section 5.3: it may then try another flow of the same client."""
    edge = World()
    alice = edge.client("alice", "198.51.100.7:50112", contact=f"<{OWN}>", via="SIP/2.0/WSS 9sh.invalid")
    k = edge.server("k")
    params = ';reg-id=1;+sip.instance="<urn:uuid:1>"'
    mine = shown(alice, "T") + params
    path = "<sip:{P}@10.0.0.2:5070;transport=udp;lr;ob>"
    assert (
        Ladder(edge)
        >> alice.sends("REGISTER sip:example.com", contact=alice.contact + params)
        << k.gets("REGISTER", contact=mine, path=path, supported="path")
        >> k.sends(200, contact=f"{mine};expires=600", require="outbound")
        << alice.gets(200, contact=f"{alice.contact}{params};expires=600")
        >> k.sends(f"MESSAGE {URI}", route=path)
        << alice.gets(f"MESSAGE {OWN}", route=None)
        >> alice.closes()
        << k.gets(430)
        >> k.sends(f"MESSAGE {URI}", route=path)
        << k.gets(430)
    )
