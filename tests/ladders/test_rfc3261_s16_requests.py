"""RFC 3261 sections 16.1 to 16.6: requests on their way, sentence by sentence where no other ladder shows it."""

from __future__ import annotations

import pytest

from proxy.flow import TCP
from tests.support.flows import call_in, registration, route_pair, shown
from tests.support.ladder import Ladder, after, nothing, record
from tests.support.world import World

ANY = ["{*}", "{*}"]
OWN = "sip:anna@192.168.1.20:5060"
URI = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"


@pytest.fixture
def stream():
    """Phones by UDP, the server by TCP."""
    return World(clients=("udp://203.0.113.10:5060",), targets=("tcp://10.0.0.5:5060",))


# -- 16.1 to 16.3


def test_between_two_transports_we_see_to_reliability(field, tom, pbx):
    """16.1: from TCP to UDP it is we who repeat, with all the state of a transaction."""
    ladder = Ladder(field) >> tom.sends("MESSAGE sip:bob@example.com") << pbx.gets("MESSAGE") >> after(8)
    ladder = ladder << pbx.gets("MESSAGE", again=True, at=0.5) << pbx.gets("MESSAGE", again=True, at=1.5)
    ladder = ladder << tom.gets("100 Trying", at=3.5) << pbx.gets("MESSAGE", again=True, at=3.5)
    assert ladder << pbx.gets("MESSAGE", again=True, at=7.5) >> pbx.sends(200) << tom.gets(200)


@pytest.mark.parametrize("method", ["FOO", "x.y-z!", "invite"])
def test_unknown_method_takes_the_whole_way(field, anna, pbx, method):
    """16.2: validated, routed, forwarded, answered like any other."""
    assert (
        Ladder(field)
        >> anna.sends(f"{method} sip:bob@example.com", max_forwards=0)
        << anna.gets(483)
        >> anna.sends(f"{method} sip:bob@example.com", route="<sip:203.0.113.10;lr>", x_unknown="value")
        << pbx.gets(f"{method} sip:bob@example.com", route=None)
        >> pbx.sends(200)
        << anna.gets(200)
    )


def test_refusal_is_that_of_a_user_agent_server(field, anna, pbx):
    """16.3, 8.2.6: Via, From, Call-ID and CSeq of the request, a To tag; the same again for the same request."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com", max_forwards=0)
        << anna.gets(483, to="<sip:bob@example.com>;tag={TAG}")
        >> anna.repeats()
        << anna.gets(483, again=True)
        >> anna.acks()
        << nothing
    )


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "BYE", "FOO"])
def test_no_hops_left(field, anna, pbx, method):
    """16.3 step 3: never forwarded, 483; OPTIONS is another matter (test_options_to_us.py)."""
    assert Ladder(field) >> anna.sends(f"{method} sip:example.com", max_forwards=0) << anna.gets(483)


def test_no_hops_left_from_the_server(field, anna, pbx):
    """The same from the other side."""
    assert Ladder(field) >> registration(anna, pbx, "T") >> pbx.sends(f"MESSAGE {URI}", max_forwards=0) << pbx.gets(483)


def test_extensions_that_we_do_not_know_are_listed(field, anna, pbx):
    """16.3 step 5: 420 with Unsupported, and nothing to the server."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", proxy_require="foo, bar", require="baz")
        << anna.gets(420, unsupported="foo, bar")
        >> anna.sends("MESSAGE sip:bob@example.com", require="baz")
        << pbx.gets("MESSAGE")
    )


@pytest.mark.parametrize(
    "line",
    [
        "Date: the day before yesterday",
        "Expires: never",
        "Accept: ;;;",
        "Subject: \udcff\udcfe",
        "P-Asserted-Identity: <sip:",
        'Authorization: Digest username="unclosed',
    ],
)
def test_malformed_fields_that_nobody_here_needs_stay(field, anna, pbx, line):
    """16.3 step 1: neither refused nor mended nor removed."""
    assert Ladder(field) >> anna.sends("MESSAGE sip:bob@example.com", lines=(line,)) << pbx.gets("MESSAGE")


@pytest.mark.parametrize("route", ["<sip:", ",", "<http://example.com>"])
def test_route_that_cannot_be_read_is_left_to_the_server(field, anna, pbx, route):
    """16.3 step 1 would have it refused. Requests go to the server only, wherever a Route leads: it decides."""
    ladder = Ladder(field) >> anna.sends("MESSAGE sip:bob@example.com", route=route)
    if route.startswith("<http"):
        assert ladder << record("route-unknown", "Route") << pbx.gets("MESSAGE", route=None)
    else:
        assert ladder << pbx.gets("MESSAGE")


def test_credentials_are_the_servers_business(field, anna, pbx):
    """16.3 step 6: we ask for none, and touch none."""
    digest = 'Digest username="anna", realm="example.com", nonce="n", uri="sip:bob@example.com", response="r"'
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", proxy_authorization=digest)
        << pbx.gets("MESSAGE")
        >> pbx.sends(407, proxy_authenticate='Digest realm="example.com", nonce="n2"')
        << anna.gets(407)
    )


