"""The golden messages: registration, call, ACK and BYE of a browser, line by line."""

from __future__ import annotations

import pytest

from tests.support.flows import registration, route_pair
from tests.support.ladder import Ladder, note, nothing, stores

ONE = "<sip:alice@10.0.0.2:5070;transport=udp;b={TOKA}>"
R_AT_S = "<sip:{RA}@10.0.0.2:5070;transport=udp;lr>"
R_AT_C = "<sip:{RA}@edge.example.com:8443;transport=ws;lr>"
B_AT_S = "<sip:{RB}@10.0.0.2:5070;transport=udp;lr>"
B_AT_C = "<sip:{RB}@edge.example.com:8443;transport=ws;lr>"
OTHER_PAGE = "<sip:alice@10.0.0.2:5070;transport=udp;b=botherpage0000000>;expires=88"


@pytest.fixture
def registered(edge, alice, k):
    """REGISTER as the browser sends it, as the server gets it, and the answer with another page of alice in it."""
    assert (
        Ladder(edge)
        >> alice.sends(
            "REGISTER sip:example.com",
            via="SIP/2.0/WSS 9sh.invalid;branch=z9hG4bKa",
            contact="<sip:63et72ng@9sh.invalid;transport=ws>;expires=600",
        )
        << k.gets(
            "REGISTER sip:example.com",
            via=[
                "SIP/2.0/UDP 10.0.0.2:5070;branch={P}",
                "SIP/2.0/WSS 9sh.invalid;branch=z9hG4bKa;received=198.51.100.7",
            ],
            contact=ONE + ";expires=600",
            path="<sip:p{TOKA}@10.0.0.2:5070;transport=udp;lr>",
            supported="path",
            record_route=None,
        )
        >> k.sends(200, contact=f"{OTHER_PAGE}, {ONE};expires=599")
        << stores("alice@example.com", waiting=True)
        << alice.gets(200, contact=f"{OTHER_PAGE}, <sip:63et72ng@9sh.invalid;transport=ws>;expires=600")
    )


@pytest.fixture
def in_call(edge, alice, k, registered):
    """INVITE: 407 first, then with credentials; the server's Contact comes through untouched."""
    invite = {"call_id": "call-a", "from_": "<sip:alice@example.com>;tag=a"}
    contact = "<sip:63et72ng@9sh.invalid;transport=ws;ob>"
    assert (
        Ladder(edge)
        >> alice.sends("INVITE sip:bob@example.com", contact=contact, **invite)
        << k.gets(
            "INVITE sip:bob@example.com",
            record_route=[R_AT_S, R_AT_C],
            contact="<sip:alice@10.0.0.2:5070;transport=udp;b={TOKA};ob>",
        )
        >> k.sends(407, proxy_authenticate='Digest realm="example.com", nonce="n"')
        << k.gets("ACK sip:bob@example.com")
        << alice.gets(407)
        >> alice.acks()
        << nothing
        >> alice.sends(
            "INVITE sip:bob@example.com",
            contact=contact,
            cseq=2,
            proxy_authorization='Digest username="alice", realm="example.com", nonce="n"',
            **invite,
        )
        << k.gets(
            "INVITE sip:bob@example.com",
            record_route=[R_AT_S, R_AT_C],
            contact="<sip:alice@10.0.0.2:5070;transport=udp;b={TOKA};ob>",
        )
        >> k.sends(200, contact="<sip:bob@10.0.0.5:5060>", to="<sip:bob@example.com>;tag=k")
        << alice.gets(200, via=1)
        >> alice.sends(
            "ACK sip:bob@10.0.0.5:5060", cseq=2, to="<sip:bob@example.com>;tag=k", route=[R_AT_C, R_AT_S], **invite
        )
        << k.gets("ACK sip:bob@10.0.0.5:5060", route=None)
    )


def test_registration_of_a_browser(registered):
    """The server sees one Contact and a Path; the browser sees its own Contact again, others as they are."""


def test_call_of_a_browser(in_call):
    """Two Record-Routes, one Contact; after 407 and ACK the call is set up with credentials."""


def test_record_route_fits_the_grammar_of_a_short_token(edge, in_call):
    """The Record-Route user is [a-z0-9], begins with r and has at most 45 characters."""
    user = edge.names["RA"]
    assert user[0] == "r"
    assert user.isalnum()
    assert user == user.lower()
    assert len(user) <= 45


