"""Bindings from the first 2xx to the end of lingering, and what may move them to another flow."""

from __future__ import annotations

import pytest

from tests.support.flows import call_in, call_out, registration, route_pair, shown
from tests.support.ladder import Ladder, after, does, nothing, stored, stores
from tests.support.world import World

OWN = "sip:anna@192.168.1.20:5060"
URI = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"
AUTH = 'Digest username="anna", realm="example.com", nonce="n", uri="sip:x", response="r"'


def reached(pbx, anna, own=OWN):
    """A new request comes to the client."""
    return [pbx.sends(f"MESSAGE {URI}"), anna.gets(f"MESSAGE {own}"), anna.sends(200), pbx.gets(200)]


def unregister(anna, pbx, contact="<sip:anna@192.168.1.20:5060>;expires=0"):
    shown_contact = "*" if contact == "*" else shown(anna, "T") + ";expires=0"
    more = {"expires": 0} if contact == "*" else {}
    path = {} if contact == "*" else {"path": "{*}", "supported": "path"}
    return [
        anna.sends("REGISTER sip:example.com", contact=contact, **more),
        pbx.gets("REGISTER", contact=shown_contact, **path),
        pbx.sends(200),
        anna.gets(200),
    ]


def test_only_what_the_2xx_lists_becomes_a_binding(field, anna, pbx):
    """Two Contacts asked for, one granted: the other token names nobody."""
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com", contact=["<sip:a1@192.168.1.20>", "<sip:a2@192.168.1.20>"])
        << pbx.gets("REGISTER", contact=[shown(anna, "T"), shown(anna, "U")], path="{*}", supported="path")
        >> pbx.sends(200, contact=shown(anna, "T") + ";expires=60")
        << anna.gets(200, contact="<sip:a1@192.168.1.20>;expires=60")
        >> reached(pbx, anna, "sip:a1@192.168.1.20")
        >> pbx.sends("MESSAGE sip:anna@10.0.0.2:5070;transport=udp;b={U}")
        << pbx.gets(404)
    )


def test_challenge_changes_nothing(field, anna, pbx):
    """401 to the first REGISTER: the token in it names nobody yet."""
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=shown(anna, "T"), path="{*}", supported="path")
        >> pbx.sends(401)
        << anna.gets(401)
        >> pbx.sends(f"MESSAGE {URI}")
        << pbx.gets(404)
    )


@pytest.mark.parametrize("contact", ["<sip:anna@192.168.1.20:5060>;expires=0", "*"], ids=["expires=0", "star"])
def test_unregistered_client_gets_the_bye_of_its_call_only(field, anna, pbx, contact):
    """Un-REGISTER: requests with a To tag are still delivered, those without get 480."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> call_in(anna, pbx, "T", "R")
        >> unregister(anna, pbx, contact)
        >> pbx.sends(f"MESSAGE {URI}")
        << pbx.gets(480)
        >> pbx.continues("BYE")
        << anna.gets(f"BYE {OWN}", route=None)
        >> anna.sends(200)
        << pbx.gets(200)
    )


def test_star_ends_all_bindings_of_the_aor(field, anna, pbx):
    """`Contact: *` goes out as it is; every binding of the AoR lingers after it."""
    other = field.client("other", "198.51.100.21:5060", user="anna", contact="<sip:anna@192.168.9.9:5060>")
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> registration(other, pbx, "U")
        >> unregister(anna, pbx, "*")
        >> pbx.sends("MESSAGE sip:anna@10.0.0.2:5070;transport=udp;b={T}")
        << pbx.gets(480)
        >> pbx.sends("MESSAGE sip:anna@10.0.0.2:5070;transport=udp;b={U}")
        << pbx.gets(480)
    )


def test_expired_client_gets_no_new_requests(field, anna, pbx):
    """The registration runs out: 480 for what would begin something new."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T", granted=60)
        >> after(59)
        >> reached(pbx, anna)
        >> after(40)
        >> pbx.sends(f"MESSAGE {URI}")
        << pbx.gets(480)
    )


