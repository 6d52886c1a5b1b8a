"""What a client gets back: its own Contact, its own Via, and answers when it is not there."""

from __future__ import annotations

import pytest

from proxy.flow import TCP
from tests.support.flows import call_in, registration, shown
from tests.support.ladder import Ladder, after, record
from tests.support.world import World

ANY = ["{*}", "{*}"]
ONE = "<sip:anna@10.0.0.2:5070;transport=udp;b={T}>"
OWN = "sip:anna@192.168.1.20:5060"
URI = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"


@pytest.fixture
def registered(field, anna, pbx):
    assert Ladder(field) >> registration(anna, pbx, "T")


# -- requests


@pytest.mark.parametrize(
    "own",
    ["sip:ANNA@192.168.1.20:05060;Transport=UDP", "sips:a%6ena@192.168.1.20;x=%41;y", "sip:192.168.1.20:5060"],
)
def test_request_uri_is_the_clients_contact_octet_for_octet(field, anna, pbx, own):
    """Case, escapes, port and parameters as the client wrote them."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T", contact=f"<{own}>")
        >> pbx.sends(f"MESSAGE {URI}")
        << anna.gets(f"MESSAGE {own}")
        << record("restore-request-uri", "Request-URI")
    )


@pytest.mark.parametrize("uri", ["sip:anna@10.0.0.2:41234;b={T}", "sip:anna@203.0.113.10:5060;ob;b={T}", "sip:x;b={T}"])
def test_token_counts_whatever_the_host(field, anna, pbx, registered, uri):
    """Servers rewrite hosts and ports; `b=` is what names the client."""
    assert Ladder(field) >> pbx.sends(f"MESSAGE {uri}") << anna.gets(f"MESSAGE {OWN}")


def test_request_uri_counts_more_than_the_route(field, anna, pbx, registered):
    """If both name bindings, the Request-URI wins: it is the newer target."""
    other = field.client("other", "198.51.100.21:5060", contact="<sip:other@192.168.9.9:5060>")
    assert (
        Ladder(field)
        >> registration(other, pbx, "U")
        >> pbx.sends(f"MESSAGE {URI}", route="<sip:p{U}@10.0.0.2:5070;transport=udp;lr>")
        << anna.gets(f"MESSAGE {OWN}", route=None)
    )


def test_route_alone_names_the_client(field, anna, pbx, registered):
    """A request by our Path, whose Request-URI has no token."""
    assert (
        Ladder(field)
        >> pbx.sends("MESSAGE sip:anna@10.0.0.2:5070", route="<sip:p{T}@10.0.0.2:5070;transport=udp;lr>")
        << anna.gets(f"MESSAGE {OWN}", route=None)
    )


def test_gruu_stays_as_it_is(field, anna, pbx, registered):
    """A Request-URI without token that is a GRUU is left."""
    gruu = "sip:anna@example.com;gr=urn:uuid:1"
    assert (
        Ladder(field)
        >> pbx.sends(f"MESSAGE {gruu}", route="<sip:p{T}@10.0.0.2:5070;transport=udp;lr>")
        << anna.gets(f"MESSAGE {gruu}", route=None)
    )


def test_unknown_token_is_404(field, pbx):
    assert Ladder(field) >> pbx.sends("MESSAGE sip:anna@10.0.0.2:5070;b=bxxxxxxxxxxxxxxxx") << pbx.gets(404)


def test_dead_flow_is_480(field, tom, pbx):
    """A known client whose connection is gone; a request within a dialog likewise, at once."""
    uri = "sip:tom@10.0.0.2:5070;transport=udp;b={T}"
    assert (
        Ladder(field)
        >> registration(tom, pbx, "T")
        >> call_in(tom, pbx, "T", "R")
        >> tom.closes()
        >> pbx.sends(f"MESSAGE {uri}")
        << pbx.gets(480)
        >> pbx.continues("BYE")
        << pbx.gets(480)
    )


@pytest.mark.parametrize("require", ["outbound", None])
def test_dead_flow_of_an_outbound_client_is_430(field, tom, pbx, require):
    """430 if the Route carried a token with `ob` and the server's 2xx said outbound, else 480."""
    instance = ';reg-id=1;+sip.instance="<urn:uuid:1>"'
    path = "<sip:p{T}@10.0.0.2:5070;transport=udp;lr;ob>"
    one = "<sip:tom@10.0.0.2:5070;transport=udp;b={T}>"
    assert (
        Ladder(field)
        >> tom.sends("REGISTER sip:example.com", contact=tom.contact + instance, supported="path, outbound")
        << pbx.gets("REGISTER", contact=one + instance, path=path)
        >> pbx.sends(200, contact=f"{one};expires=60", path=path, require=require)
        << tom.gets(200, contact=f"{tom.contact};expires=60")
        >> tom.closes()
        >> pbx.sends("MESSAGE sip:tom@10.0.0.2:5070;transport=udp;b={T}", route=path)
        << pbx.gets(430 if require else 480)
        >> pbx.sends("MESSAGE sip:tom@10.0.0.2:5070;transport=udp;b={T}")
        << pbx.gets(480)
    )