# -- 16.4, 16.5


def test_strict_router_before_us(field, anna, pbx):
    """16.4: our Record-Route as Request-URI, the Contact as last Route: both change places back."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> call_in(anna, pbx, "T", "R")
        >> pbx.continues(
            "BYE sip:{R}@10.0.0.2:5070;transport=udp;lr",
            route=["<sip:{R}@203.0.113.10:5060;transport=udp;lr>", f"<{URI}>"],
        )
        << anna.gets(f"BYE {OWN}", route=None)
    )


def test_strict_router_before_us_on_the_client_side(field, anna, pbx):
    """The same from a client that routes strictly: the Request-URI and the last Route change places back."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> call_in(anna, pbx, "T", "R")
        >> anna.continues(
            "BYE sip:{R}@203.0.113.10:5060;transport=udp;lr",
            route=["<sip:{R}@10.0.0.2:5070;transport=udp;lr>", "<sip:pbx@10.0.0.5:5060>"],
        )
        << pbx.gets("BYE sip:pbx@10.0.0.5:5060", route=None)
    )


@pytest.mark.parametrize("uri", ["sip:bob@example.com;maddr=203.0.113.10", "sip:bob@example.com;maddr=239.255.0.1"])
def test_maddr_in_the_request_uri_leads_nowhere(field, anna, pbx, uri):
    """16.4, 16.5: it is neither followed nor removed. The request goes to the server as it is."""
    assert Ladder(field) >> anna.sends(f"MESSAGE {uri}") << pbx.gets(f"MESSAGE {uri}")


def test_redirection_goes_home(field, anna, pbx):
    """16.5, 16.7 step 4: no target is added to the set; the Contacts of a 3xx are the client's."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> pbx.sends(302, contact=["<sip:bob@198.51.100.99>", "<tel:+4930>"])
        << pbx.gets("ACK")
        << anna.gets(302)
        >> anna.acks()
        >> after(10)
        << nothing
    )


# -- 16.6


def test_all_fields_in_their_order(field, anna, pbx):
    """Step 1: nothing removed, nothing reordered, folding and spelling kept, the body untouched."""
    lines = (
        "X-Second: 2",
        "s: short",
        "ACCEPT:  text/plain ,\r\n\tapplication/sdp",
        "X-First: 1",
        "x-second: 3",
        "Accept: b",
    )
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", lines=lines, body=b"\x00\r\n\r\n\xff")
        << pbx.gets("MESSAGE")
    )


@pytest.mark.parametrize(
    ("contact", "asked"),
    [
        ("sip:anna@192.168.1.20:5060;method=INVITE", "sip:anna@192.168.1.20:5060"),
        ("sip:anna@192.168.1.20?subject=x&priority=urgent", "sip:anna@192.168.1.20"),
        ("sip:anna@192.168.1.20;x=1;Method=BYE;y?a=b", "sip:anna@192.168.1.20;x=1;y"),
        ("sip:anna@192.168.1.20;x-method=1;ob", "sip:anna@192.168.1.20;x-method=1;ob"),
    ],
)
def test_parameters_that_no_request_uri_may_have_go(field, anna, pbx, contact, asked):
    """Step 2, 19.1.1: `method` and header fields of the Contact; the rest octet for octet."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T", contact=f"<{contact}>")
        >> pbx.sends(f"MESSAGE {URI}")
        << anna.gets(f"MESSAGE {asked}")
    )


@pytest.mark.parametrize("hops", [255, 70, 1])
def test_one_hop_less_both_ways(field, anna, pbx, hops):
    """Step 3."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.sends("MESSAGE sip:bob@example.com", max_forwards=hops)
        << pbx.gets("MESSAGE", max_forwards=str(hops - 1))
        >> pbx.sends(f"MESSAGE {URI}", max_forwards=hops)
        << anna.gets(f"MESSAGE {OWN}", max_forwards=str(hops - 1))
    )


def test_missing_max_forwards_is_added_both_ways(field, anna, pbx):
    """Step 3: 70."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.sends("MESSAGE sip:bob@example.com", max_forwards=None)
        << pbx.gets("MESSAGE", max_forwards="70")
        >> pbx.sends(f"MESSAGE {URI}", max_forwards=None)
        << anna.gets(f"MESSAGE {OWN}", max_forwards="70")
    )


def test_record_route_above_others_although_there_is_a_route(field, pbx):
    """Step 4: before any existing value, preloaded Route or not."""
    sbc = field.client("sbc", "198.51.100.40:5060", contact="<sip:anna@192.168.1.20:5060>")
    vias = ["SIP/2.0/UDP 198.51.100.40:5060;branch=z9hG4bK2", "SIP/2.0/UDP 192.168.1.20:5060;branch=z9hG4bK1"]
    own = "<sip:198.51.100.40;lr>"
    assert (
        Ladder(field)
        >> sbc.sends("INVITE sip:bob@example.com", via=vias, record_route=own, route="<sip:10.0.0.5;lr>")
        << pbx.gets("INVITE", record_route=[*route_pair(sbc, "R"), own])
    )


