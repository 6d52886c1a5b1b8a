"""Clients with a profile: what it says holds for all that comes from them and goes to them."""

from __future__ import annotations

import pytest

from proxy.effects import Send, StoreBindings
from proxy.events import BindingsStored, MessageReceived
from proxy.flow import SERVER
from tests.support.flows import registration
from tests.support.ladder import Ladder
from tests.support.world import World

EDGE = "udp://203.0.113.10:5060"


def register(*headers: str, agent: str = "JsSIP/3.10", contact: str = "<sip:x@198.51.100.7:4711>;expires=600") -> bytes:
    lines = [
        "REGISTER sip:example.com SIP/2.0",
        "Via: SIP/2.0/UDP 198.51.100.7:4711;branch=z9hG4bKr1",
        "From: <sip:alice@example.com>;tag=f1",
        "To: <sip:alice@example.com>",
        "Call-ID: r1",
        "CSeq: 1 REGISTER",
        f"Contact: {contact}",
        *headers,
        f"User-Agent: {agent}",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def run(world: World, octets: bytes, host: str = "198.51.100.7", port: int = 4711) -> bytes:
    """What is sent to the server when this comes by UDP."""
    flow = world.core.node.flows.udp(world.listeners[0], host, port)
    effects = world.core.handle(MessageReceived(flow, octets, world.now))
    return next(one.octets for one in effects if isinstance(one, Send) and one.flow.listener.side == SERVER)


def world(*profiles: dict, **more) -> World:
    return World(clients=(EDGE,), profiles=profiles, **more)


BARE = "<sip:x@198.51.100.7:4711>"


@pytest.mark.parametrize(
    ("sent", "leaves"),
    [
        (register(), b";expires=120"),
        (register("Expires: 600", contact=BARE), b"\r\nExpires: 120\r\n"),
        (register(contact=BARE), b"\r\nExpires: 120\r\n"),
        (register("Expires: soon", contact=BARE), b"\r\nExpires: 120\r\n"),
        (register("Expires: 60", contact=BARE), b"\r\nExpires: 60\r\n"),
        (register(contact=f"{BARE};expires=0"), b";expires=0"),
        (register("Expires: 0", contact="*"), b"\r\nExpires: 0\r\n"),
        (register(agent="phone/1"), b";expires=600"),
    ],
)
def test_registrations_of_browsers_are_short(sent, leaves):
    assert leaves in run(world(), sent)


def test_a_shipped_profile_that_is_off_caps_nothing():
    assert b";expires=600" in run(world({"name": "JsSIP", "enabled": False}), register())


def test_the_first_that_fits_wins_and_all_that_is_given_must_fit():
    field = world(
        {"name": "away", "match": {"user_agent": "phone", "network": ["192.0.2.0/24"]}, "expires_max": "30s"},
        {"name": "alice", "match": {"aor": "^sip:alice@"}, "expires_max": "40s"},
        {"name": "all", "match": {"network": ["0.0.0.0/0"]}, "expires_max": "50s"},
    )
    assert b";expires=40" in run(field, register(agent="phone"))
    assert b";expires=30" in run(field, register(agent="Phone").replace(b"r1", b"r2"), host="192.0.2.9")
    others = register(agent="phone").replace(b"alice", b"bob").replace(b"r1", b"r3")
    assert b";expires=50" in run(field, others, host="198.51.100.8")


def test_a_listener_names_a_profile_outright():
    """Then what a client says of itself is of no account."""
    listen = [{"uri": "udp://0.0.0.0:5060", "profile": "desk"}]
    field = world({"name": "desk", "expires_max": "90s"}, listen=listen)
    assert b";expires=90" in run(field, register())


def test_rules_by_profile():
    field = world({"name": "own", "match": {"user_agent": "^own"}, "repair": {"maxfwd-missing": "off"}})
    run(field, register(agent="phone"))
    assert field.counts.repairs["maxfwd-missing", "Max-Forwards", "repair"] == 1
    run(field, register(agent="own/1").replace(b"r1", b"r2"), port=4712)
    assert field.counts.repairs["maxfwd-missing", "Max-Forwards", "repair"] == 1


@pytest.mark.parametrize("agent", ["own/1", "phone"])
def test_what_the_core_mends_by_itself_by_profile(agent):
    """Its modes are as much a matter of the profile as those of rules."""
    field = world({"name": "own", "match": {"user_agent": "^own"}, "repair": {"contact-register-foreign": "repair"}})
    asked = run(field, register(agent=agent))
    mine = next(line for line in asked.split(b"\r\n") if line.startswith(b"Contact:"))
    kept = [line for line in asked.split(b"\r\n")[1:] if line.startswith((b"Via", b"From", b"Call", b"CSeq"))]
    other = b"Contact: <sip:desk@10.0.0.9>;expires=30"
    lines = [b"SIP/2.0 200 OK", *kept, b"To: <sip:alice@example.com>;tag=k", other, mine, b"Content-Length: 0"]
    server = field.flow(next(one for one in field.listeners if one.side == SERVER), "10.0.0.5:5060")
    effects = field.core.handle(MessageReceived(server, b"\r\n".join([*lines, b"", b""]), field.now))
    stored = next(one.ticket for one in effects if isinstance(one, StoreBindings))
    effects += field.core.handle(BindingsStored(stored, field.now))
    home = next(one.octets for one in effects if isinstance(one, Send))
    assert (b"desk" in home) == (agent == "phone")


def test_contact_is_left_by_profile():
    field = world({"name": "own", "match": {"user_agent": "^own"}, "contact": "leave"})
    assert b"Contact: <sip:x@198.51.100.7:4711>" in run(field, register(agent="own/1"))
    other = register(agent="phone").replace(b"r1", b"r2")
    assert b"Contact: <sip:alice@10.0.0.2:5070" in run(field, other, port=4712)


@pytest.mark.parametrize(
    ("rport", "asks", "via"),
    [
        ("auto", b"", b";branch=z9hG4bKr1;received=198.51.100.8\r\n"),
        ("always", b"", b";branch=z9hG4bKr1;rport=4711;received=198.51.100.8\r\n"),
        ("never", b";rport", b";branch=z9hG4bKr1;rport;received=198.51.100.8\r\n"),
    ],
)
def test_rport_by_profile(rport, asks, via):
    """RFC 3581 section 4, but for what the administrator knows better."""
    field = world({"name": "own", "match": {"user_agent": "."}, "rport": rport})
    sent = register(agent="own").replace(b"branch=z9hG4bKr1", b"branch=z9hG4bKr1" + asks)
    assert via in run(field, sent, host="198.51.100.8")


@pytest.mark.parametrize(
    ("rport", "contact", "port"),
    [
        ("never", "10.10.3.7:5061", 5061),
        ("never", "10.10.3.7", 5060),
        ("auto", "10.10.3.7:5061", 50933),
        ("never", "10.10.3.8:5061", 50933),
        ("never", "phone.example.com:5061", 50933),
    ],
)
def test_requests_go_where_a_client_with_rport_never_listens(rport, contact, port):
    """As its answers do; and to no address but its own. What it answers from where it sends is its answer."""
    field = world({"name": "own", "match": {"user_agent": "^own"}, "rport": rport})
    phone = field.client("anna", "10.10.3.7:50933", contact=f"<sip:anna@{contact}>", via="SIP/2.0/UDP 10.10.3.7:50933")
    pbx = field.server("pbx", contact="<sip:pbx@10.0.0.5:5060>")
    assert Ladder(field) >> registration(phone, pbx, "T", user_agent="own/1")
    there = phone if port == 50933 else field.client("there", f"10.10.3.7:{port}", user="anna")
    uri = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"
    assert Ladder(field) >> pbx.sends(f"MESSAGE {uri}") << there.gets(f"MESSAGE sip:anna@{contact}")
    phone.received[:] = there.received
    assert Ladder(field) >> phone.sends(200, server="own/1") << pbx.gets(200)


def test_another_program_at_the_same_address_is_treated_by_its_own_name():
    """A phone that was replaced, or two clients behind one proxy."""
    field = world()
    assert b";expires=120" in run(field, register())
    other = register(agent="phone").replace(b"bKr1", b"bKr2").replace(b"1 REG", b"2 REG")
    assert b";expires=600" in run(field, other)