def test_only_binding_of_an_aor_is_meant(field, anna, pbx, registered):
    """Neither To tag nor token, but a user with exactly one registered binding: that one, counted."""
    assert Ladder(field) >> pbx.sends("MESSAGE sip:anna@10.0.0.2:5070") << anna.gets(f"MESSAGE {OWN}")
    assert field.counts.restored_by["single_binding"] == 1


def test_two_bindings_of_an_aor_are_not_guessed_between(field, anna, pbx, registered):
    assert (
        Ladder(field)
        >> registration(anna, pbx, "U", contact="<sip:second@192.168.1.20>")
        >> pbx.sends("MESSAGE sip:anna@10.0.0.2:5070")
        << pbx.gets(404)
    )


@pytest.mark.parametrize("to", ["<sip:anna@example.com>;tag=x", "<sip:nobody@example.com>"], ids=["dialog", "unknown"])
def test_nobody_is_meant(field, anna, pbx, registered, to):
    """Within a dialog nobody is guessed, and an unknown user is nobody."""
    user = to[5:].partition("@")[0]
    assert Ladder(field) >> pbx.sends(f"MESSAGE sip:{user}@10.0.0.2:5070", to=to) << pbx.gets(404)


# -- the 2xx to REGISTER


@pytest.mark.parametrize(
    ("asked", "granted", "seen"),
    [(60, 60, 60), (60, 59, 60), (60, 58, 60), (60, 57, 57), (600, 120, 120), (60, 3600, 3600)],
)
def test_expires_shown(field, anna, pbx, asked, granted, seen):
    """What was asked if the grant is at most 2 s below ([ran] Asterisk grants 59 for 60), else the grant."""
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com", expires=asked)
        << pbx.gets("REGISTER", contact=ONE, path="{*}", supported="path")
        >> pbx.sends(200, contact=f"{ONE};expires={granted}")
        << anna.gets(200, contact=f"<{OWN}>;expires={seen}")
    )


def test_expires_of_the_header_is_added(field, anna, pbx):
    """No expires parameter in the 2xx: that of the Expires header is added."""
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=ONE, path="{*}", supported="path")
        >> pbx.sends(200, contact=ONE, expires=120)
        << anna.gets(200, contact=f"<{OWN}>;expires=120")
    )


def test_header_parameters_in_the_2xx_are_the_servers(field, anna, pbx):
    """pub-gruu, temp-gruu, reg-id stay as the server wrote them; only the addr-spec is the client's."""
    more = ';pub-gruu="sip:anna@example.com;gr=1";temp-gruu="sip:x@example.com;gr";reg-id=1;expires=60;q=0.5'
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=ONE, path="{*}", supported="path")
        >> pbx.sends(200, contact=f'"A" {ONE}{more}')
        << anna.gets(200, contact=f'"A" <{OWN}>{more}')
    )


@pytest.mark.parametrize(
    "written",
    [
        "<sip:anna@10.0.0.2:41234;transport=udp;b={T}>;expires=60",
        "<sip:anna@198.51.100.1;b={T};transport=UDP;x>;expires=60",
        "sip:anna@10.0.0.2:5070;transport=udp;b={T};expires=60",
    ],
    ids=["port rewritten", "parameters moved", "without angle brackets"],
)
def test_our_contact_is_recognised_by_its_token(field, anna, pbx, written):
    """Wherever `b=` stands in the URI and whatever the host."""
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com", expires=60)
        << pbx.gets("REGISTER", contact=ONE, path="{*}", supported="path")
        >> pbx.sends(200, contact=written)
        << anna.gets(200, contact="{*}<sip:anna@192.168.1.20:5060>{*}expires=60{*}")
    )


def test_2xx_without_contact_gets_the_clients(field, anna, pbx):
    """No Contact at all in a 2xx to a REGISTER with Contacts: the client's is inserted."""
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=ONE, path="{*}", supported="path")
        >> pbx.sends(200, expires=300)
        << anna.gets(200, contact=f"<{OWN}>;expires=300")
    )


def test_query_shows_the_client_its_own_contact(field, anna, pbx, registered):
    """A REGISTER without Contact from the client itself: it knows itself by its own Contact."""
    other = "<sip:anna@10.0.0.2:5070;transport=udp;b=bxxxxxxxxxxxxxxxx>;expires=20"
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com", contact=None)
        << pbx.gets("REGISTER")
        >> pbx.sends(200, contact=[f"{ONE};expires=77", other])
        << anna.gets(200, contact=[f"<{OWN}>;expires=77", other])
    )


# -- Via


@pytest.mark.parametrize(
    ("via", "back"),
    [
        ("SIP/2.0/UDP 192.168.1.20:5060;branch=z9hG4bK1", ";received=198.51.100.20"),
        ("SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bK1", None),
        ("SIP/2.0/UDP phone.local;branch=z9hG4bK1", ";received=198.51.100.20"),
    ],
)
def test_only_received_and_rport_change_in_the_clients_via(field, anna, pbx, via, back):
    """`received` as 18.2.1 demands, the value of `rport` only if asked for; nothing else."""
    expected = via + back if back else via.replace(";rport", ";rport=31000") + ";received=198.51.100.20"
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", via=via)
        << pbx.gets("MESSAGE", via=["{*}", expected])
        >> pbx.sends(200)
        << anna.gets(200, via=expected)
    )


