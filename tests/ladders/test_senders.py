"""Who sent a message: canonical AoRs, bindings, and guests that never registered."""

from __future__ import annotations

import pytest

from tests.support.flows import registration, route_pair
from tests.support.ladder import Ladder, after, nothing
from tests.support.world import World

ANY = ["{*}", "{*}"]
ANNA_OWN = "sip:anna@192.168.1.20:5060"
ANNA_TOKEN = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"


@pytest.fixture
def world():
    return World(clients=("udp://203.0.113.10:5060",), server={"domain": "example.com", "aliases": ["pbx.example.net"]})


@pytest.fixture
def phone(world):
    return world.client("alice", "198.51.100.20:31000", contact="<sip:alice@192.168.1.20:5060>")


@pytest.fixture
def k(world):
    return world.server()


def registers_as(phone, k, to, token, **headers):
    return [
        phone.sends("REGISTER sip:example.com", to=to, **headers),
        k.gets(
            "REGISTER",
            to="{*}",  # where it names us or an alias, server-domain mends it
            contact=f"<sip:{{*}}@10.0.0.2:5070;transport=udp;b={{{token}}}>{{*}}",
            path="{*}",
            supported="path",
        ),
        k.sends(200, contact=f"<sip:alice@10.0.0.2:5070;transport=udp;b={{{token}}}>;expires=600"),
        phone.gets(200, to="{*}", contact="{*}"),
    ]


@pytest.mark.parametrize(
    "to",
    [
        "<sips:alice@example.com>",
        "<sip:alice@EXAMPLE.com>",
        "<sip:alice@pbx.example.net>",
        "<sip:alice@203.0.113.10>",
        "<sip:alice@10.0.0.2:5070>",
        "<sip:alice@example.com:5060;user=phone>",
        "<sip:%61lice@example.com>",
        "<sip:alice:secret@example.com>",
        '"Alice" <sip:alice@example.com?x=y>',
        "sip:alice@example.com",
    ],
)
def test_spellings_of_one_aor(world, phone, k, to):
    """Scheme, case of the host, aliases, our addresses, port, parameters, password and escapes do not count."""
    ladder = Ladder(world) >> registers_as(phone, k, "<sip:alice@example.com>", "T")
    assert ladder >> registers_as(phone, k, to, "T")


@pytest.mark.parametrize("to", ["<sip:Alice@example.com>", "<sip:alice@example.org>", "<sip:alic%65.@example.com>"])
def test_other_aors(world, phone, k, to):
    """The user keeps its case, and another host is another AoR."""
    ladder = Ladder(world) >> registers_as(phone, k, "<sip:alice@example.com>", "T")
    assert ladder >> registers_as(phone, k, to, "U")
    assert world.names["T"] != world.names["U"]


def test_telephone_number_is_an_aor_of_the_domain(world, phone, k):
    """`tel:+49-30-1` is `sip:+49301@example.com`."""
    ladder = Ladder(world) >> registers_as(phone, k, "<sip:+49301@example.com>", "T")
    assert ladder >> registers_as(phone, k, "<tel:+49-30-1>", "T")


def test_instance_makes_the_binding(world, phone, k):
    """The same +sip.instance and reg-id is the same binding, whatever the Contact; another reg-id is another."""
    instance = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'
    assert (
        Ladder(world)
        >> registers_as(phone, k, phone.aor, "T", contact=f"<sip:x1@192.168.1.20>;{instance}")
        >> registers_as(phone, k, phone.aor, "T", contact=f"<sip:x2@192.168.1.20>;{instance}")
        >> registers_as(phone, k, phone.aor, "U", contact=f"<sip:x2@192.168.1.20>;reg-id=2;{instance}")
    )
    assert world.names["T"] != world.names["U"]


def test_contact_makes_the_binding_without_an_instance(world, phone, k):
    """Two Contacts of one AoR are two bindings; both are reached."""
    assert (
        Ladder(world)
        >> registers_as(phone, k, phone.aor, "T", contact="<sip:x1@192.168.1.20>")
        >> registers_as(phone, k, phone.aor, "U", contact="<sip:x2@192.168.1.20>")
        >> k.sends("MESSAGE sip:alice@10.0.0.2:5070;transport=udp;b={T}")
        << phone.gets("MESSAGE sip:x1@192.168.1.20")
        >> k.sends("MESSAGE sip:alice@10.0.0.2:5070;transport=udp;b={U}")
        << phone.gets("MESSAGE sip:x2@192.168.1.20")
    )