def test_registration_counts_from_the_answer_to_the_second(field, anna, pbx):
    """One second after its expiry the binding is no longer registered, however seldom the table is swept."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T", granted=40)
        >> after(41)
        >> pbx.sends(f"MESSAGE {URI}")
        << pbx.gets(480)
    )


def test_lingering_ends():
    """`limits.linger` after the last message the token names nobody: 404; until then 480."""
    world = World(clients=("udp://203.0.113.10:5060",), limits={"linger": "10m"})
    anna = world.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    pbx = world.server("pbx")
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> unregister(anna, pbx)
        >> after(500)
        >> pbx.sends(f"MESSAGE {URI}")
        << pbx.gets(480)
        >> after(700)
        >> pbx.sends(f"MESSAGE {URI}")
        << pbx.gets(404)
    )
    assert len(world.core.node.bindings) == 0


def test_running_call_keeps_a_lingering_binding():
    """Messages of the call, in either direction, push the end of lingering back."""
    world = World(clients=("udp://203.0.113.10:5060",), limits={"linger": "10m"})
    anna = world.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    pbx = world.server("pbx")
    ladder = Ladder(world) >> registration(anna, pbx, "T") >> call_in(anna, pbx, "T", "R") >> unregister(anna, pbx)
    for _ in range(3):
        ladder = (
            ladder
            >> after(500)
            >> pbx.continues("OPTIONS")
            << anna.gets(f"OPTIONS {OWN}", route=None)
            >> anna.sends(200)
            << pbx.gets(200)
        )
    assert ladder >> pbx.continues("BYE") << anna.gets(f"BYE {OWN}", route=None)


def test_register_after_the_end_takes_up_the_same_token(field, anna, pbx):
    """Registered, unregistered, registered: one name at the server."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> unregister(anna, pbx)
        >> registration(anna, pbx, "T")
        >> reached(pbx, anna)
    )


# -- moving


def elsewhere(field, address):
    """anna at another address: what she sends from there, and what comes there."""
    return field.client("moved", address, user="anna", contact=f"<{OWN}>", via="SIP/2.0/UDP a.invalid;rport")