def test_via_that_names_its_source_stays(field, pbx):
    """No `received` where sent-by is the source address."""
    via = "SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK1"
    plain = field.client("plain", "198.51.100.20:5060")
    assert (
        Ladder(field)
        >> plain.sends("MESSAGE sip:bob@example.com", via=via)
        << pbx.gets("MESSAGE", via=["{*}", via])
        >> pbx.sends(200)
        << plain.gets(200, via=via)
    )


def test_missing_via_is_inserted_and_taken_out_again(field, anna, pbx):
    """The client gets its answer without a Via, as it wrote none."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", via=None)
        << pbx.gets("MESSAGE", via=["{*}", "SIP/2.0/UDP 198.51.100.20:31000;{*}"])
        >> pbx.sends(200)
        << anna.gets(200, via=None)
    )


@pytest.mark.parametrize("via", [None, "SIP/2.0/UDP 192.168.1.20:5060:;branch=z9hG4bKx"], ids=["missing", "broken"])
def test_our_own_answers_show_the_via_that_the_client_wrote(via):
    """100 and 408 of ours too, not only what the server answers."""
    world = World(clients=("udp://203.0.113.10:5060",), targets=("tcp://10.0.0.5:5060",))
    caller = world.client("caller", "198.51.100.20:31000")
    server = world.server("server", transport=TCP)
    assert (
        Ladder(world)
        >> caller.sends("INVITE sip:bob@example.com", via=via)
        << server.is_connected()
        << server.gets("INVITE", via=["{*}", "SIP/2.0/UDP 198.51.100.20:31000;{*}"], contact="{*}", record_route=ANY)
        >> after(32)
        << caller.gets("100 Trying", via=via, at=0.15)
        << caller.gets(408, via=via, at=32.0)
    )


# -- the server's Contact


def test_private_contacts_of_the_server_are_no_finding(field, anna, pbx, registered):
    """Contacts that travel to a client stay, however private."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact=ONE, record_route=ANY)
        >> pbx.sends(200, contact="<sip:bob@127.0.0.1:5060>")
        << anna.gets(200)
    )


def test_missing_contact_of_the_server_is_inserted_and_leads_to_it(field, anna, pbx, registered):
    """`<sip:TO-USER@C-ADDRESS;transport=T>`; a request to it goes to the dialog's target as sip:USER@TARGET."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact=ONE, record_route=ANY)
        >> pbx.sends(200, contact=None)
        << anna.gets(200, contact="<sip:bob@203.0.113.10:5060;transport=udp>")
        >> anna.continues("ACK")
        << pbx.gets("ACK sip:bob@10.0.0.5:5060", route=None)
        >> anna.continues("BYE")
        << pbx.gets("BYE sip:bob@10.0.0.5:5060", route=None)
    )


def test_inserted_contact_without_user_leads_to_the_server(field, anna, pbx, registered):
    """To without user: the Request-URI that comes out has no empty user part."""
    assert (
        Ladder(field)
        >> anna.sends("SUBSCRIBE sip:example.com")
        << pbx.gets("SUBSCRIBE", contact=ONE, record_route=ANY)
        >> pbx.sends(200, contact=None)
        << anna.gets(200, contact="<sip:203.0.113.10:5060;transport=udp>")
        >> anna.continues("SUBSCRIBE")
        << pbx.gets("SUBSCRIBE sip:10.0.0.5:5060", route=None, contact=ONE)
    )


def test_browser_gets_a_contact_by_its_own_listener(edge, alice, k):
    """C-ADDRESS is the public name of the listener by which the client came."""
    assert (
        Ladder(edge)
        >> alice.sends("INVITE sip:bob@example.com")
        << k.gets("INVITE", contact="{*}", record_route=ANY)
        >> k.sends(200, contact=None)
        << alice.gets(200, contact="<sip:bob@edge.example.com:8443;transport=ws>")
    )


def test_nothing_is_restored_for_somebody_else(field, anna, pbx, registered):
    """Our Contact in a message to another client stays what it is."""
    other = field.client("other", "198.51.100.21:5060")
    assert (
        Ladder(field)
        >> other.sends("INVITE sip:anna@example.com", contact=None)
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> pbx.sends(200, contact=ONE)
        << other.gets(200)
    )
    assert shown(anna, "T") == ONE


def test_contact_missing_can_be_switched_off():
    """With the rule off, nothing is inserted on either side."""
    world = World(clients=("udp://203.0.113.10:5060",), repair={"contact-missing": "off"})
    anna = world.client("anna", "198.51.100.20:31000")
    pbx = world.server("pbx")
    assert (
        Ladder(world)
        >> anna.sends("INVITE sip:bob@example.com", contact=None)
        << pbx.gets("INVITE", record_route=ANY)
        >> pbx.sends(200, contact=None)
        << anna.gets(200)
    )