@pytest.mark.parametrize(
    ("to", "user"),
    [
        ("<sip:a%3Bb@example.com>", "a%3Bb"),
        ("<sip:a;b@example.com>", "a{*}b"),
        ("<sip:o'neill@example.com>", "o'neill"),
    ],
)
def test_user_part_of_our_contact_is_that_of_the_aor_escaped(world, phone, k, to, user):
    """`;` in a user would begin a parameter for many servers: it is written %3B."""
    assert (
        Ladder(world)
        >> phone.sends("REGISTER sip:example.com", to=to)
        << k.gets("REGISTER", contact=f"<sip:{user}@10.0.0.2:5070;transport=udp;b={{T}}>", path="{*}", supported="path")
    )
    assert ";" not in user.replace("{*}", "")
    assert "a;b" not in k.received[-1].value("contact")


@pytest.mark.parametrize(
    "headers",
    [
        {"from_": '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=x'},
        {"from_": "<sip:alice@example.com>;tag=x", "privacy": "id"},
        {"from_": "<sip:alice@example.com>;tag=x", "privacy": "header;id"},
    ],
)
def test_anonymous_caller_is_not_named(world, phone, k, headers):
    """From anonymous, or Privacy: the user of our Contact is `anonymous`, the token still that of the binding."""
    assert (
        Ladder(world)
        >> registers_as(phone, k, phone.aor, "T")
        >> phone.sends("INVITE sip:bob@example.com", **headers)
        << k.gets("INVITE", contact="<sip:anonymous@10.0.0.2:5070;transport=udp;b={T}>", record_route=ANY)
    )


def test_privacy_none_hides_nothing(world, phone, k):
    assert (
        Ladder(world)
        >> registers_as(phone, k, phone.aor, "T")
        >> phone.sends("INVITE sip:bob@example.com", privacy="none")
        << k.gets("INVITE", contact="<sip:alice@10.0.0.2:5070;transport=udp;b={T}>", record_route=ANY)
    )


HIDDEN = "<sip:anonymous@10.0.0.2:5070;transport=udp;b={T}>"
SHOWN = "<sip:alice@10.0.0.2:5070;transport=udp;b={T}>"


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_caller_who_hid_once_is_hidden_throughout_the_dialog(world, phone, k, method):
    """`Privacy: id` with an open From, in the INVITE alone: no later Contact of that side names it (RFC 3323)."""
    own = phone.contact.strip("<>")
    assert (
        Ladder(world)
        >> registers_as(phone, k, phone.aor, "T")
        >> phone.sends("INVITE sip:bob@example.com", privacy="id")
        << k.gets("INVITE", contact=HIDDEN, record_route=ANY)
        >> k.sends(200)
        << phone.gets(200)
        >> phone.continues("ACK")
        << k.gets("ACK", route=None)
        >> phone.continues(method)
        << k.gets(method, contact=HIDDEN, route=None)
        >> k.sends(200)
        << phone.gets(200)
        >> k.continues(method)
        << phone.gets(f"{method} {own}", route=None)
        >> phone.sends(200, answers=method)
        << k.gets(200, contact=HIDDEN)
        >> phone.continues("UPDATE", privacy="none")
        << k.gets("UPDATE", contact=SHOWN, route=None)
        >> phone.sends("INVITE sip:bob@example.com")
        << k.gets("INVITE", contact=SHOWN, record_route=ANY)
    )


def test_callee_who_hides_in_its_answer_is_hidden_throughout_the_dialog(world, phone, k):
    """`Privacy: id` in a 180 with an open To: that answer, those that follow, and the requests of that side."""
    own = phone.contact.strip("<>")
    assert (
        Ladder(world)
        >> registers_as(phone, k, phone.aor, "T")
        >> k.sends(f"INVITE {SHOWN.strip('<>')}")
        << phone.gets(f"INVITE {own}", record_route=ANY)
        >> phone.sends(180, contact=phone.contact, privacy="id")
        << k.gets(180, contact=HIDDEN)
        >> phone.sends(200)
        << k.gets(200, contact=HIDDEN)
        >> k.continues("ACK")
        << phone.gets(f"ACK {own}", route=None)
        >> phone.continues("INVITE")
        << k.gets("INVITE", contact=HIDDEN, route=None)
    )


