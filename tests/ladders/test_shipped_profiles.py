"""Clients with a shipped profile, in the real core: what is known of them is mended for them, and for no others."""

from __future__ import annotations

import pytest

from tests.support.flows import call_in, registration, route_pair, shown
from tests.support.ladder import Ladder
from tests.support.world import World

OTHER = "phone/1.0"
MESSAGE = "MESSAGE sip:bob@example.com"


def field(agent: str, address: str = "198.51.100.7:5060", edge: str = "udp://203.0.113.10:5060", **more):
    world = World(clients=(edge,))
    return world, world.client("anna", address, **more), world.server("pbx"), {"user_agent": agent}


def profile_of(world) -> str:
    return world.parties["anna"].flow.profile.name


@pytest.mark.parametrize("agent", ["SIP.js/0.21.1", "JsSIP 3.10.1", OTHER])
def test_browsers_register_for_two_minutes(agent):
    world, anna, pbx, names = field(agent, edge="wss://edge.example.com:8443", user="abc")
    capped = "600" if agent == OTHER else "120"
    contact = anna.contact + ";expires=600"
    assert (
        Ladder(world)
        >> anna.sends("REGISTER sip:example.com", contact=contact, **names)
        << pbx.gets(
            "REGISTER sip:example.com", contact=shown(anna, "T") + f";expires={capped}", path="{*}", supported="path"
        )
    )


@pytest.mark.parametrize("agent", ["SIP.js/0.21.1", "JsSIP 3.10.1", "Linphone/3.9.0 (belle-sip/1.4.2)", OTHER])
def test_contacts_of_others_are_kept_from_those_that_stumble_over_them(agent):
    world, anna, pbx, names = field(agent)
    foreign = "<sip:PBX#1000@192.0.2.44>;expires=300"
    home = [f"{anna.contact};expires=60"]
    assert (
        Ladder(world)
        >> anna.sends("REGISTER sip:example.com", expires=60, **names)
        << pbx.gets("REGISTER sip:example.com", contact=shown(anna, "T"), path="{*}", supported="path")
        >> pbx.sends(200, contact=[foreign, f"{shown(anna, 'T')};expires=60"])
        << anna.gets(200, contact=[foreign, *home] if agent == OTHER else home)
    )


@pytest.mark.parametrize("agent", ["SIP.js/0.21.1", OTHER])
def test_sip_js_gets_contacts_that_its_parser_takes(agent):
    world, anna, pbx, names = field(agent)
    hidden = '<sip:x@10.0.0.5;line="sr-abc==">'
    mended = "{*}" if agent != OTHER else hidden
    ladder = (
        Ladder(world)
        >> anna.sends("INVITE sip:bob@example.com", **names)
        << pbx.gets("INVITE sip:bob@example.com", contact="{*}", record_route=route_pair(anna, "R"))
        >> pbx.sends(200, contact=hidden)
        << anna.gets(200, contact=mended)
    )
    assert ladder
    assert ('"' in anna.received[-1].value("contact")) == (agent == OTHER)


@pytest.mark.parametrize("agent", ["Zoiper rev.5415", "Z 5.6.6 v2.10.20.5", OTHER])
def test_answers_reach_zoiper_behind_a_nat_without_rport(agent):
    """From port 40123, with a Via that names 5060 and asks for no rport."""
    world, anna, pbx, names = field(agent, "198.51.100.7:40123", via="SIP/2.0/UDP 192.168.1.20:5060")
    mark = ";rport=40123" if agent != OTHER else ""
    beneath = f"SIP/2.0/UDP 192.168.1.20:5060;branch=z9hG4bK-anna-1{mark};received=198.51.100.7"
    assert Ladder(world) >> anna.sends(MESSAGE, **names) << pbx.gets(MESSAGE, via=["{*}", beneath])
    if agent != OTHER:
        assert Ladder(world) >> pbx.sends(200) << anna.gets(200, via=beneath)


@pytest.mark.parametrize("agent", ["Cisco-CP7970G/8.4.0", "Cisco-CP8865/14.4.1"])
def test_cisco_phones_are_answered_and_called_at_the_port_they_listen_on(agent):
    world, phone, pbx, names = field(
        agent, "10.10.3.7:50933", contact="<sip:anna@10.10.3.7:5060;transport=udp>", via="SIP/2.0/UDP 10.10.3.7:5060"
    )
    there = world.client("there", "10.10.3.7:5060", user="anna")
    uri = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"
    contact = "<sip:anna@10.10.3.7:5060;transport=udp>"
    assert (
        Ladder(world)
        >> phone.sends("REGISTER sip:example.com", **names)
        << pbx.gets("REGISTER sip:example.com", contact=shown(phone, "T"), path="{*}", supported="path")
        >> pbx.sends(200, contact=f"{shown(phone, 'T')};expires=3600")
        << there.gets(200, contact=f"{contact};expires=3600", again=False)
        >> pbx.sends(f"MESSAGE {uri}")
        << there.gets("MESSAGE sip:anna@10.10.3.7:5060;transport=udp")
    )


@pytest.mark.parametrize("agent", ["Grandstream GXP2170 1.0.11.46", OTHER])
def test_a_grandstream_that_accepts_its_own_subscribe_is_stopped(agent):
    world, anna, pbx, names = field(agent)
    own = anna.aor
    assert Ladder(world) >> registration(anna, pbx, "T", **names)
    target = shown(anna, "T").strip("<>")
    assert (
        Ladder(world)
        >> anna.sends("SUBSCRIBE sip:anna@example.com", from_=f"{own};tag=1", to=own, event="message-summary", **names)
        << pbx.gets("SUBSCRIBE sip:anna@example.com", contact=shown(anna, "T"), record_route=["{*}", "{*}"])
        >> pbx.sends(202, contact=f"<{target}>", to=f"{own};tag=2")
        << anna.gets("404" if agent != OTHER else "202", contact="{*}", record_route=["{*}", "{*}"])
    )


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("3CXPhoneSystem 18.0.1.234 (234)", "3CX SBC"),
        ("AVM FRITZ!Box 7590 154.07.57 (Sep  2 2023)", "FRITZ!Box"),
        ("PJSUA v2.14.1 Linux-6.6.87.2/x86_64/glibc-2.35", "pjsip"),
        ("Linphone/3.6.1 (eXosip2/4.1.0)", "Linphone"),
        (OTHER, ""),
    ],
)
def test_the_profile_of_a_client_stays_for_messages_that_do_not_name_it(agent, name):
    world, anna, pbx, names = field(agent)
    assert Ladder(world) >> registration(anna, pbx, "T", **names)
    assert profile_of(world) == name
    assert Ladder(world) >> call_in(anna, pbx, "T", "R")
    assert profile_of(world) == name


@pytest.mark.parametrize(
    ("agent", "host", "mended"),
    [("3CXPhoneSystem 18.0.1.234 (234)", "127.0.0.1:5060", True), ("PJSUA v2.14.1 x", "127.0.0.1:5060", True)],
)
def test_a_loopback_contact_is_replaced(agent, host, mended):
    world, anna, pbx, names = field(agent)
    assert (
        Ladder(world)
        >> anna.sends("INVITE sip:bob@example.com", contact=f"<sip:anna@{host}>", **names)
        << pbx.gets("INVITE sip:bob@example.com", contact=shown(anna, "T"), record_route=route_pair(anna, "R"))
    )
