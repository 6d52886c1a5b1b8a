"""`username@host` where `username@sipserver` belongs: out to the server as the domain, home as the client wrote it."""

from __future__ import annotations

import pytest

from tests.support.ladder import Ladder

OWN = "<sip:anna@192.168.1.20>;tag=1"
OURS = "<sip:bob@203.0.113.10>"
FROM = "<sip:anna@example.com>;tag=1"
BOB = "<sip:bob@example.com>"
ANNA = "<sip:anna@example.com>"
ANY = ["{*}", "{*}"]


@pytest.fixture
def calling(anna, pbx):
    return [
        anna.sends("INVITE sip:bob@203.0.113.10", from_=OWN, to=OURS),
        pbx.gets("INVITE sip:bob@example.com", from_=FROM, to=BOB, contact="{*}", record_route=ANY),
    ]


@pytest.mark.parametrize("status", [180, 200])
def test_answers_show_the_client_its_own_lines(field, anna, pbx, calling, status):
    assert Ladder(field) >> calling >> pbx.sends(status) << anna.gets(status, from_=OWN, to=OURS + ";tag={*}")


@pytest.mark.parametrize("status", [407, 486, 603])
def test_refusals_too_and_our_ack_is_for_what_left(field, anna, pbx, calling, status):
    assert (
        Ladder(field)
        >> calling
        >> pbx.sends(status)
        << pbx.gets("ACK sip:bob@example.com", from_=FROM, to=BOB + ";tag={*}")
        << anna.gets(status, from_=OWN, to=OURS + ";tag={*}")
    )


def test_cancel_is_for_what_left(field, anna, pbx, calling):
    assert (
        Ladder(field)
        >> calling
        >> pbx.sends(180)
        << anna.gets(180, from_=OWN, to=OURS + ";tag={*}")
        >> anna.cancels()
        << anna.gets(200, from_=OWN, to=OURS + ";tag={*}")
        << pbx.gets("CANCEL sip:bob@example.com", from_=FROM, to=BOB)
    )


def test_every_2xx_of_a_fork(field, anna, pbx, calling):
    assert (
        Ladder(field)
        >> calling
        >> pbx.sends(200, to=BOB + ";tag=x")
        << anna.gets(200, from_=OWN, to=OURS + ";tag=x")
        >> pbx.sends(200, to=BOB + ";tag=y")
        << anna.gets(200, from_=OWN, to=OURS + ";tag=y")
    )


def test_registration_is_of_the_domain(field, anna, pbx):
    """The binding is found as the AoR that the server knows."""
    own = "<sip:anna@192.168.1.20>"
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:203.0.113.10", from_=own + ";tag=1", to=own)
        << pbx.gets(
            "REGISTER sip:example.com",
            from_=FROM,
            to=ANNA,
            contact="{*}",
            path="{*}",
            supported="path",
        )
        >> pbx.sends(200)
        << anna.gets(200, from_=own + ";tag=1", to=own + ";tag={*}", contact="{*}")
        >> pbx.sends("MESSAGE sip:anna@example.com")
        << anna.gets("MESSAGE sip:anna@192.168.1.20:5060")
    )