def test_guest_who_hid_once_is_hidden_throughout_the_dialog(world, phone, k):
    hidden = "<sip:anonymous@10.0.0.2:5070;transport=udp;b={G}>"
    own = phone.contact.strip("<>")
    assert (
        Ladder(world)
        >> phone.sends("INVITE sip:bob@example.com", privacy="id")
        << k.gets("INVITE", contact=hidden, record_route=ANY)
        >> k.sends(200)
        << phone.gets(200)
        >> phone.continues("UPDATE")
        << k.gets("UPDATE", contact=hidden, route=None)
        >> k.sends(200)
        << phone.gets(200)
        >> k.continues("BYE")
        << phone.gets(f"BYE {own}", route=None)
    )


def test_calls_of_those_who_hide_are_remembered_within_bounds():
    world = World(clients=("udp://203.0.113.10:5060",), limits={"guests": 2})
    phone = world.client("alice", "198.51.100.20:31000", contact="<sip:alice@192.168.1.20:5060>")
    k = world.server()
    ladder = Ladder(world)
    for _ in range(4):
        ladder = (
            ladder
            >> phone.sends("SUBSCRIBE sip:bob@example.com", privacy="id")
            << k.gets("SUBSCRIBE", contact="<sip:anonymous@{*}>", record_route=ANY)
            >> k.sends(403)
            << phone.gets(403)
        )
    assert ladder
    assert len(world.core.node.names._hidden) == 2


def test_servers_that_key_on_the_user_get_the_token_as_user():
    """`contact_user: token`."""
    world = World(clients=("udp://203.0.113.10:5060",), server={"contact_user": "token"})
    phone = world.client("alice", "198.51.100.20:31000", contact="<sip:alice@192.168.1.20:5060>")
    k = world.server()
    token = "<sip:{T}@10.0.0.2:5070;transport=udp;b={T}>"
    assert (
        Ladder(world)
        >> phone.sends("REGISTER sip:example.com")
        << k.gets("REGISTER", contact=token, path="{*}", supported="path")
        >> k.sends(200, contact=token)
        << phone.gets(200, contact="<sip:alice@192.168.1.20:5060>;expires=3600")
        >> phone.sends("INVITE sip:bob@example.com")
        << k.gets("INVITE", contact=token, record_route=ANY)
    )


def test_token_is_the_same_after_a_restart(world, phone, k):
    """A hash of the binding's identity with our key: another process gives the same."""
    again = World(clients=("udp://203.0.113.10:5060",))
    phone_again = again.client("alice", "192.0.2.77:1", contact="<sip:alice@192.168.1.20:5060>")
    assert Ladder(world) >> registration(phone, k, "T")
    assert Ladder(again) >> registration(phone_again, again.server(), "T")
    assert world.names["T"] == again.names["T"]
    assert world.names["T"].isalnum()
    assert world.names["T"].islower()


def test_token_is_matched_in_any_case(world, phone, k):
    """Servers that write URIs in upper case still reach the client."""
    ladder = Ladder(world) >> registration(phone, k, "T")
    assert ladder
    world.names.bound["BIG"] = world.names["T"].upper()
    assert (
        Ladder(world)
        >> k.sends("MESSAGE sip:alice@10.0.0.2:5070;transport=udp;b={BIG}")
        << phone.gets("MESSAGE sip:alice@192.168.1.20:5060")
    )


# -- which binding


def two_accounts(phone, k):
    return [
        *registers_as(phone, k, "<sip:alice@example.com>", "A", contact="<sip:line1@192.168.1.20:5060>"),
        *registers_as(phone, k, "<sip:office@example.com>", "O", contact="<sip:line2@192.168.1.20:5060>"),
    ]


def contact_of(user, token):
    return f"<sip:{user}@10.0.0.2:5070;transport=udp;b={{{token}}}>"


def test_sender_is_the_binding_with_its_contact(world, phone, k):
    """(a) Same user and host, parameters ignored, whatever From says."""
    assert (
        Ladder(world)
        >> two_accounts(phone, k)
        >> phone.sends("INVITE sip:bob@example.com", contact="<sip:line2@192.168.1.20:5060;ob;x=y>")
        << k.gets("INVITE", contact="<sip:office@10.0.0.2:5070;transport=udp;b={O};ob>", record_route=ANY)
    )