def test_ack_to_another_address_goes_to_the_dialogs_target(edge, alice, k, in_call):
    """`ACK sip:bob@203.0.113.99`: not a target, so to the dialog's target, the Request-URI kept."""
    assert (
        Ladder(edge)
        >> alice.sends(
            "ACK sip:bob@203.0.113.99",
            call_id="call-a",
            from_="<sip:alice@example.com>;tag=a",
            to="<sip:bob@example.com>;tag=k",
            cseq=2,
            route=[R_AT_C, R_AT_S],
        )
        << note("an in-dialog ACK names 203.0.113.99:5060, which is no target: it goes to the dialog's target")
        << k.gets("ACK sip:bob@203.0.113.99", route=None)
    )
    assert edge.counts.misdirected == 1


BYE = {
    "call_id": "call-a",
    "from_": "<sip:bob@example.com>;tag=k",
    "to": "<sip:alice@example.com>;tag=a",
    "cseq": 1,
}
TOKEN_URI = "sip:alice@10.0.0.2:5070;transport=udp;b={TOKA}"


@pytest.mark.parametrize(
    ("uri", "routes"),
    [
        (TOKEN_URI, [R_AT_S, R_AT_C]),
        (TOKEN_URI, [f"{R_AT_S}, {R_AT_C}"]),
        (TOKEN_URI, None),
        (TOKEN_URI, ["<sip:{RA}@10.0.0.2:41234;transport=udp;lr>", R_AT_C]),
        (
            "sip:{RA}@10.0.0.2:5070;transport=udp;lr",
            [R_AT_C, "<sip:alice@10.0.0.2:5070;b={TOKA}>"],
        ),
    ],
    ids=["both routes", "both in one line", "without Route", "Route's host rewritten", "strict router"],
)
def test_bye_of_the_server_reaches_the_browser(edge, alice, k, in_call, uri, routes):
    """BYE to our Contact comes out with the Contact that the browser wrote, in every form servers send it."""
    assert (
        Ladder(edge)
        >> k.sends(f"BYE {uri}", route=routes, **BYE)
        << alice.gets("BYE sip:63et72ng@9sh.invalid;transport=ws", route=None)
        >> alice.sends(200)
        << k.gets(200)
    )


def test_call_between_two_browsers_through_a_proxying_server(edge, alice, bob, k, registered):
    """B gets both pairs in its Record-Route; its BYE passes us twice, on side C and then on side S, and is no loop."""
    ladder = Ladder(edge) >> registration(bob, k, "TOKB")
    assert (
        ladder
        >> alice.sends("INVITE sip:bob@example.com", call_id="ab", from_="<sip:alice@example.com>;tag=a")
        << k.gets("INVITE", record_route=[R_AT_S, R_AT_C], contact=ONE)
        >> k.forwards("INVITE", uri="sip:bob@10.0.0.2:5070;transport=udp;b={TOKB}", record_route="<sip:10.0.0.5;lr>")
        << bob.gets(
            "INVITE sip:k2oq8vpl@4fj.invalid;transport=ws",
            record_route=[*route_pair(bob, "RB", "client"), "<sip:10.0.0.5;lr>", R_AT_S, R_AT_C],
        )
        >> bob.sends(200, to="<sip:bob@example.com>;tag=b")
        << k.gets(200, contact="<sip:bob@10.0.0.2:5070;transport=udp;b={TOKB}>")
        >> bob.sends(
            "BYE sip:alice@10.0.0.2:5070;b={TOKA}",
            call_id="ab",
            from_="<sip:bob@example.com>;tag=b",
            to="<sip:alice@example.com>;tag=a",
            route=[B_AT_C, B_AT_S, "<sip:10.0.0.5;lr>", R_AT_S, R_AT_C],
        )
        << k.gets("BYE sip:alice@10.0.0.2:5070;b={TOKA}", route=["<sip:10.0.0.5;lr>", R_AT_S, R_AT_C])
        >> k.forwards("BYE", route=[R_AT_S, R_AT_C])
        << alice.gets("BYE sip:63et72ng@9sh.invalid;transport=ws", route=None, via=4)
    )