def test_route_without_lr_is_passed_as_it_is(field, anna, pbx):
    """Step 6 would swap it with the Request-URI. Far more phones forget `lr` than there are strict routers."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", route="<sip:10.0.0.5>")
        << pbx.gets("MESSAGE sip:bob@example.com")
    )


def test_our_via_goes_above_the_clients(field, anna, pbx):
    """Step 8."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets(
            "MESSAGE",
            via=[
                "SIP/2.0/UDP 10.0.0.2:5070;branch=z9hG4bK{*}",
                "SIP/2.0/UDP 192.168.1.20:5060;rport=31000;branch={*};received=198.51.100.20",
            ],
        )
    )


def test_each_request_gets_a_branch_of_its_own(field, anna, pbx):
    """Step 8, 8.1.1.7: also the ACK to a 2xx, and the next request of the same call."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=ANY, branch="{B1}")
        >> pbx.sends(200)
        << anna.gets(200)
        >> anna.continues("ACK")
        << pbx.gets("ACK", route=None, branch="{B2}")
        >> anna.continues("BYE")
        << pbx.gets("BYE", route=None, branch="{B3}")
    )
    branches = {field.names[name] for name in ("B1", "B2", "B3")}
    assert len(branches) == 3
    assert all(branch.startswith("z9hG4bK") for branch in branches)


def test_cancel_and_ack_share_the_branch_of_their_invite(field, anna, pbx):
    """Step 8: the method has no part in it."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=ANY, branch="{B}")
        >> pbx.sends(180)
        << anna.gets(180)
        >> anna.cancels()
        << anna.gets(200)
        << pbx.gets("CANCEL", branch="{B}")
        >> pbx.sends(200, answers="CANCEL")
        >> pbx.sends(487, answers="INVITE")
        << pbx.gets("ACK", branch="{B}")
        << anna.gets(487)
    )


def test_content_length_is_added_for_a_stream(stream):
    """Step 9: by UDP a message may lack it; by TCP it must not, and the body stays."""
    anna = stream.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    pbx = stream.server("pbx", transport=TCP)
    assert (
        Ladder(stream)
        >> anna.sends("MESSAGE sip:bob@example.com", content_length=None, body=b"hello")
        << pbx.is_connected()
        << pbx.gets("MESSAGE", content_length="5", body=b"hello")
    )


def test_content_length_is_added_for_a_client_by_stream(field, tom, pbx):
    """The same towards a client, in requests and responses (18.3)."""
    assert (
        Ladder(field)
        >> registration(tom, pbx, "T")
        >> pbx.sends("MESSAGE sip:tom@10.0.0.2:5070;transport=udp;b={T}", content_length=None, body=b"hello")
        << tom.gets("MESSAGE sip:tom@192.168.1.30:5060;transport=tcp", content_length="5", body=b"hello")
        >> tom.sends(200)
        << pbx.gets(200)
        >> tom.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        >> pbx.sends(200, content_length=None)
        << tom.gets(200, content_length="0")
    )


def test_contact_is_ours_within_the_dialog(field, anna, pbx):
    """Not 16.6, and on purpose: the server sees the one Contact, the client its own."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact=shown(anna, "T"), record_route=ANY)
        >> pbx.sends(200)
        << anna.gets(200)
        >> pbx.continues("BYE")
        << anna.gets(f"BYE {OWN}", route=None)
    )


@pytest.mark.parametrize(
    "more", [{"proxy_require": "foo"}, {"max_forwards": 0}, {"max_breadth": 0}], ids=lambda more: next(iter(more))
)
def test_cancel_is_answered_here_whatever_bounds_its_way(field, anna, pbx, more):
    """8.2.2.3: Proxy-Require in CANCEL is ignored; and a CANCEL goes no further than here, so it needs no hops."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=["{*}", "{*}"])
        >> pbx.sends(180)
        << anna.gets(180)
        >> anna.cancels(**more)
        << anna.gets(200)
        << pbx.gets("CANCEL")
    )


def test_proxy_require_in_an_ack_is_ignored(field, anna, pbx):
    """8.2.2.3: nobody could be told; the call would break."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=["{*}", "{*}"])
        >> pbx.sends(200)
        << anna.gets(200)
        >> anna.continues("ACK", proxy_require="foo")
        << pbx.gets("ACK", route=None)
    )


@pytest.mark.parametrize("uri", ["urn:service:sos", "urn:service:sos.fire", "tel:112"])
def test_emergency_call_goes_to_the_server(field, anna, pbx, uri):
    """16.3 step 2: 416 is for schemes that cannot be routed; a service URN (RFC 5031) goes where everything goes."""
    assert (
        Ladder(field)
        >> anna.sends(f"INVITE {uri}")
        << pbx.gets(f"INVITE {uri}", contact="{*}", record_route=["{*}", "{*}"])
    )