def test_sender_is_the_binding_of_the_from_aor(world, phone, k):
    """(b) No Contact fits: the binding on this flow whose AoR is that of From."""
    assert (
        Ladder(world)
        >> two_accounts(phone, k)
        >> phone.sends("INVITE sip:bob@example.com", contact="<sip:line9@192.168.1.20:5060>")
        << k.gets("INVITE", contact=contact_of("alice", "A"), record_route=ANY)
    )


@pytest.mark.parametrize("sender", ["<sip:anonymous@anonymous.invalid>;tag=x", "<sip:alice@elsewhere.example>;tag=x"])
def test_sender_is_the_only_binding_of_the_flow(world, phone, k, sender):
    """(c) From is anonymous or none of ours, and there is one binding on the flow."""
    ladder = Ladder(world) >> registers_as(phone, k, phone.aor, "A")
    assert (
        ladder
        >> phone.sends("INVITE sip:bob@example.com", from_=sender, contact="<sip:other@192.168.1.20:5060>")
        << k.gets("INVITE", contact="<sip:{*}@10.0.0.2:5070;transport=udp;b={A}>", record_route=ANY)
    )


def test_sender_on_another_flow_is_found_for_this_transaction_only(world, phone, k):
    """(d) The stored binding of the From AoR with the same Contact; its flow does not move."""
    moved = world.client("moved", "198.51.100.99:9", user="alice", contact=phone.contact)
    assert (
        Ladder(world)
        >> registers_as(phone, k, phone.aor, "A")
        >> moved.sends("INVITE sip:bob@example.com")
        << k.gets("INVITE", contact=contact_of("alice", "A"), record_route=ANY)
        >> k.sends(200)
        << moved.gets(200)
        >> k.sends("MESSAGE sip:alice@10.0.0.2:5070;transport=udp;b={A}")
        << phone.gets("MESSAGE sip:alice@192.168.1.20:5060")
    )


def test_sender_of_nobody_is_a_guest(world, phone, k):
    """(e) Another address, another Contact: the name of the flow, not of the binding."""
    other = world.client("carol", "198.51.100.98:9", contact="<sip:carol@192.168.7.7:5060>")
    assert (
        Ladder(world)
        >> registers_as(phone, k, phone.aor, "A")
        >> other.sends("INVITE sip:bob@example.com")
        << k.gets("INVITE", contact="<sip:carol@10.0.0.2:5070;transport=udp;b={G}>", record_route=ANY)
    )
    assert world.names["G"][0] == "f"
    assert world.names["G"] != world.names["A"]


def test_same_private_contact_at_two_sites_is_two_bindings(world, phone, k):
    """At home and in the office the phone has the same private address: a second binding, no takeover."""
    office = world.client("office", "192.0.2.50:5060", user="alice", contact=phone.contact)
    assert (
        Ladder(world)
        >> registers_as(phone, k, phone.aor, "A")
        >> registers_as(office, k, phone.aor, "O")
        >> k.sends("MESSAGE sip:alice@10.0.0.2:5070;transport=udp;b={A}")
        << phone.gets("MESSAGE sip:alice@192.168.1.20:5060")
        >> k.sends("MESSAGE sip:alice@10.0.0.2:5070;transport=udp;b={O}")
        << office.gets("MESSAGE sip:alice@192.168.1.20:5060")
    )


# -- guests


GUEST = "<sip:anna@10.0.0.2:5070;transport=udp;b={G}>"


def guest_call(anna, pbx, **headers):
    return [
        anna.sends("INVITE sip:bob@example.com", **headers),
        pbx.gets("INVITE", contact=GUEST, record_route=route_pair(anna, "R")),
        pbx.sends(200),
        anna.gets(200),
    ]


def test_contact_of_a_guest_is_put_back(field, anna, pbx):
    """What the guest wrote in its INVITE is the Request-URI of the BYE, octet for octet."""
    assert (
        Ladder(field)
        >> guest_call(anna, pbx, contact="<sip:ANNA@192.168.1.20:5060;x=Y>")
        >> pbx.sends(
            "BYE sip:anna@10.0.0.2:5070;transport=udp;b={G}",
            to=anna.aor + ";tag=x",
        )
        << anna.gets("BYE sip:ANNA@192.168.1.20:5060;x=Y")
    )


