"""A valid message of a reachable guest passes with nothing changed but Via, Record-Route and Max-Forwards.

The comparison is the automatic one of every ladder (`tests.support.unchanged`): all other lines octet for octet and
in their order, and the body.
"""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.ladder import Ladder
from tests.support.world import World

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=("Cs",)), max_size=30)
OCTETS = st.binary(max_size=20).map(lambda data: data.translate(None, b"\r\n\0").decode("utf-8", "surrogateescape"))
TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~", min_size=1, max_size=12)
METHOD = st.sampled_from(
    ["INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE", "REFER", "NOTIFY", "PUBLISH", "INFO", "UPDATE", "FOO"]
)
URI = st.sampled_from(
    [
        "sip:bob@example.com",
        "SIP:Bob%20X@EXAMPLE.com:5060;transport=tcp;lr;x=%41",
        "sips:bob@example.com",
        "tel:+49-30-1",
        "sip:example.org",
        "sip:bob:pass@[2001:db8::1];maddr=1.2.3.4",
    ]
)
NAMES = {
    "Via": ["Via", "v", "VIA", "via"],
    "From": ["From", "f", "FROM"],
    "To": ["To", "t", "to"],
    "Call-ID": ["Call-ID", "i", "CALL-ID", "Call-Id"],
    "CSeq": ["CSeq", "CSEQ", "cseq"],
    "Max-Forwards": ["Max-Forwards", "max-forwards", "MAX-FORWARDS"],
    "Contact": ["Contact", "m", "CONTACT"],
    "Content-Length": ["Content-Length", "l", "content-length"],
}
KNOWN = {name.lower() for names in NAMES.values() for name in names} | {
    *("route", "record-route", "privacy", "path", "proxy-require", "identity", "require", "supported", "k"),
    *("content-type", "c", "content-encoding", "e", "b", "o", "r", "s", "u", "date", "expires"),
}


@cache
def stage():
    world = World(clients=("udp://203.0.113.10:5060",))
    guest = world.client("guest", "8.8.4.4:5060")
    return world, guest, world.server("pbx")


@st.composite
def unknown_header(draw):
    name = draw(TOKEN.filter(lambda name: name.lower() not in KNOWN))
    value = draw(TEXT | OCTETS).strip()
    fold = draw(st.sampled_from(["", "", "\r\n  folded", "\r\n\tand\r\n more"]))
    return f"{name}{draw(st.sampled_from([':', ': ', ' : ', ':  ']))}{value}{fold if value else ''}"


@st.composite
def request(draw, serial):
    method = draw(METHOD)
    body = draw(st.binary(max_size=50))
    values = {
        "Via": f"SIP/2.0/UDP 8.8.4.4:5060;branch=z9hG4bK{serial}",
        "From": draw(st.sampled_from(["<sip:guest@example.com>;tag=1", '"Ä \\"q\\" <x>" <sip:g@example.com>;TAG=1'])),
        "To": draw(st.sampled_from(["<sip:bob@example.com>", "sip:bob@example.com", "Bob <sip:bob@example.com;x>;y"])),
        "Call-ID": f"{serial}@{draw(TOKEN)}",
        "CSeq": f"{draw(st.integers(0, 2**31 - 1))} {method}",
        "Max-Forwards": str(draw(st.integers(1, 255))),
        "Contact": draw(st.sampled_from(["<sip:guest@8.8.4.4>", '"G" <sip:guest@8.8.4.4:5060;x=y>;q=0.1;z'])),
        "Content-Length": str(len(body)),
    }
    lines = [f"{draw(st.sampled_from(NAMES[name]))}: {value}" for name, value in values.items()]
    lines += draw(st.lists(unknown_header(), max_size=5))
    head = "\r\n".join([f"{method} {draw(URI)} SIP/2.0", *draw(st.permutations(lines))])
    return head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


@pytest.mark.timeout(300)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_valid_request_of_a_reachable_guest_passes_untouched(data):
    """Methods, order of headers, compact names, odd case, folding, unknown headers, any octets, bodies."""
    world, guest, pbx = stage()
    octets = data.draw(request(1))
    method = octets.split(b" ")[0].decode()
    named = {}
    if method in ("INVITE", "SUBSCRIBE", "REFER", "NOTIFY"):
        named["record_route"] = ["{*}", "{*}"]
    for party in (guest, pbx):
        party.sent.clear()
        party.received.clear()
    world.arrived.clear()
    world.outputs.clear()
    world.core.node.layer.clients.clear()
    world.core.node.layer.servers.clear()
    assert Ladder(world) >> guest.sends_octets(octets) << pbx.gets(method, **named)
