"""Input that is odd, old or made up to do harm, each by name; floods are in test_too_many_transactions.py."""

from __future__ import annotations

import pytest

from proxy.flow import TCP
from tests.support.flows import registration, shown
from tests.support.ladder import Ladder, after, nothing
from tests.support.world import World

ANY = ["{*}", "{*}"]
OWN = "sip:anna@192.168.1.20:5060"
TCP_URI = "sip:10.0.0.5:5060;transport=tcp"
URI = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"
FORGED = "z9hG4bK5m" + "a" * 16 + "0" * 16  # as our branches look, with a mark that we did not make


# -- Vias that name us


@pytest.mark.parametrize("own", ["203.0.113.10:5060", "203.0.113.10", "10.0.0.2:5070"])
@pytest.mark.parametrize("more", ["", ";rport"])
def test_request_whose_via_names_us(field, anna, pbx, own, more):
    """The answer goes to where the request came from, and not to ourselves."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", via=f"SIP/2.0/UDP {own};branch=z9hG4bKx{more}")
        << pbx.gets("MESSAGE")
        >> pbx.sends(200)
        << anna.gets(200)
        >> anna.sends("MESSAGE sip:bob@example.com", via=f"SIP/2.0/UDP {own};branch={FORGED}{more}", max_forwards=0)
        << anna.gets(483)
        << nothing
    )


def test_request_of_the_server_whose_via_names_us(field, anna, pbx):
    """To the server's address, at the port that it wrote: ours by number only."""
    echo = field.server("echo", "10.0.0.5:5070")
    ladder = Ladder(field) >> registration(anna, pbx, "T")
    ladder = ladder >> pbx.sends(f"MESSAGE {URI}", via="SIP/2.0/UDP 10.0.0.2:5070;branch=z9hG4bKx")
    assert ladder << anna.gets(f"MESSAGE {OWN}") >> anna.sends(200) << echo.gets(200) << nothing


def test_request_with_a_forged_via_of_ours_below(field, anna, pbx):
    """It only says that the request was here; the mark does not fit, so it is no loop, and nothing is sent there."""
    vias = [
        "SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bKx",
        f"SIP/2.0/UDP 203.0.113.10:5060;branch={FORGED}",
        f"SIP/2.0/UDP 10.0.0.2:5070;branch={FORGED}",
    ]
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", via=vias)
        << pbx.gets("MESSAGE")
        >> pbx.sends(200)
        << anna.gets(200)
        << nothing
    )


# -- responses


