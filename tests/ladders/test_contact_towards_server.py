"""The one Contact of a client at the server: where it stands, what is left alone, what is inserted."""

from __future__ import annotations

import pytest

from tests.support.flows import call_in, registration, route_pair, shown
from tests.support.ladder import Ladder
from tests.support.world import World

ANY = ["{*}", "{*}"]
ONE = "<sip:anna@10.0.0.2:5070;transport=udp;b={T}>"
OWN = "sip:anna@192.168.1.20:5060"
PUBLIC = "<sip:anna@8.8.4.4:31000>"


@pytest.fixture
def public(field):
    """A phone with a public address, whose Contact names exactly where it sends from."""
    return field.client("anna", "8.8.4.4:31000", contact=PUBLIC)


@pytest.fixture
def registered(field, anna, pbx):
    assert Ladder(field) >> registration(anna, pbx, "T")


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "REFER"])
def test_one_contact_in_requests_that_begin_something(field, anna, pbx, registered, method):
    """The Contact is that of the registration, with our two Record-Routes."""
    assert (
        Ladder(field)
        >> anna.sends(f"{method} sip:bob@example.com")
        << pbx.gets(method, contact=ONE, record_route=route_pair(anna, "R"))
    )


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "SUBSCRIBE", "REFER"])
def test_one_contact_in_requests_within_a_dialog(field, anna, pbx, registered, method):
    """re-INVITE, UPDATE and the others show the same Contact."""
    assert (
        Ladder(field)
        >> call_in(anna, pbx, "T", "R")
        >> anna.continues(method)
        << pbx.gets(method, contact=ONE, route=None)
    )


def test_one_contact_in_notify(field, anna, pbx, registered):
    """NOTIFY carries it too, and a Record-Route in every one."""
    assert (
        Ladder(field)
        >> pbx.sends("SUBSCRIBE sip:anna@10.0.0.2:5070;transport=udp;b={T}")
        << anna.gets(f"SUBSCRIBE {OWN}", record_route=route_pair(anna, "R", "client"))
        >> anna.sends(200)
        << pbx.gets(200, contact=ONE)
        >> anna.continues("NOTIFY")
        << pbx.gets("NOTIFY", contact=ONE, route=None, record_route=route_pair(anna, "N"))
    )


@pytest.mark.parametrize("status", [180, 183, 200])
def test_one_contact_in_answers_to_invite(field, anna, pbx, registered, status):
    """18x with To tag and 2xx."""
    assert (
        Ladder(field)
        >> pbx.sends("INVITE sip:anna@10.0.0.2:5070;transport=udp;b={T}")
        << anna.gets(f"INVITE {OWN}", record_route=ANY)
        >> anna.sends(status)
        << pbx.gets(status, contact=ONE)
    )


def test_uri_parameters_are_dropped_but_ob_and_header_parameters_stay(field, anna, pbx, registered):
    """Two such Contacts on one host and port stay two at the server only by `b=`."""
    assert (
        Ladder(field)
        >> anna.sends(
            "INVITE sip:bob@example.com",
            contact='"Anna" <sip:anna@192.168.1.20:5060;transport=tcp;ob;x=y>;+sip.ice;q=0.5',
        )
        << pbx.gets(
            "INVITE",
            contact='"Anna" <sip:anna@10.0.0.2:5070;transport=udp;b={T};ob>;+sip.ice;q=0.5',
            record_route=ANY,
        )
    )


def test_reachable_contact_is_rewritten_in_register_all_the_same(field, public, pbx):
    """The server would bypass this proxy, and a NAT's hole admits only us."""
    assert Ladder(field) >> registration(public, pbx, "T")


@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
def test_listener_that_leaves_contacts(method):
    """`contact: leave`: the Contact goes out as it came, and the answer finds the client's again."""
    world = World(clients=("udp://203.0.113.10:5060",), listener={"contact_policy": "leave"})
    anna = world.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    pbx = world.server("pbx")
    if method == "REGISTER":
        assert (
            Ladder(world)
            >> anna.sends("REGISTER sip:example.com")
            << pbx.gets("REGISTER", path="<sip:p{T}@10.0.0.2:5070;transport=udp;lr>", supported="path")
            >> pbx.sends(200, contact=f"<{OWN}>;expires=60")
            << anna.gets(200)
            >> pbx.sends(f"MESSAGE {OWN}", route="<sip:p{T}@10.0.0.2:5070;transport=udp;lr>")
            << anna.gets(f"MESSAGE {OWN}", route=None)
        )
    else:
        assert Ladder(world) >> anna.sends("INVITE sip:bob@example.com") << pbx.gets("INVITE", record_route=ANY)


