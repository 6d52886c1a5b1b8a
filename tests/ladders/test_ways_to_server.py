"""Where a client's request goes: Request-URI, Routes, the dialog's target, and never past the server."""

from __future__ import annotations

import pytest

from proxy.flow import TCP, TLS
from tests.support.flows import call_in, call_out, registration, route_pair, shown
from tests.support.ladder import Ladder, after, does, note, nothing, record
from tests.support.world import World

ANY = ["{*}", "{*}"]
OWN = "sip:anna@192.168.1.20:5060"
TWO = ("udp://10.0.0.5:5060", "udp://10.0.0.6:5060")


@pytest.fixture
def pair():
    """Two targets, the first of which is preferred while it is up."""
    return World(clients=("udp://203.0.113.10:5060",), targets=TWO)


def first_is(up):
    def switch(world):
        world.core.node.targets.all[0].up = up

    return does(switch, f"the first target is {'up' if up else 'down'}")


# -- who may send to the server side


def test_other_networks_of_the_server_may_send(anna):
    """`server.networks` are taken for the server's."""
    world = World(clients=("udp://203.0.113.10:5060",), server={"domain": "example.com", "networks": ["10.0.9.0/24"]})
    anna = world.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    pbx = world.server("pbx")
    gateway = world.server("gateway", "10.0.9.7:5060")
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> gateway.sends("MESSAGE sip:anna@10.0.0.2:5070;transport=udp;b={T}")
        << anna.gets(f"MESSAGE {OWN}")
        >> anna.sends(200)
        << gateway.gets(200)
    )


def test_each_stranger_is_logged_once(field, pbx):
    """The first request per address is logged, the others counted."""
    one = field.server("one", "203.0.113.66:5060")
    two = field.server("two", "203.0.113.67:5060")
    assert (
        Ladder(field)
        >> one.sends("OPTIONS sip:x@10.0.0.2:5070")
        << note("203.0.113.66")
        >> one.sends("OPTIONS sip:x@10.0.0.2:5070")
        << nothing
        >> two.sends("OPTIONS sip:x@10.0.0.2:5070")
        << note("203.0.113.67")
    )
    assert field.counts.dropped["not_server"] == 3


def test_second_hop_gets_no_contact_repair(field, pbx):
    """A request with more than one Via comes from a proxy: only Record-Route, and the way back by it."""
    sbc = field.client("sbc", "198.51.100.40:5060", contact="<sip:anna@192.168.1.20:5060>")
    vias = ["SIP/2.0/UDP 198.51.100.40:5060;branch=z9hG4bK2", "SIP/2.0/UDP 192.168.1.20:5060;branch=z9hG4bK1"]
    assert (
        Ladder(field)
        >> sbc.sends("REGISTER sip:example.com", via=vias)
        << pbx.gets("REGISTER")
        >> sbc.sends("INVITE sip:bob@example.com", via=vias, record_route="<sip:198.51.100.40;lr>")
        << pbx.gets("INVITE", record_route=[*route_pair(sbc, "R"), "<sip:198.51.100.40;lr>"])
        >> pbx.sends(200)
        << sbc.gets(200)
        >> pbx.continues("BYE")
        << sbc.gets("BYE sip:anna@192.168.1.20:5060", route="<sip:198.51.100.40;lr>")
    )


def test_proxy_network_is_second_hop():
    """A source in the listener's `proxies` networks is second hop with a single Via, too."""
    world = World(clients=("udp://203.0.113.10:5060",), listener={"proxies": ("198.51.100.0/24",)})
    sbc = world.client("sbc", "198.51.100.40:5060", contact="<sip:anna@192.168.1.20:5060>")
    assert Ladder(world) >> sbc.sends("REGISTER sip:example.com") << world.server("pbx").gets("REGISTER")


# -- out of dialog


@pytest.mark.parametrize(
    "uri", ["sip:bob@example.com", "sip:carol@elsewhere.example;x=y", "tel:+49301", "sip:203.0.113.99:9", "sips:b@c.d"]
)
def test_request_goes_to_the_server_whatever_its_request_uri(field, anna, pbx, uri):
    """The Request-URI is untouched: digest covers it."""
    assert Ladder(field) >> anna.sends(f"MESSAGE {uri}") << pbx.gets(f"MESSAGE {uri}")