@pytest.mark.parametrize("cseq", ["1 INVITE", "1 CANCEL", "1 ACK", "1 FOO"])
def test_response_with_our_branch_and_a_wrong_cseq_method(field, anna, pbx, cseq):
    """17.1.3: it answers nothing that we sent, and the true answer still counts."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        >> pbx.sends(200, cseq=cseq)
        << nothing
        >> pbx.sends(486)
        << anna.gets(486)
    )
    assert field.counts.dropped == {"stray_response": 1}


def test_response_with_our_branch_and_no_cseq(field, anna, pbx):
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        >> pbx.sends(200, cseq=None)
        << nothing
        >> pbx.sends(200)
        << anna.gets(200)
    )
    assert field.counts.dropped == {"malformed": 1}


# -- many of them


@pytest.fixture
def far():
    """The field with a server by TCP, which takes messages of any size."""
    return World(clients=("udp://203.0.113.10:5060",), targets=("tcp://10.0.0.5:5060",), server={"uri": TCP_URI})


@pytest.fixture
def phone(far):
    return far.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>", via="SIP/2.0/UDP 192.168.1.20:5060;rport")


@pytest.fixture
def server(far):
    return far.server("server", transport=TCP)


@pytest.fixture
def registered(far, phone, server):
    steps = registration(phone, server, "T")
    assert Ladder(far) >> [steps[0], server.is_connected(), *steps[1:]]


def test_seventy_record_routes(far, phone, server, registered):
    """All of them pass, in their order, both ways, and lead home within the dialog."""
    many = [f"<sip:10.0.0.{number};lr>" for number in range(100, 170)]
    ladder = Ladder(far) >> server.sends("INVITE sip:anna@10.0.0.2:5070;transport=tcp;b={T}", record_route=many)
    assert (
        ladder
        << phone.gets(f"INVITE {OWN}", record_route=[*ANY, *many])
        >> phone.sends(200)
        << server.gets(200, contact=shown(phone, "T"))
    )
    ours = phone.received[-1].values("record-route")[:2]
    assert (
        Ladder(far)
        >> server.continues("ACK", route=ours[::-1])
        << phone.gets(f"ACK {OWN}", route=None)
        >> phone.continues("BYE", route=[*ours, "<sip:10.0.0.5;transport=tcp;lr>", *many])
        << server.gets("BYE", route=["<sip:10.0.0.5;transport=tcp;lr>", *many])
        >> server.sends(200)
        << phone.gets(200)
    )


@pytest.mark.parametrize("one_line", [False, True], ids=["lines", "one line"])
def test_seventy_vias(far, phone, server, registered, one_line):
    """A request that came a long way: it goes on, and its answer takes all of them home."""
    vias = ["SIP/2.0/UDP 198.51.100.20:31000;branch=z9hG4bKx"]
    vias += [f"SIP/2.0/UDP 192.0.2.{number};branch=z9hG4bK{number}" for number in range(100, 169)]
    assert (
        Ladder(far)
        >> phone.sends("MESSAGE sip:bob@example.com", via=", ".join(vias) if one_line else vias)
        << server.gets("MESSAGE", via=71)
        >> server.sends(200)
        << phone.gets(200, via=70)
    )


# -- RFC 2543: no cookie in the branch or no branch, no tags in From


@pytest.fixture
def old(field):
    """A client of RFC 2543."""
    return field.client("old", "198.51.100.25:5060", via="SIP/2.0/UDP 198.51.100.25:5060")


OLD = {"from_": "<sip:old@example.com>", "call_id": "o"}
BRANCHES = pytest.mark.parametrize("via", ["198.51.100.25:5060", "198.51.100.25:5060;branch=1"])


def begins(old, pbx, via):
    """INVITE, repeated once, and ringing."""
    return [
        old.sends("INVITE sip:bob@example.com", via=f"SIP/2.0/UDP {via}", **OLD),
        pbx.gets("INVITE", contact="{*}", record_route=ANY),
        old.repeats(),
        pbx.sends(180),
        old.gets(180),
        old.repeats(),
        old.gets(180, again=True),
    ]


@BRANCHES
def test_call_of_a_client_of_rfc_2543(field, old, pbx, via):
    """From INVITE to BYE: every request finds its transaction, ACK has the Via of its INVITE."""
    way = {"via": f"SIP/2.0/UDP {via}"}
    assert (
        Ladder(field)
        >> begins(old, pbx, via)
        >> pbx.sends(200)
        << old.gets(200)
        >> pbx.sends(200)
        << old.gets(200, again=True)
        >> old.continues("ACK", **way)
        << pbx.gets("ACK", route=None)
        >> old.continues("BYE", cseq=2, **way)
        << pbx.gets("BYE", route=None)
        >> old.repeats()
        << nothing
        >> pbx.sends(200, answers="BYE")
        << old.gets(200)
        >> old.repeats()
        << old.gets(200, again=True)
        >> after(40)
        << nothing
    )
    layer = field.core.node.layer
    assert (layer.servers, layer.clients) == ({}, {})


@BRANCHES
def test_cancel_of_a_client_of_rfc_2543(field, old, pbx, via):
    """CANCEL, its answer, the refusal and its ACK; repeated, too."""
    assert (
        Ladder(field)
        >> begins(old, pbx, via)
        >> old.cancels()
        << old.gets(200)
        << pbx.gets("CANCEL")
        >> old.repeats()
        << old.gets(200, again=True)
        >> pbx.sends(200, answers="CANCEL")
        >> pbx.sends(487, answers="INVITE")
        << pbx.gets("ACK")
        << old.gets(487)
        >> old.repeats("INVITE")
        << old.gets(487, again=True)
        >> old.acks()
        << nothing
        >> old.repeats()
        << nothing
        >> after(40)
        << nothing
    )
    layer = field.core.node.layer
    assert (layer.servers, layer.clients) == ({}, {})


def test_call_to_a_client_of_rfc_2543(field, old, pbx):
    """It puts no tag into To, and ends the call with tags of nobody."""
    ladder = Ladder(field) >> old.sends("REGISTER sip:example.com", **OLD)
    ladder = ladder << pbx.gets("REGISTER", contact=shown(old, "O"), path="{*}", supported="path")
    ladder = ladder >> pbx.sends(200, contact=f"{shown(old, 'O')};expires=60") << old.gets(200, contact="{*}")
    assert (
        ladder
        >> pbx.sends("INVITE sip:old@10.0.0.2:5070;transport=udp;b={O}", to="<sip:old@example.com>")
        << old.gets("INVITE sip:old@198.51.100.25:5060;transport=udp", record_route=ANY)
        >> old.sends(200, to="<sip:old@example.com>")
        << pbx.gets(200, contact=shown(old, "O"))
    )
