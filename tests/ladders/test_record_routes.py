"""Our Record-Routes: in which methods, with which name, and what they do on their way back."""

from __future__ import annotations

import pytest

from tests.support.flows import call_in, call_out, registration, route_pair, shown
from tests.support.ladder import Ladder
from tests.support.world import World

ANY = ["{*}", "{*}"]
OWN = "sip:anna@192.168.1.20:5060"
URI = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "REFER", "NOTIFY"])
def test_methods_that_get_record_routes(field, anna, pbx, method):
    """INVITE, SUBSCRIBE and REFER without To tag, and every NOTIFY: two, that of the side by which it leaves on top."""
    assert (
        Ladder(field)
        >> anna.sends(f"{method} sip:bob@example.com")
        << pbx.gets(method, contact=shown(anna, "G"), record_route=route_pair(anna, "R"))
    )


@pytest.mark.parametrize("method", ["REGISTER", "MESSAGE", "OPTIONS", "PUBLISH", "INFO", "UPDATE", "PRACK", "FOO"])
def test_methods_that_get_none(field, anna, pbx, method):
    """Never in other methods."""
    assert (
        Ladder(field)
        >> anna.sends(f"{method} sip:example.com", contact=None)
        << pbx.gets(method, record_route=None, **({"contact": "{*}"} if method == "UPDATE" else {}))
    )


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "REFER"])
def test_requests_within_a_dialog_get_none(field, anna, pbx, method):
    """The route set does not change within a dialog (12.2)."""
    assert (
        Ladder(field)
        >> call_out(anna, pbx, "G", "R")
        >> anna.continues(method)
        << pbx.gets(method, route=None, contact=shown(anna, "G"), record_route=None)
    )


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "REFER", "NOTIFY"])
def test_record_routes_towards_the_client(field, anna, pbx, method):
    """The client's side on top."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> pbx.sends(f"{method} {URI}")
        << anna.gets(f"{method} {OWN}", record_route=route_pair(anna, "R", "client"))
    )


def test_record_routes_of_others_stay_below(field, anna, pbx):
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> pbx.sends(f"INVITE {URI}", record_route=["<sip:10.0.0.5;lr>", "<sip:10.0.0.9;lr>"])
        << anna.gets(
            f"INVITE {OWN}",
            record_route=[*route_pair(anna, "R", "client"), "<sip:10.0.0.5;lr>", "<sip:10.0.0.9;lr>"],
        )
    )


def test_sips_request_gets_sips_record_routes(field, anna, pbx):
    """No `sips` unless the request is."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sips:bob@example.com", contact=None)
        << pbx.gets(
            "INVITE",
            contact="<sips:anna@10.0.0.2:5070{*}>",
            record_route=["<sips:{R}@10.0.0.2:5070;transport=udp;lr>", "<sips:{R}@203.0.113.10:5060;transport=udp;lr>"],
        )
    )


def test_record_route_names_client_target_and_flow(field, anna, tom, pbx):
    """User part `r` TOKEN TARGET FLOW MAC: [a-z0-9], at most 45 characters; different calls, different names."""
    assert (
        Ladder(field)
        >> registration(tom, pbx, "T")
        >> call_out(tom, pbx, "T", "R1", call_id="one")
        >> call_out(tom, pbx, "T", "R2", call_id="two")
    )
    one, two = field.names["R1"], field.names["R2"]
    assert one != two
    assert one[:-16] == two[:-16]
    assert one.startswith("r" + field.names["T"] + "0" + tom.flow.mark.decode())
    assert one.isalnum()
    assert len(one) <= 45


def test_record_route_without_lr_and_b(field, anna, pbx):
    """It has `lr` and no `b=`, so it never looks like a Contact of ours."""
    assert Ladder(field) >> registration(anna, pbx, "T") >> call_out(anna, pbx, "T", "R")
    invite = next(text for text in pbx.received if text.method == "INVITE")
    assert all(";lr" in line and ";b=" not in line for line in invite.values("record-route"))


# -- on their way back


def test_only_one_pair_is_removed(field, anna, pbx):
    """At most one pair per pass; a third own Route is not ours to remove."""
    pair = route_pair(anna, "R", "client")
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> call_out(anna, pbx, "T", "R")
        >> pbx.sends(
            "BYE sip:anna@10.0.0.2:5070;transport=udp;b={T}",
            to=anna.aor + ";tag=x",
            route=[*pair[::-1], "<sip:192.168.1.20;lr>"],
        )
        << anna.gets(f"BYE {OWN}", route="<sip:192.168.1.20;lr>")
    )


def test_single_route_of_ours_is_removed(field, anna, pbx):
    """A server that kept only one of the two."""
    assert (
        Ladder(field)
        >> call_out(anna, pbx, "G", "R")
        >> anna.continues("BYE", route=route_pair(anna, "R")[0])
        << pbx.gets("BYE", route=None)
    )