@pytest.mark.parametrize(
    "route",
    [
        "<sip:203.0.113.10;lr>",
        "<sip:203.0.113.10:5060;lr>",
        "<sip:203.0.113.10:5060;transport=tcp;lr>",
        "<sip:anna@203.0.113.10;lr>",
        "<sip:SIP.example.org;lr>",
        "<sip:10.0.0.2:5070;lr>",
    ],
)
def test_preloaded_route_to_us_is_removed(route):
    """An outbound proxy setting without token: our addresses, names and our side towards the server."""
    world = World(clients=("udp://203.0.113.10:5060",), listener={"names": frozenset({b"sip.example.org"})})
    anna = world.client("anna", "198.51.100.20:31000")
    pbx = world.server("pbx")
    assert Ladder(world) >> anna.sends("MESSAGE sip:bob@example.com", route=route) << pbx.gets("MESSAGE", route=None)


@pytest.mark.parametrize("route", ["<sip:10.0.0.5;lr>", "<sip:10.0.0.5:5060;lr>", "<sip:example.com;lr>"])
def test_route_to_the_server_stays(field, anna, pbx, route):
    """What names the server may stay: it takes it off itself."""
    assert Ladder(field) >> anna.sends("MESSAGE sip:bob@example.com", route=route) << pbx.gets("MESSAGE")


@pytest.mark.parametrize(
    ("routes", "left"),
    [
        (["<sip:192.0.2.77;lr>"], None),
        (["<sip:203.0.113.10;lr>, <sip:192.0.2.77;lr>"], None),
        (["<sip:192.0.2.77;lr>", "<sip:10.0.0.5;lr>"], ["<sip:10.0.0.5;lr>"]),
        (["<sip:192.0.2.77;lr>", "<sip:192.0.2.78;lr>"], None),
    ],
)
def test_route_to_nobody_we_may_send_to_is_removed(field, anna, pbx, routes, left):
    """Out of dialog, a topmost Route that names nobody we may send to is removed and recorded."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", route=routes)
        << record("route-unknown", "Route")
        << pbx.gets("MESSAGE", route=left)
    )


@pytest.mark.parametrize("port", ["", ":8443", ":443"])
def test_route_that_names_us_as_the_client_does_is_ours(edge, alice, k, port):
    """The Host or SNI of its connection (protocol 7.4), also where the server's domain is the same name."""
    alice.flow.asked = b"example.com"
    assert (
        Ladder(edge)
        >> alice.sends("MESSAGE sip:bob@example.com", route=[f"<sip:Example.com{port};transport=ws;lr>"])
        << k.gets("MESSAGE", route=None)
    )


def test_route_that_names_another_port_of_that_host_is_not(edge, alice, k):
    alice.flow.asked = b"example.com"
    route = ["<sip:example.com:5062;lr>"]
    assert Ladder(edge) >> alice.sends("MESSAGE sip:bob@example.com", route=route) << k.gets("MESSAGE", route=route)


def test_route_by_the_name_the_client_knows_stays_within_a_dialog(edge, alice, k):
    """There it may be the server's own Record-Route."""
    alice.flow.asked = b"example.com"
    route = ["<sip:example.com;lr>"]
    sent = alice.sends("MESSAGE sip:bob@example.com", route=route, to="<sip:bob@example.com>;tag=b")
    assert Ladder(edge) >> sent << note("no target") << k.gets("MESSAGE", route=route)


