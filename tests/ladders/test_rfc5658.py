"""RFC 5658: two Record-Routes instead of one that is rewritten."""

from __future__ import annotations

import pytest

from proxy.flow import TRANSPORTS
from tests.support.flows import call_in, registration, route_pair, shown
from tests.support.ladder import Ladder
from tests.support.world import World

ANY = ["{*}", "{*}"]
OWN = "sip:caller@192.168.1.20:5060"
SIDES = [
    ("udp://203.0.113.10:5060", "tcp://10.0.0.5:5060", "udp", "tcp"),
    ("tcp://203.0.113.10:5060", "udp://10.0.0.5:5060", "tcp", "udp"),
    ("wss://edge.example.com:8443", "udp://10.0.0.5:5060", "ws", "udp"),
    ("udp://203.0.113.10:5060", "udp://10.0.0.5:5060", "udp", "udp"),
    ("tls://edge.example.com:5061", "tls://10.0.0.5:5061", "tls", "tls"),
]


@pytest.mark.parametrize(("client", "target", "outside", "inside"), SIDES, ids=[f"{s[2]} to {s[3]}" for s in SIDES])
def test_each_side_gets_its_own_address_and_transport(client, target, outside, inside):
    """5, 6.2: that of the side by which the request leaves on top; `lr`, and the transport of each side."""
    world = World(clients=(client,), targets=(target,))
    caller = world.client("caller", "198.51.100.20:31000", contact=f"<{OWN}>")
    server = world.server("server", transport=TRANSPORTS.index(inside))
    where = client.partition("//")[2]
    ladder = Ladder(world) >> caller.sends("INVITE sip:bob@example.com")
    if inside != "udp":
        ladder = ladder << server.is_connected()
    assert ladder << server.gets(
        "INVITE",
        contact="{*}",
        record_route=[
            f"<sip:{{R}}@10.0.0.2:5070;transport={inside};lr>",
            f"<sip:{{R}}@{where};transport={outside};lr>",
        ],
    )


def test_two_address_families():
    """3.1: IPv6 outside, IPv4 inside."""
    world = World(clients=("udp://[2001:db8::10]:5060",))
    caller, server = world.client("caller", "[2001:db8::77]:31000"), world.server("server")
    assert (
        Ladder(world)
        >> caller.sends("INVITE sip:bob@example.com")
        << server.gets(
            "INVITE",
            contact="{*}",
            record_route=[
                "<sip:{R}@10.0.0.2:5070;transport=udp;lr>",
                "<sip:{R}@[2001:db8::10]:5060;transport=udp;lr>",
            ],
        )
    )


def test_record_routes_of_a_response_are_not_rewritten(field, anna, pbx):
    """4, 5: both stay in the response as they were, in both directions."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact=shown(anna, "T"), record_route=route_pair(anna, "R"))
        >> pbx.sends(200, record_route=[", ".join(route_pair(anna, "R"))])
        << anna.gets(200, record_route=[", ".join(route_pair(anna, "R"))])
    )


@pytest.mark.parametrize("joined", [False, True], ids=["two lines", "one line"])
def test_both_of_a_pair_are_taken_off_in_one_pass(field, anna, pbx, joined):
    """5: the second Route names us as well; the request does not come back to us for it."""
    pair = route_pair(anna, "R", "client")
    further = "<sip:10.0.0.5;lr>"
    routes = [", ".join([*pair, further])] if joined else [*pair, further]
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> call_in(anna, pbx, "T", "R")
        >> anna.continues("BYE", route=routes)
        << pbx.gets("BYE", route=further)
        >> pbx.continues("INFO")
        << anna.gets("INFO sip:anna@192.168.1.20:5060", route=None)
    )