def test_route_in_upper_case_is_recognised(field, anna, pbx):
    """Host names are compared without case; the token is [a-z0-9] anyway."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> call_out(anna, pbx, "T", "R")
        >> anna.continues("BYE", route=["<SIP:{R}@203.0.113.10:5060;transport=UDP;LR>", route_pair(anna, "R")[0]])
        << pbx.gets("BYE", route=None)
    )


@pytest.mark.parametrize("damage", ["first", "last"])
def test_forged_record_route_says_nothing(field, anna, pbx, damage):
    """One character changed: removed (it names us), without effect on where the request goes."""
    assert Ladder(field) >> registration(anna, pbx, "T") >> call_out(anna, pbx, "T", "R")
    good = field.names["R"]
    place = 5 if damage == "first" else len(good) - 1
    other = "a" if good[place] != "a" else "b"
    field.names.bound["F"] = good[:place] + other + good[place + 1 :]
    assert (
        Ladder(field)
        >> pbx.sends("BYE sip:x@192.0.2.1", to=anna.aor + ";tag=x", route=route_pair(anna, "F"))
        << pbx.gets(404)
        >> anna.continues("BYE", route=route_pair(anna, "F", "client"))
        << pbx.gets("BYE", route=None)
    )


def test_record_route_of_another_call_names_nobody(field, anna, pbx):
    """The MAC covers the Call-ID."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> call_in(anna, pbx, "T", "R", call_id="one")
        >> pbx.sends("BYE sip:x@192.0.2.1", to=anna.aor + ";tag=x", call_id="two", route=route_pair(anna, "R"))
        << pbx.gets(404)
    )


def two_tabs(edge, alice, k):
    """One instance in two tabs by two reg-ids; the call is in the first, the newer registration in the second."""
    second = edge.client("second", "198.51.100.7:50113", user="alice", contact="<sip:tab2@9sh.invalid;transport=ws>")
    instance = ';+sip.instance="<urn:uuid:1>"'
    first_contact = alice.contact + ";reg-id=1" + instance
    second_contact = second.contact + ";reg-id=1" + instance

    def register(tab, contact):
        one = shown(alice, "T")
        return [
            tab.sends("REGISTER sip:example.com", contact=contact),
            k.gets("REGISTER", contact=f"{one};reg-id=1{instance}", path="{*}", supported="path"),
            k.sends(200, contact=f"{one};expires=60"),
            tab.gets(200, contact="{*}"),
        ]

    return second, register(alice, first_contact), register(second, second_contact)


def test_bye_reaches_the_tab_that_has_the_call(edge, alice, k):
    """Two tabs with one instance and reg-id: the Record-Route names the connection of the call."""
    second, register_first, register_second = two_tabs(edge, alice, k)
    assert (
        Ladder(edge)
        >> register_first
        >> register_second
        >> k.sends("MESSAGE sip:alice@10.0.0.2:5070;transport=udp;b={T}")
        << second.gets("MESSAGE sip:tab2@9sh.invalid;transport=ws")
    )


def test_call_of_a_tab_after_the_other_registered(edge, alice, k):
    """The call began in the first tab; the second takes over the registration; the BYE still comes to the first."""
    second, register_first, register_second = two_tabs(edge, alice, k)
    assert (
        Ladder(edge)
        >> register_first
        >> call_out(alice, k, "T", "R")
        >> register_second
        >> k.continues("BYE")
        << alice.gets("BYE {*}", route=None)
    )
    assert second.received[-1].status == 200


def test_call_goes_on_by_a_live_flow_of_the_same_instance(edge, alice, k):
    """The flow of the dialog is closed: another reg-id of the same AoR and instance gets the request."""
    backup = edge.client("backup", "198.51.100.7:50114", user="alice", contact="<sip:tab2@9sh.invalid;transport=ws>")
    instance = ';+sip.instance="<urn:uuid:1>"'

    def register(party, reg_id, token):
        return [
            party.sends("REGISTER sip:example.com", contact=f"{party.contact};reg-id={reg_id}{instance}"),
            k.gets(
                "REGISTER", contact=f"{shown(alice, token)};reg-id={reg_id}{instance}", path="{*}", supported="path"
            ),
            k.sends(200, contact=f"{shown(alice, token)};reg-id={reg_id};expires=60"),
            party.gets(200, contact="{*}"),
        ]

    assert (
        Ladder(edge)
        >> register(alice, 1, "T")
        >> register(backup, 2, "U")
        >> call_out(alice, k, "T", "R")
        >> alice.closes()
        >> k.continues("BYE")
        << backup.gets("BYE sip:63et72ng@9sh.invalid;transport=ws", route=None)
    )


def test_several_listeners_each_get_their_own_side():
    """A client by the second listener finds that one in its Record-Route."""
    world = World(clients=("udp://203.0.113.10:5060", "udp://198.18.0.1:5062", "tcp://203.0.113.10:5060"))
    pbx = world.server("pbx")
    for index, uri in enumerate(
        ("203.0.113.10:5060;transport=udp", "198.18.0.1:5062;transport=udp", "203.0.113.10:5060;transport=tcp")
    ):
        client = world.client(f"c{index}", f"198.51.100.{20 + index}:5060", listener=index)
        assert (
            Ladder(world)
            >> client.sends("INVITE sip:bob@example.com", contact=None)
            << pbx.gets(
                "INVITE",
                contact="{*}",
                record_route=["{*}", f"<sip:{{*}}@{uri};lr>"],
            )
        )