@pytest.mark.parametrize("lines", [True, False])
def test_as_many_unknown_routes_as_any_way_has_are_removed(field, anna, pbx, lines):
    """They go in one pass, what follows stays as it is written; with more of them somebody wants to keep us busy."""
    unknown = [f"<sip:192.0.2.77:{port};lr>" for port in range(1, 99)]
    kept = "<sip:10.0.0.5;lr>,<sip:a@192.0.2.1;lr>"
    route = [*unknown, kept] if lines else ", ".join([*unknown, kept])
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", route=route)
        << record("route-unknown", "Route")
        << pbx.gets("MESSAGE", route=kept)
    )
    route = [*unknown, unknown[0], kept] if lines else ", ".join([*unknown, unknown[0], kept])
    assert (
        Ladder(field) >> anna.sends("MESSAGE sip:bob@example.com", route=route) << anna.gets("400 more than 100 Routes")
    )
    assert field.counts.dropped["too_many_routes"] == 1


def test_no_server_known_yet():
    """Before the server's name is resolved: 503."""
    world = World(clients=("udp://203.0.113.10:5060",), resolve=False)
    anna = world.client("anna", "198.51.100.20:31000")
    assert Ladder(world) >> anna.sends("MESSAGE sip:b@example.com") << anna.gets(503, retry_after="5")


# -- within a dialog


@pytest.mark.parametrize("target", ["10.0.0.5:5060", "10.0.0.5"])
def test_in_dialog_to_the_target(field, anna, pbx, target):
    """To the Request-URI if that address is a target."""
    assert (
        Ladder(field)
        >> call_out(anna, pbx, "G", "R")
        >> anna.continues(f"BYE sip:bob@{target}")
        << pbx.gets(f"BYE sip:bob@{target}", route=None)
    )


@pytest.mark.parametrize(
    "uri", ["sip:bob@203.0.113.99", "sip:bob@asterisk.lan:5070", "sip:bob@10.0.0.5:5099", "tel:+4930"]
)
def test_in_dialog_to_another_address_goes_to_the_dialogs_target(field, anna, pbx, uri):
    """An Asterisk with an external address in its Contact is common: never 403, the Request-URI unchanged, counted."""
    ladder = Ladder(field) >> call_out(anna, pbx, "G", "R") >> anna.continues(f"BYE {uri}")
    if not uri.startswith("tel:"):
        ladder = ladder << note("which is no target: it goes to the dialog's target; {*}server.networks")
    assert ladder << pbx.gets(f"BYE {uri}", route=None)
    assert field.counts.misdirected == (not uri.startswith("tel:"))


def test_misdirected_is_logged_once_per_address(field, anna, pbx):
    """One log line per address, every request counted."""
    assert (
        Ladder(field)
        >> call_out(anna, pbx, "G", "R")
        >> anna.continues("INFO sip:bob@203.0.113.99")
        << note("names 203.0.113.99:5060")
        << pbx.gets("INFO sip:bob@203.0.113.99", route=None)
        >> anna.continues("INFO sip:bob@203.0.113.99")
        << pbx.gets("INFO sip:bob@203.0.113.99", route=None)
    )
    assert field.counts.misdirected == 2


def test_in_dialog_to_server_networks_is_followed():
    """`server.networks` name further addresses of the server: an in-dialog request goes there directly."""
    world = World(clients=("udp://203.0.113.10:5060",), server={"domain": "example.com", "networks": ["10.0.9.0/24"]})
    anna = world.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    pbx = world.server("pbx")
    media = world.server("media", "10.0.9.7:5082")
    assert (
        Ladder(world)
        >> call_out(anna, pbx, "G", "R")
        >> anna.continues("BYE sip:bob@10.0.9.7:5082")
        << media.gets("BYE sip:bob@10.0.9.7:5082", route=None)
        >> media.sends(200)
        << anna.gets(200)
    )
    assert world.counts.misdirected == 0


def test_in_dialog_follows_the_next_route(field, anna, pbx):
    """The next Route decides before the Request-URI; it stays in the request."""
    assert (
        Ladder(field)
        >> call_out(anna, pbx, "G", "R")
        >> anna.continues("BYE sip:bob@203.0.113.99", route=[*route_pair(anna, "R", "client"), "<sip:10.0.0.5;lr>"])
        << pbx.gets("BYE sip:bob@203.0.113.99", route="<sip:10.0.0.5;lr>")
    )


