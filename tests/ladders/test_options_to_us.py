"""OPTIONS that the proxy answers itself: for an address of ours, or with the last hop spent (RFC 3261 section 11)."""

from __future__ import annotations

import pytest

from tests.support.flows import call_out, registration
from tests.support.ladder import Ladder, after, does, nothing, record
from tests.support.world import World

ABILITIES = {"accept": "*/*", "accept_encoding": "*", "accept_language": "*", "supported": "", "allow": None}


@pytest.mark.parametrize("uri", ["sip:10.0.0.2:5070", "sip:10.0.0.2:5070;transport=udp"])
def test_server_asks_for_the_proxy(field, pbx, uri):
    """11.2: 200 with what a proxy can say, and no Allow."""
    assert Ladder(field) >> pbx.sends(f"OPTIONS {uri}") << pbx.gets(200, **ABILITIES)


@pytest.mark.parametrize("uri", ["sip:203.0.113.10", "sip:203.0.113.10:5060;transport=udp", "sips:203.0.113.10:5060"])
def test_client_asks_for_the_proxy(field, anna, uri):
    """The same for a client; the server hears nothing."""
    assert Ladder(field) >> anna.sends(f"OPTIONS {uri}") << anna.gets(200, **ABILITIES) << nothing


def test_client_asks_for_the_proxy_by_name(edge, alice):
    """By the name of the listener."""
    assert Ladder(edge) >> alice.sends("OPTIONS sip:edge.example.com:8443") << alice.gets(200, **ABILITIES)


def test_preloaded_route_to_us_does_not_lead_further(field, anna):
    """A phone that has us as its outbound proxy."""
    route = "<sip:203.0.113.10;lr>"
    assert (
        Ladder(field)
        >> anna.sends("OPTIONS sip:203.0.113.10", route=route)
        << anna.gets(200, **ABILITIES)
        >> anna.sends("OPTIONS sip:203.0.113.10", route=[route, "<sip:203.0.113.10:5060;transport=tcp;lr>"])
        << anna.gets(200, **ABILITIES)
    )


@pytest.mark.parametrize("uri", ["sip:example.com", "sip:bob@example.com", "sip:203.0.113.10:5061", "tel:+4930123"])
def test_client_asks_for_somebody_else(field, anna, pbx, uri):
    """The server's domain, any user, any other port: for the server."""
    ladder = Ladder(field) >> anna.sends(f"OPTIONS {uri}") << pbx.gets(f"OPTIONS {uri}")
    assert ladder >> pbx.sends(200) << anna.gets(200)


def test_client_asks_for_a_user_at_our_address(field, anna, pbx):
    """A user of the server's domain is meant."""
    ladder = Ladder(field) >> anna.sends("OPTIONS sip:anna@203.0.113.10", to="<sip:anna@example.com>")
    assert ladder << record("server-domain", "Request-URI") << pbx.gets("OPTIONS sip:anna@example.com")


@pytest.mark.parametrize("route", ["<sip:10.0.0.5;lr>", "<broken", "<sip:203.0.113.10;lr>, <sip:10.0.0.5;lr>"])
def test_route_to_the_server_leads_there(field, anna, pbx, route):
    """Our address in the Request-URI is not the next hop then."""
    assert Ladder(field) >> anna.sends("OPTIONS sip:203.0.113.10", route=route) << pbx.gets("OPTIONS", route="{*}")


def test_within_a_dialog_our_address_may_stand_for_the_server(field, anna, pbx):
    """Where the server gave no Contact, we put in an address of ours."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> call_out(anna, pbx, "T", "R")
        >> anna.continues("OPTIONS sip:203.0.113.10")
        << pbx.gets("OPTIONS sip:10.0.0.5:5060", route=None)
    )


def test_domain_that_is_our_own_name_means_the_server():
    """The clients' domain leads to us by DNS: what they send there is for the server all the same."""
    world = World(clients=("udp://example.com:5060",), server={"aliases": ["sip.example.com"]})
    anna = world.client("anna", "198.51.100.20:31000")
    pbx = world.server("pbx")
    assert Ladder(world) >> anna.sends("OPTIONS sip:example.com") << pbx.gets("OPTIONS sip:example.com")


def test_no_hops_left_on_the_client_side(field, anna):
    """16.3 step 3: we are the final recipient of OPTIONS, whoever was asked for."""
    assert Ladder(field) >> anna.sends("OPTIONS sip:bob@example.com", max_forwards=0) << anna.gets(200, **ABILITIES)


