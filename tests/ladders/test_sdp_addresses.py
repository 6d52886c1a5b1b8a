"""Media of clients behind NAT: the address in their SDP, reported or replaced on its way to the server."""

from __future__ import annotations

import pytest

from tests.support.flows import call_in, registration, shown
from tests.support.ladder import Ladder, record
from tests.support.world import World

ANY = ["{*}", "{*}"]


def sdp(address, lines=()):
    body = ("v=0", f"o=- 1 1 IN IP4 {address}", "s=-", f"c=IN IP4 {address}", "t=0 0", "m=audio 4000 RTP/AVP 0", *lines)
    return "".join(f"{line}\r\n" for line in body).encode()


OWN, SEEN = sdp("192.168.1.20"), sdp("198.51.100.20")
KIND = "application/sdp"


def play(**more):
    world = World(clients=("udp://203.0.113.10:5060", "tcp://203.0.113.10:5060"), **more)
    anna = world.client("anna", "198.51.100.20:31000", contact="<sip:anna@192.168.1.20:5060>")
    return world, anna, world.server("pbx", contact="<sip:pbx@10.0.0.5:5060>")


def test_reported_by_default(field, anna, pbx):
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com", body=OWN, content_type=KIND)
        << pbx.gets("INVITE", contact="{*}", record_route=ANY, body=OWN)
        << record("sdp-private-address", "Body", before="o=- 1 1 IN IP4 192.168.1.20")
    )
    assert field.counts.repairs[("sdp-private-address", "Body", "report")] == 1


def test_offers_and_answers_are_mended():
    """In the INVITE, in a 183 and a 200, and in the ACK of a call without early offer."""
    world, anna, pbx = play(repair={"sdp-private-address": {"mode": "repair"}})
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> anna.sends("INVITE sip:bob@example.com", body=OWN, content_type=KIND)
        << pbx.gets("INVITE", contact="{*}", record_route=ANY, body=SEEN, content_length=len(SEEN))
        << record("sdp-private-address", "Body", after="o=- 1 1 IN IP4 198.51.100.20")
        >> pbx.sends(200, body=sdp("10.0.0.5"), content_type=KIND)
        << anna.gets(200, body=sdp("10.0.0.5"))
        >> anna.continues("ACK", body=OWN, content_type=KIND)
        << pbx.gets("ACK", route=None, body=SEEN, content_length=len(SEEN))
    )
    assert (
        Ladder(world)
        >> pbx.sends(f"INVITE {shown(anna, 'T').strip('<>')}", body=sdp("10.0.0.5"), content_type=KIND)
        << anna.gets("INVITE sip:anna@192.168.1.20:5060", record_route=ANY, body=sdp("10.0.0.5"))
        >> anna.sends(183, body=OWN, content_type=KIND)
        << pbx.gets(183, contact=shown(anna, "T"), body=SEEN, content_length=len(SEEN))
        >> anna.sends(200, body=OWN, content_type=KIND)
        << pbx.gets(200, contact=shown(anna, "T"), body=SEEN, content_length=len(SEEN))
    )


@pytest.mark.parametrize("listener", [0, 1], ids=["udp", "tcp"])
@pytest.mark.parametrize("length", ["l", "Content-Length"])
def test_length_fits_on_every_transport(listener, length):
    world = World(
        clients=("udp://203.0.113.10:5060", "tcp://203.0.113.10:5060"),
        targets=("tcp://10.0.0.5:5060",),
        repair={"sdp-private-address": {"mode": "repair"}},
    )
    anna = world.client("anna", "198.51.100.20:31000", listener=listener)
    pbx = world.server("pbx", transport=1)
    line = f"{length}: {len(OWN)}"
    assert (
        Ladder(world)
        >> anna.sends("UPDATE sip:bob@example.com", (line,), body=OWN, content_type=KIND, content_length=None)
        << pbx.is_connected()
        << pbx.gets("UPDATE", contact="{*}", body=SEEN, content_length=len(SEEN))
    )


def test_browsers_have_ice():
    world = World(repair={"sdp-private-address": {"mode": "repair"}})
    alice = world.client("alice", "198.51.100.7:50112", contact="<sip:63et72ng@9sh.invalid;transport=ws>")
    body = sdp("192.168.1.20", ("a=ice-ufrag:8hhY", "a=ice-pwd:asd88fgpdd777uzjYhagZg"))
    assert (
        Ladder(world)
        >> alice.sends("INVITE sip:bob@example.com", body=body, content_type=KIND)
        << world.server("k").gets("INVITE", contact="{*}", record_route=ANY, body=body)
    )
    assert not [rule for rule, _, _ in world.counts.repairs if rule.startswith("sdp")]


def test_another_proxys_clients_are_left_alone():
    """Also one that is known by its address only."""
    world, anna, pbx = play(
        repair={"sdp-private-address": {"mode": "repair"}}, listener={"proxies": ("198.51.100.0/24",)}
    )
    assert (
        Ladder(world)
        >> anna.sends("INVITE sip:bob@example.com", body=OWN, content_type=KIND)
        << pbx.gets("INVITE", record_route=ANY, body=OWN)
    )
    assert not world.counts.repairs


def test_a_hold_of_old_stays_a_hold():
    """RFC 2543 said it by c=0.0.0.0, and many still do."""
    world, anna, pbx = play(repair={"sdp-private-address": {"mode": "repair"}})
    held = OWN.replace(b"c=IN IP4 192.168.1.20", b"c=IN IP4 0.0.0.0")
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> call_in(anna, pbx, "T", "R")
        >> anna.continues("INVITE", body=held, content_type=KIND)
        << pbx.gets(
            "INVITE {*}",
            contact=shown(anna, "T"),
            route=None,
            body=SEEN.replace(b"c=IN IP4 198.51.100.20", b"c=IN IP4 0.0.0.0"),
            content_length=len(SEEN) - 6,
        )
    )


def test_clients_in_a_network_of_the_server_are_left_alone():
    world, anna, pbx = play(repair={"sdp-private-address": {"mode": "repair"}}, networks={"local": ["198.51.100.0/24"]})
    assert (
        Ladder(world)
        >> anna.sends("INVITE sip:bob@example.com", body=OWN, content_type=KIND)
        << pbx.gets("INVITE", contact="{*}", record_route=ANY, body=OWN)
    )


def test_a_client_on_the_servers_own_private_network_is_left_alone():
    world, _, pbx = play(repair={"sdp-private-address": {"mode": "repair"}})
    phone = world.client("phone", "10.7.0.9:5060", contact="<sip:phone@10.7.0.9:5060>")
    assert (
        Ladder(world)
        >> phone.sends("INVITE sip:bob@example.com", body=OWN, content_type=KIND)
        << pbx.gets("INVITE", record_route=ANY, body=OWN)
    )