def test_remaining_routes_to_others_stay(field, anna, pbx):
    """A Route to a third proxy behind the server: to the dialog's target, Routes unchanged."""
    assert (
        Ladder(field)
        >> call_out(anna, pbx, "G", "R")
        >> anna.continues("BYE", route=[*route_pair(anna, "R", "client"), "<sip:192.0.2.9;lr>"])
        << note("names 192.0.2.9:5060")
        << pbx.gets("BYE", route="<sip:192.0.2.9;lr>")
    )


def test_dialog_stays_with_its_target(pair):
    """A call set up with the second target goes on with it when the first is back."""
    anna = pair.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    one, two = pair.server("one"), pair.server("two", "10.0.0.6:5060", contact="<sip:bob@192.0.2.6>")
    assert Ladder(pair) >> first_is(False) >> call_to(anna, two)
    assert (
        Ladder(pair)
        >> first_is(True)
        >> anna.continues("BYE")
        << two.gets("BYE sip:bob@192.0.2.6", route=None)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << one.gets("MESSAGE")
    )


def call_to(anna, server):
    return [
        anna.sends("INVITE sip:bob@example.com"),
        server.gets("INVITE", contact=shown(anna, "G"), record_route=route_pair(anna, "R")),
        server.sends(200),
        anna.gets(200),
        anna.continues("ACK"),
        note("names 192.0.2.6:5060"),
        server.gets("ACK", route=None),
    ]


def test_call_from_the_second_target_stays_with_it(pair):
    """A call that the second target began: the client's BYE goes back to it."""
    anna = pair.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    one = pair.server("one")
    two = pair.server("two", "10.0.0.6:5060", contact="<sip:bob@10.0.0.6:5060>")
    assert (
        Ladder(pair)
        >> registration(anna, one, "T")
        >> call_in(anna, two, "T", "R")
        >> anna.continues("BYE")
        << two.gets("BYE sip:bob@10.0.0.6:5060", route=None)
    )


def test_without_record_route_the_normal_choice(pair):
    """No Record-Route of ours (a UA that lost it): the preferred target."""
    anna = pair.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    one = pair.server("one")
    assert (
        Ladder(pair)
        >> anna.sends("BYE sip:bob@192.0.2.6", to="<sip:bob@example.com>;tag=x")
        << note("names 192.0.2.6:5060")
        << one.gets("BYE")
    )


# -- by stream


@pytest.fixture
def stream():
    """The server is reached by TCP."""
    return World(clients=("udp://203.0.113.10:5060",), targets=("tcp://10.0.0.5:5060",))


def test_server_by_tcp(stream):
    """One connection, opened when first needed; Contact and Record-Route name tcp."""
    anna = stream.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    pbx = stream.server("pbx", transport=TCP)
    assert (
        Ladder(stream)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.is_connected()
        << pbx.gets(
            "INVITE",
            via=["SIP/2.0/TCP 10.0.0.2:5070;branch={*}", "{*}"],
            contact="<sip:anna@10.0.0.2:5070;transport=tcp;b={G}>",
            record_route=["<sip:{R}@10.0.0.2:5070;transport=tcp;lr>", "<sip:{R}@203.0.113.10:5060;transport=udp;lr>"],
        )
        >> pbx.sends(200)
        << anna.gets(200)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        >> after(40)
        << anna.gets("100 Trying", at=3.5)
        << nothing
    )


@pytest.fixture
def secure():
    """The server is reached by TLS, as are further addresses of it."""
    networks = {"domain": "example.com", "networks": ["10.0.9.0/24"]}
    return World(clients=("udp://203.0.113.10:5060",), targets=("tls://10.0.0.5:5061",), server=networks)


def test_server_by_tls(secure):
    """As by TCP; a Route of the server without port means 5061, and so its only connection."""
    anna = secure.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    pbx = secure.server("pbx", "10.0.0.5:5061", transport=TLS)
    route = "<sip:10.0.0.5;transport=tls;lr>"
    assert (
        Ladder(secure)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.is_connected()
        << pbx.gets(
            "INVITE",
            via=["SIP/2.0/TLS 10.0.0.2:5070;branch={*}", "{*}"],
            contact="<sip:anna@10.0.0.2:5070;transport=tls;b={G}>",
            record_route=["<sip:{R}@10.0.0.2:5070;transport=tls;lr>", "<sip:{R}@203.0.113.10:5060;transport=udp;lr>"],
        )
        >> pbx.sends(200)
        << anna.gets(200)
        >> anna.continues("BYE sip:bob@203.0.113.99", route=[*route_pair(anna, "R", "client"), route])
        << pbx.gets("BYE sip:bob@203.0.113.99", route=route)
    )
    assert secure.counts.misdirected == 0