def test_no_hops_left_on_the_server_side(field, anna, pbx):
    """The same for a client of ours that the server asks for."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> pbx.sends("OPTIONS sip:anna@10.0.0.2:5070;transport=udp;b={T}", max_forwards=0)
        << pbx.gets(200, **ABILITIES)
        << nothing
    )


@pytest.mark.parametrize("uri", ["sip:203.0.113.10", "sip:bob@example.com"])
def test_extension_required_of_us(field, anna, uri):
    """8.2.2.3: whoever answers has to know what Require names; we know no extension."""
    message = anna.sends(f"OPTIONS {uri}", max_forwards=0 if "bob" in uri else 70, require="foo, 100rel")
    assert Ladder(field) >> message << anna.gets(420, unsupported="foo, 100rel")
    assert field.counts.dropped["extension"] == 1


def test_while_stopping_we_are_not_there(field, anna, pbx):
    """503: whoever asks may turn to another one."""

    def drain(world):
        world.core.node.draining = True

    assert (
        Ladder(field)
        >> does(drain, "the process stops")
        >> anna.sends("OPTIONS sip:203.0.113.10")
        << anna.gets(503, retry_after="5")
        >> pbx.sends("OPTIONS sip:10.0.0.2:5070")
        << pbx.gets(503, retry_after="5")
    )


def test_answer_is_kept_for_repetitions(field, anna):
    """17.2.2: the same answer again for 32 s."""
    assert (
        Ladder(field)
        >> anna.sends("OPTIONS sip:203.0.113.10")
        << anna.gets(200, **ABILITIES)
        >> after(31)
        >> anna.repeats()
        << anna.gets(200, again=True)
        >> after(2)
        << nothing
    )
    assert field.core.node.layer.servers == {}


MERGED = {"call_id": "m", "from_": "<sip:anna@example.com>;tag=m"}


@pytest.mark.parametrize("uri", ["sip:203.0.113.10", "sip:bob@example.com"])
def test_merged_request_is_482(field, anna, uri):
    """8.2.2.2: a fork before us sends the same request by two ways; the second is told so, while the first lives."""
    hops = 0 if "bob" in uri else 70
    fork = field.client("fork", "198.51.100.90:5060")
    assert (
        Ladder(field)
        >> anna.sends(f"OPTIONS {uri}", max_forwards=hops, **MERGED)
        << anna.gets(200, **ABILITIES)
        >> fork.sends(f"OPTIONS {uri}", max_forwards=hops, **MERGED)
        << fork.gets("482 the same request came by another way before")
        >> anna.repeats()
        << anna.gets(200, again=True)
        >> after(33)
        >> fork.sends(f"OPTIONS {uri}", max_forwards=hops, **MERGED)
        << fork.gets(200, **ABILITIES)
    )
    assert field.counts.dropped["merged"] == 1


@pytest.mark.parametrize(
    "other",
    [{"call_id": "n"}, {"from_": "<sip:anna@example.com>;tag=n"}, {"cseq": 2}, {"to": "<sip:203.0.113.10>;tag=t"}],
)
def test_another_request_is_not_merged(field, anna, pbx, other):
    """From tag, Call-ID and CSeq have to be the same, and To without a tag."""
    usual = {**MERGED, "max_forwards": 0}
    assert (
        Ladder(field)
        >> anna.sends("OPTIONS sip:203.0.113.10", **usual)
        << anna.gets(200, **ABILITIES)
        >> anna.sends("OPTIONS sip:203.0.113.10", **{**usual, **other})
        << anna.gets(200, **ABILITIES)
    )


def test_forwarded_requests_are_never_merged(field, anna, pbx):
    """The same OPTIONS by two ways to the server and to a client of ours: forks and spirals are legal (16.3)."""
    fork = field.client("fork", "198.51.100.90:5060")
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.sends("OPTIONS sip:example.com", **MERGED)
        << pbx.gets("OPTIONS")
        >> fork.sends("OPTIONS sip:example.com", **MERGED)
        << pbx.gets("OPTIONS")
        >> pbx.sends("OPTIONS sip:anna@10.0.0.2:5070;transport=udp;b={T}", **MERGED)
        << anna.gets("OPTIONS sip:anna@192.168.1.20:5060")
    )


def test_by_stream_nothing_lives_on_to_be_merged_with(field, tom):
    """Timer J takes no time there: the transaction has ended with its answer."""
    assert (
        Ladder(field)
        >> tom.sends("OPTIONS sip:203.0.113.10", **MERGED)
        << tom.gets(200, **ABILITIES)
        >> tom.sends("OPTIONS sip:203.0.113.10", **MERGED)
        << tom.gets(200, **ABILITIES)
    )