def test_reachable_guest_is_left_alone(field, public, pbx):
    """The Contact of a guest that is reachable and equal to source and transport stays: Record-Route leads home."""
    assert (
        Ladder(field)
        >> public.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", record_route=route_pair(public, "R"))
        >> pbx.sends(200)
        << public.gets(200)
        >> pbx.continues("BYE")
        << public.gets("BYE sip:anna@8.8.4.4:31000", route=None)
    )


@pytest.mark.parametrize(
    "contact",
    ["<sip:anna@8.8.4.4:5060>", "<sip:anna@8.8.4.4:31000;transport=tcp>", "<sip:anna@8.8.8.8:31000>"],
    ids=["other port", "other transport", "other address"],
)
def test_guest_whose_contact_is_not_its_source(field, public, pbx, contact):
    """Otherwise the one Contact with the guest token."""
    assert (
        Ladder(field)
        >> public.sends("INVITE sip:bob@example.com", contact=contact)
        << pbx.gets("INVITE", contact="<sip:anna@10.0.0.2:5070;transport=udp;b={G}>", record_route=ANY)
    )


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:anna@example.com;gr=urn:uuid:1>",
        "<tel:+4930123>",
        "<sip:anna@10.0.0.2:5070;transport=udp;b={T}>",
        "<mailto:anna@example.com>",
    ],
    ids=["gruu", "tel", "ours", "mailto"],
)
def test_contacts_that_are_left_alone(field, anna, pbx, registered, contact):
    """`;gr`, other schemes, and our own Contact with a valid token."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com", contact=contact)
        << pbx.gets("INVITE", record_route=ANY)
    )


def test_own_contact_from_a_client_may_remove_that_binding(field, anna, pbx, registered):
    """A client that learned our Contact somewhere un-registers it: it is passed on unchanged."""
    assert Ladder(field) >> anna.sends("REGISTER sip:example.com", contact=ONE + ";expires=0") << pbx.gets("REGISTER")


@pytest.mark.parametrize("status", [302, 485])
def test_redirect_lists_are_left_alone(field, anna, pbx, registered, status):
    """They name other people."""
    assert (
        Ladder(field)
        >> pbx.sends("INVITE sip:anna@10.0.0.2:5070;transport=udp;b={T}")
        << anna.gets(f"INVITE {OWN}", record_route=ANY)
        >> anna.sends(status, contact="<sip:carol@192.168.1.77>, <sip:dora@192.168.1.78>")
        << anna.gets("ACK")
        << pbx.gets(status)
    )


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "REFER"])
def test_missing_contact_is_inserted(field, anna, pbx, registered, method):
    """Without it the server cannot know where to send requests within the dialog."""
    assert (
        Ladder(field)
        >> anna.sends(f"{method} sip:bob@example.com", contact=None)
        << pbx.gets(method, contact=ONE, record_route=ANY)
    )


def test_missing_contact_in_update_is_inserted(field, anna, pbx, registered):
    assert (
        Ladder(field)
        >> call_in(anna, pbx, "T", "R")
        >> anna.continues("UPDATE", contact=None)
        << pbx.gets("UPDATE", contact=ONE, route=None)
    )


@pytest.mark.parametrize("method", ["OPTIONS", "MESSAGE", "PUBLISH", "REGISTER", "INFO", "FOO"])
def test_contact_is_not_inserted_elsewhere(field, anna, pbx, registered, method):
    """Never in OPTIONS, MESSAGE, PUBLISH, INFO; a REGISTER without Contact is a query."""
    assert Ladder(field) >> anna.sends(f"{method} sip:example.com", contact=None) << pbx.gets(method)


@pytest.mark.parametrize("method", ["BYE", "PRACK", "INFO", "ACK"])
def test_contact_is_not_inserted_within_a_dialog(field, anna, pbx, registered, method):
    assert (
        Ladder(field)
        >> call_in(anna, pbx, "T", "R")
        >> anna.continues(method)
        << pbx.gets(method, route=None, contact=None)
    )


@pytest.mark.parametrize("status", [180, 200])
def test_missing_contact_in_an_answer_is_inserted(field, anna, pbx, registered, status):
    """101-199 with To tag to INVITE, and 2xx to INVITE."""
    assert (
        Ladder(field)
        >> pbx.sends("INVITE sip:anna@10.0.0.2:5070;transport=udp;b={T}")
        << anna.gets(f"INVITE {OWN}", record_route=ANY)
        >> anna.sends(status, contact=None)
        << pbx.gets(status, contact=ONE)
    )


def test_contact_is_not_inserted_in_a_ringing_without_tag(field, anna, pbx, registered):
    """It makes no dialog."""
    assert (
        Ladder(field)
        >> pbx.sends("INVITE sip:anna@10.0.0.2:5070;transport=udp;b={T}", to="<sip:anna@example.com>")
        << anna.gets(f"INVITE {OWN}", record_route=ANY)
        >> anna.sends(180, contact=None, to="<sip:anna@example.com>")
        << pbx.gets(180, contact=None)
    )


@pytest.mark.parametrize("status", [404, 486, 603])
def test_contact_is_not_inserted_in_a_refusal(field, anna, pbx, registered, status):
    assert (
        Ladder(field)
        >> pbx.sends("INVITE sip:anna@10.0.0.2:5070;transport=udp;b={T}")
        << anna.gets(f"INVITE {OWN}", record_route=ANY)
        >> anna.sends(status, contact=None)
        << anna.gets("ACK")
        << pbx.gets(status, contact=None)
    )


def test_missing_contact_with_the_domain():
    """`contact-missing: {host: domain}` writes the plain `sip:USER@DOMAIN`."""
    world = World(clients=("udp://203.0.113.10:5060",), repair={"contact-missing": {"host": "domain"}})
    anna = world.client("anna", "198.51.100.20:31000")
    pbx = world.server("pbx")
    assert (
        Ladder(world)
        >> anna.sends("INVITE sip:bob@example.com", contact=None)
        << pbx.gets("INVITE", contact="<sip:anna@example.com>", record_route=ANY)
    )


@pytest.mark.parametrize(
    ("contact", "asked"),
    [
        (["<sip:x1@192.168.1.20>;{I};expires=600;q=0.7", "<sip:x0@192.168.1.20>;{I};expires=0"], "x1"),
        (["<sip:x0@192.168.1.20>;{I};expires=0", "<sip:x1@192.168.1.20>;{I};expires=600;q=0.7"], "x1"),
        (["<sip:x0@192.168.1.20>;{I};expires=0, <sip:x1@192.168.1.20>;{I};expires=600;q=0.7"], "x1"),
    ],
    ids=["new first", "old first", "one line"],
)
def test_contacts_that_are_one_binding_go_out_as_one(field, anna, pbx, contact, asked):
    """pjsip sends the new one and `old;expires=0`: the largest expires wins; the binding is not removed."""
    instance = '+sip.instance="<urn:uuid:1>"'
    one = f"{ONE};{instance};expires=600;q=0.7"
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com", contact=[line.replace("{I}", instance) for line in contact])
        << pbx.gets("REGISTER", contact=one, path="{*}", supported="path")
        >> pbx.sends(200, contact=f"{ONE};expires=600")
        << anna.gets(200, contact=f"<sip:{asked}@192.168.1.20>;expires=600")
        >> pbx.sends("MESSAGE sip:anna@10.0.0.2:5070;transport=udp;b={T}")
        << anna.gets(f"MESSAGE sip:{asked}@192.168.1.20")
    )


def test_several_accounts_in_one_register_stay_several(field, anna, pbx):
    """Two Contacts that are two bindings: each gets its own token, each comes back as the client wrote it."""
    two = "<sip:anna@10.0.0.2:5070;transport=udp;b={U}>"
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com", contact=["<sip:a@192.168.1.20>;q=1", "<sip:b@192.168.1.20>;q=0.5"])
        << pbx.gets("REGISTER", contact=[ONE + ";q=1", two + ";q=0.5"], path="{*}", supported="path")
        >> pbx.sends(200, contact=f"{two};q=0.5;expires=60, {ONE};q=1;expires=60")
        << anna.gets(200, contact="<sip:b@192.168.1.20>;q=0.5;expires=60, <sip:a@192.168.1.20>;q=1;expires=60")
    )


@pytest.mark.parametrize("own", ["198.51.100.20:31000", "10.0.0.77:5060"])
def test_private_source_is_reachable_to_a_server_in_the_same_range(field, pbx, own):
    """A phone in the server's own network, whose packets come from there, is left alone as a guest."""
    lan = field.client("lan", own, contact=f"<sip:lan@{own}>")
    same = own.startswith("10.")
    contact = {} if same else {"contact": "<sip:lan@10.0.0.2:5070;transport=udp;b={G}>"}
    assert Ladder(field) >> lan.sends("INVITE sip:bob@example.com") << pbx.gets("INVITE", record_route=ANY, **contact)


def test_contact_by_the_client_transport_names_the_servers(field, tom, pbx):
    """T is the transport towards the server, constant, whatever the client speaks."""
    assert Ladder(field) >> registration(tom, pbx, "T")
    assert shown(tom, "T") == "<sip:tom@10.0.0.2:5070;transport=udp;b={T}>"