@pytest.mark.parametrize("uri", ["sips:bob@10.0.9.7", "sip:bob@10.0.9.7;transport=tls", "sips:bob@10.0.9.7:5061"])
def test_in_dialog_to_another_address_by_tls(secure, uri):
    """sips means TLS, and TLS without a port means 5061 (RFC 3261 sections 19.1.2 and 26.2.2)."""
    anna = secure.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    pbx = secure.server("pbx", "10.0.0.5:5061", transport=TLS)
    media = secure.server("media", "10.0.9.7:5061", transport=TLS)
    assert (
        Ladder(secure)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.is_connected()
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> pbx.sends(200)
        << anna.gets(200)
        >> anna.continues(f"BYE {uri}")
        << media.is_connected()
        << media.gets(f"BYE {uri}", route=None)
    )


def test_server_that_refuses_the_connection(stream):
    """No connection: 500 (16.7 step 6 keeps our 503 from going home)."""
    anna = stream.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    pbx = stream.server("pbx", transport=TCP)
    pbx.listening = False
    assert (
        Ladder(stream)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.is_connected()
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> pbx.closes("connection refused")
        << anna.gets(500)
        >> anna.acks()
    )


def test_lost_connection_to_the_server_is_made_anew(stream):
    """The next request opens another."""
    anna = stream.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    pbx = stream.server("pbx", transport=TCP)
    assert (
        Ladder(stream)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.is_connected()
        << pbx.gets("MESSAGE")
        >> pbx.sends(200)
        << anna.gets(200)
        >> pbx.closes()
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.is_connected()
        << pbx.gets("MESSAGE")
    )


def test_datagram_that_cannot_be_sent(field, anna, pbx):
    """ICMP says nobody listens there: 500, at once."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        >> pbx.fails()
        << anna.gets(500)
    )


# -- IPv6


def test_ipv6_on_both_sides():
    """Brackets in URIs and Vias, bare addresses in `received`."""
    world = World(clients=("udp://[2001:db8::10]:5060",), targets=("udp://[fd00::5]:5060",), own="fd00::2")
    anna = world.client(
        "anna", "[2001:db8::77]:31000", contact="<sip:anna@[fe80::1]:5060>", via="SIP/2.0/UDP [fe80::1]:5060;rport"
    )
    pbx = world.server("pbx", "[fd00::5]:5060", contact="<sip:bob@[fd00::5]:5060>")
    one = "<sip:anna@[fd00::2]:5070;transport=udp;b={T}>"
    pair = ["<sip:{R}@[fd00::2]:5070;transport=udp;lr>", "<sip:{R}@[2001:db8::10]:5060;transport=udp;lr>"]
    assert (
        Ladder(world)
        >> anna.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=one, path="<sip:p{T}@[fd00::2]:5070;transport=udp;lr>", supported="path")
        >> pbx.sends(200, contact=one)
        << anna.gets(200, contact="<sip:anna@[fe80::1]:5060>;expires=3600")
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets(
            "INVITE",
            contact=one,
            record_route=pair,
            via=[
                "SIP/2.0/UDP [fd00::2]:5070;branch={*}",
                "SIP/2.0/UDP [fe80::1]:5060;rport=31000;branch={*};received=2001:db8::77",
            ],
        )
        >> pbx.sends(200)
        << anna.gets(200)
        >> anna.continues("ACK")
        << pbx.gets("ACK sip:bob@[fd00::5]:5060", route=None)
        >> pbx.continues("BYE")
        << anna.gets("BYE sip:anna@[fe80::1]:5060", route=None)
    )