def test_register_from_another_port_moves_the_flow(field, anna, pbx):
    """(1) A 2xx to a REGISTER with its Contact: from then on everything goes there."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.connects("198.51.100.20:31999")
        >> registration(anna, pbx, "T", call_id="anna-1")
        >> reached(pbx, anna)
    )


def test_register_moves_the_flow_to_the_new_connection(edge, alice, k):
    """A browser that lost its connection registers again: its calls come by the new one."""
    uri = "sip:alice@10.0.0.2:5070;transport=udp;b={T}"
    assert (
        Ladder(edge)
        >> registration(alice, k, "T")
        >> alice.closes()
        >> k.sends(f"MESSAGE {uri}")
        << k.gets(480)
        >> alice.connects("198.51.100.7:50222")
        >> registration(alice, k, "T")
        >> k.sends(f"MESSAGE {uri}")
        << alice.gets("MESSAGE sip:63et72ng@9sh.invalid;transport=ws")
    )


def test_arrival_alone_moves_nothing(field, anna, pbx):
    """A request from a new port without credentials: its answer goes to where it came from, calls to the old port."""
    moved = elsewhere(field, "198.51.100.20:31999")
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> moved.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        >> pbx.sends(200)
        << moved.gets(200)
        >> reached(pbx, anna)
    )


@pytest.mark.parametrize("header", ["authorization", "proxy_authorization"])
def test_accepted_request_with_credentials_moves_the_flow(field, anna, pbx, header):
    """(2) A 2xx to a request with the username that the last accepted REGISTER used."""
    moved = elsewhere(field, "192.0.2.20:31999")
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T", authorization=AUTH)
        >> moved.sends("MESSAGE sip:bob@example.com", contact=f"<{OWN}>", **{header: AUTH})
        << pbx.gets("MESSAGE", contact=shown(anna, "T"))
        >> pbx.sends(200)
        << moved.gets(200)
        << stores("anna@example.com")
        >> reached(pbx, moved)
    )


@pytest.mark.parametrize(
    ("status", "credentials"),
    [(403, AUTH), (200, AUTH.replace('"anna"', '"eve"')), (200, None)],
    ids=["refused", "other username", "no credentials"],
)
def test_request_with_other_credentials_moves_nothing(field, anna, pbx, status, credentials):
    """Refused, with another username or without one: the flow stays."""
    moved = elsewhere(field, "192.0.2.20:31999")
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T", authorization=AUTH)
        >> moved.sends("MESSAGE sip:bob@example.com", contact=f"<{OWN}>", proxy_authorization=credentials)
        << pbx.gets("MESSAGE", contact=shown(anna, "T"))
        >> pbx.sends(status)
        << moved.gets(status)
        >> reached(pbx, anna)
    )


def test_new_port_in_mid_call_serves_the_call_only(field, anna, pbx):
    """(3) UDP: a 2xx to a request in the dialog from the same IP, other port: its BYE goes there, new calls do not."""
    assert Ladder(field) >> registration(anna, pbx, "T") >> call_out(anna, pbx, "T", "R")
    moved = elsewhere(field, "198.51.100.20:31999")
    moved.dialog = anna.dialog
    pbx_dialog = pbx.dialog
    assert (
        Ladder(field)
        >> moved.continues("INFO")
        << pbx.gets("INFO", route=None)
        >> reached(pbx, anna)
        >> pbx.sends(200, answers="INFO")
        << moved.gets(200)
        >> pbx.continues("OPTIONS")
        << moved.gets(f"OPTIONS {OWN}", route=None)
        >> moved.sends(200)
        << pbx.gets(200)
        >> reached(pbx, anna)
        >> registration(moved, pbx, "T", call_id="anna-1")
        >> reached(pbx, moved)
        >> pbx.continues("BYE")
        << moved.gets(f"BYE {OWN}", route=None)
    )
    assert pbx.dialog is pbx_dialog


def test_other_ip_in_mid_call_serves_nothing(field, anna, pbx):
    """A change of the IP address in mid-call needs a REGISTER or credentials."""
    thief = field.client("thief", "192.0.2.20:31999", user="anna", via="SIP/2.0/UDP 192.0.2.20:31999")
    assert Ladder(field) >> registration(anna, pbx, "T") >> call_out(anna, pbx, "T", "R")
    thief.dialog = anna.dialog
    assert (
        Ladder(field)
        >> thief.continues("INFO")
        << pbx.gets("INFO", route=None)
        >> pbx.sends(200)
        << thief.gets(200)
        >> pbx.continues("BYE")
        << anna.gets(f"BYE {OWN}", route=None)
    )


# -- the store


def hold(world):
    world.hold_store = True


def test_answer_waits_for_the_store(field, anna, pbx):
    """A 2xx that changes a binding is passed on after its commit."""
    assert (
        Ladder(field)
        >> does(hold, "the store is slow")
        >> anna.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=shown(anna, "T"), path="{*}", supported="path")
        >> pbx.sends(200, contact=shown(anna, "T") + ";expires=60")
        << stores("anna@example.com", waiting=True)
        >> after(0.02)
        << nothing
        >> stored()
        << anna.gets(200, contact=f"<{OWN}>;expires=60")
    )


def test_refresh_does_not_wait_for_the_store(field, anna, pbx):
    """One that only renews the expiry is passed on at once."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> does(hold, "the store is slow")
        >> registration(anna, pbx, "T")
        << stores("anna@example.com", waiting=False)
    )


def test_retransmitted_register_while_the_store_is_slow(field, anna, pbx):
    """It is absorbed, and answered once the store is done."""
    assert (
        Ladder(field)
        >> does(hold, "the store is slow")
        >> anna.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=shown(anna, "T"), path="{*}", supported="path")
        >> pbx.sends(200, contact=shown(anna, "T") + ";expires=60")
        >> anna.repeats()
        << nothing
        >> stored()
        << anna.gets(200, contact=f"<{OWN}>;expires=60")
        >> anna.repeats("REGISTER")
        << anna.gets(200, again=True, contact="{*}")
    )


def test_route_pair_is_written_for_a_registered_client(field, anna, pbx):
    """The Record-Route of a registered client carries its token, which outlives the connection."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact=shown(anna, "T"), record_route=route_pair(anna, "R"))
    )
    assert field.names["T"] in field.names["R"]


def test_lingering_bindings_make_room_for_new_clients():
    """Lingering is bounded: the oldest goes first when the table is full, and nobody is refused for it."""
    world = World(clients=("udp://203.0.113.10:5060",), limits={"bindings": 2})
    anna = world.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    eva = world.client("eva", "198.51.100.22:31000")
    tom = world.client("tom", "198.51.100.21:31000")
    pbx = world.server("pbx")
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> registration(eva, pbx, "E")
        >> unregister(anna, pbx)
        >> registration(tom, pbx, "U")
        >> pbx.sends(f"MESSAGE {URI}")
        << pbx.gets(404)
        >> anna.sends("REGISTER sip:example.com")
        << anna.gets(503, retry_after="5")
    )