def test_contact_of_a_called_guest_is_put_back(field, anna, pbx):
    """A guest that answers (the server knows its address from elsewhere): its 200 names it, the BYE finds it."""
    assert (
        Ladder(field)
        >> anna.sends("OPTIONS sip:example.com")
        << pbx.gets("OPTIONS")
        >> pbx.sends(200)
        << anna.gets(200)
        >> guest_call(anna, pbx)
        >> pbx.continues("INVITE")
        << anna.gets(f"INVITE {ANNA_OWN}", route=None)
        >> anna.sends(200, contact="<sip:other@192.168.1.20:5062>")
        << pbx.gets(200, contact=GUEST)
        >> pbx.continues("BYE")
        << anna.gets("BYE sip:other@192.168.1.20:5062", route=None)
    )


def test_guest_without_contact_is_reached_at_its_source(field, anna, pbx):
    """There was no Contact to remember: `sip:USER@source`."""
    assert (
        Ladder(field)
        >> guest_call(anna, pbx, contact=None)
        >> pbx.continues("BYE")
        << anna.gets("BYE sip:anna@198.51.100.20:31000;transport=udp", route=None)
    )


def test_forgotten_guest_is_reached_at_its_source():
    """`limits.guest_ttl` later its Contact is gone."""
    world = World(clients=("udp://203.0.113.10:5060",), limits={"guest_ttl": "60s"})
    anna = world.client("anna", "198.51.100.20:31000", contact="<sip:anna@192.168.1.20:5060>")
    pbx = world.server("pbx")
    assert (
        Ladder(world)
        >> guest_call(anna, pbx)
        >> after(100)
        << nothing
        >> pbx.continues("BYE")
        << anna.gets("BYE sip:anna@198.51.100.20:31000;transport=udp", route=None)
    )


def test_used_guest_is_not_forgotten():
    """Every request to it counts as use."""
    world = World(clients=("udp://203.0.113.10:5060",), limits={"guest_ttl": "60s"})
    anna = world.client("anna", "198.51.100.20:31000", contact="<sip:anna@192.168.1.20:5060>")
    pbx = world.server("pbx")
    ladder = Ladder(world) >> guest_call(anna, pbx)
    for _ in range(4):
        ladder = (
            ladder
            >> after(40)
            >> pbx.continues("INFO")
            << anna.gets(f"INFO {ANNA_OWN}", route=None)
            >> anna.sends(200)
            << pbx.gets(200)
        )
    assert ladder


def test_guest_whose_call_failed_is_not_remembered(field, anna, pbx):
    """A 4xx teaches the far side nothing: only 101-199 with tag and 2xx count."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact=GUEST, record_route=ANY)
        >> pbx.sends(486)
        << pbx.gets("ACK")
        << anna.gets(486)
        >> anna.acks()
    )
    assert len(field.core.node.guests) == 0


def test_guest_by_tcp_is_its_connection(field, tom, pbx):
    """The token names the connection; the BYE comes through it."""
    assert (
        Ladder(field)
        >> tom.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="<sip:tom@10.0.0.2:5070;transport=udp;b={G}>", record_route=route_pair(tom, "R"))
        >> pbx.sends(200)
        << tom.gets(200)
        >> pbx.continues("BYE")
        << tom.gets("BYE sip:tom@192.168.1.30:5060;transport=tcp", route=None)
    )
    assert field.names["G"][0] == "c"


def test_guest_by_tcp_that_hung_up_its_connection(field, tom, pbx):
    """Its connection is gone: 480."""
    assert (
        Ladder(field)
        >> tom.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> pbx.sends(200)
        << tom.gets(200)
        >> tom.closes()
        >> pbx.continues("BYE")
        << pbx.gets(480)
    )


@pytest.mark.parametrize("token", ["f00c633641479180000000000000000", "cffffff0000000000000000", "f", "c", "b", "fzz"])
def test_forged_guest_token_names_nobody(field, pbx, token):
    """Without our MAC a token is unknown: 404, and nothing is sent to the address in it."""
    assert Ladder(field) >> pbx.sends(f"MESSAGE sip:x@10.0.0.2:5070;transport=udp;b={token}") << pbx.gets(404)
