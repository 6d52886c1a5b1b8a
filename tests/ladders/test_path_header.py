"""Path (RFC 3327): sent always, never required, taken out again, and given up where the server refuses it."""

from __future__ import annotations

import pytest

from tests.support.flows import registration, shown
from tests.support.ladder import Ladder
from tests.support.world import World

ONE = "<sip:anna@10.0.0.2:5070;transport=udp;b={T}>"
PATH = "<sip:p{T}@10.0.0.2:5070;transport=udp;lr>"
OWN = "sip:anna@192.168.1.20:5060"


def test_path_and_supported_are_added(field, anna, pbx):
    """`auto`: always sent, with `Supported: path`, never `Require`; no Record-Route."""
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=ONE, path=PATH, supported="path", require=None, record_route=None)
    )


@pytest.mark.parametrize(("supported", "then"), [("gruu", "gruu, path"), ("gruu, path", "gruu, path"), ("", "path")])
def test_path_joins_what_the_client_supports(field, anna, pbx, supported, then):
    """Added to the header that is there; not a second time."""
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com", supported=supported)
        << pbx.gets("REGISTER", contact=ONE, path=PATH, supported=then)
    )


def test_path_of_others_stays_below_ours(field, anna, pbx):
    """Each proxy puts its own on top (RFC 3327 section 5.2)."""
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com", path="<sip:edge.example.net;lr>", supported="path")
        << pbx.gets("REGISTER", contact=ONE, path=[PATH, "<sip:edge.example.net;lr>"])
    )


def test_path_off():
    """`path: off`: neither Path nor Supported."""
    world = World(clients=("udp://203.0.113.10:5060",), server={"path": "off"})
    anna = world.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    pbx = world.server("pbx")
    assert (
        Ladder(world)
        >> anna.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=ONE)
        >> pbx.sends(200, contact=ONE)
        << anna.gets(200, contact=f"<{OWN}>;expires=3600")
    )


def test_path_stops_for_a_server_that_refuses_it(field, anna, pbx):
    """After its 420 with `Unsupported: path` that target gets none."""
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=ONE, path=PATH, supported="path")
        >> pbx.sends(420, unsupported="path")
        << anna.gets(420)
        >> anna.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=ONE)
    )


def test_other_420_does_not_stop_path(field, anna, pbx):
    """Only `Unsupported: path` says it."""
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com", require="gruu")
        << pbx.gets("REGISTER", contact=ONE, path=PATH, supported="path")
        >> pbx.sends(420, unsupported="gruu")
        << anna.gets(420)
        >> anna.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=ONE, path=PATH, supported="path")
    )


def test_path_is_taken_out_of_the_2xx(field, anna, pbx):
    """Our Path is none of the business of a client that did not say `Supported: path`."""
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=ONE, path=PATH, supported="path")
        >> pbx.sends(200, contact=ONE, path=f"{PATH}, <sip:other.example.net;lr>")
        << anna.gets(200, contact=f"<{OWN}>;expires=3600", path="<sip:other.example.net;lr>")
    )


def test_whole_path_line_is_taken_out(field, anna, pbx):
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=ONE, path=PATH, supported="path")
        >> pbx.sends(200, contact=ONE, path=PATH)
        << anna.gets(200, contact=f"<{OWN}>;expires=3600", path=None)
    )


def test_client_that_supports_path_sees_it(field, anna, pbx):
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com", supported="path")
        << pbx.gets("REGISTER", contact=ONE, path=PATH)
        >> pbx.sends(200, contact=ONE, path=PATH)
        << anna.gets(200, contact=f"<{OWN}>;expires=3600")
    )


@pytest.mark.parametrize(
    ("contact", "flag"),
    [
        (';reg-id=1;+sip.instance="<urn:uuid:1>"', ";ob"),
        (';+sip.instance="<urn:uuid:1>"', ""),
        (";reg-id=1", ""),
    ],
    ids=["both", "no reg-id", "no instance"],
)
def test_ob_only_for_an_outbound_client(field, anna, pbx, contact, flag):
    """`;ob` if and only if there is a single Via, reg-id and +sip.instance."""
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com", contact=f"<{OWN}>{contact}")
        << pbx.gets("REGISTER", contact=ONE + contact, path=PATH.replace(";lr", f";lr{flag}"), supported="path")
    )


def test_query_register_gets_no_path(field, anna, pbx):
    """It binds nothing."""
    assert Ladder(field) >> anna.sends("REGISTER sip:example.com", contact=None) << pbx.gets("REGISTER")


def test_unregister_all_gets_no_path(field, anna, pbx):
    assert Ladder(field) >> anna.sends("REGISTER sip:example.com", contact="*", expires=0) << pbx.gets("REGISTER")


def test_each_target_is_asked_for_itself():
    """The 420 of one target says nothing about another."""
    world = World(clients=("udp://203.0.113.10:5060",), targets=("udp://10.0.0.5:5060", "udp://10.0.0.6:5060"))
    anna = world.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    one = world.server("one")
    two = world.server("two", "10.0.0.6:5060")
    assert (
        Ladder(world)
        >> anna.sends("REGISTER sip:example.com")
        << one.gets("REGISTER", contact=ONE, path=PATH, supported="path")
        >> one.sends(420, unsupported="path")
        << anna.gets(420)
    )
    world.core.node.targets.all[0].up = False
    assert Ladder(world) >> registration(anna, two, "T")
    assert shown(anna, "T") == ONE
