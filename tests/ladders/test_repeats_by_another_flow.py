"""Protocol 9.4: a request repeated by another flow is absorbed, and its answer goes to the first; where the client has
moved to the new flow (its REGISTER from there was accepted), the answer follows it.
"""

from __future__ import annotations

import pytest

from tests.support.flows import call_out, registration, shown
from tests.support.ladder import Ladder, after, does, nothing

CALL = {"contact": "{*}", "record_route": ["{*}", "{*}"]}
OWN = "sip:anna@192.168.1.20:5060"
URI = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"
# A phone that moves goes on with its registration; another Call-ID would be another phone (protocol 2.7).
REGISTER = {"call_id": "registration"}


@pytest.fixture
def moved(field, anna):
    """Anna's phone in another network: another address, the same Contact and Via."""
    return field.client("moved", "192.0.2.44:40000", user="anna", contact=anna.contact, via=anna.via)


@pytest.fixture
def mallory(field):
    return field.client("mallory", "192.0.2.66:6666", contact="<sip:mallory@192.168.1.20:5060>")


def repeated_by(party, other, method=""):
    """The last request of somebody, octet for octet, by another flow."""

    def send(world):
        text = other._last_sent(method)
        party.sent.append(text)
        world.arrived.append((party, text))
        party.sends_octets(text.octets).play(world)

    return does(send, f"{party.name} repeats what {other.name} sent")


def asks(anna, pbx, method, **headers):
    """Anna sends a request that begins something."""
    own = CALL if method == "INVITE" else {}
    return [anna.sends(f"{method} sip:bob@example.com", **headers), pbx.gets(method, **own)]


def registers(party, pbx, **headers):
    """Anna's phone registers, wherever it is."""
    return registration(party, pbx, "T", **REGISTER, **headers)


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_answer_goes_to_the_first_flow(field, anna, moved, pbx, method):
    """Arrival alone moves nothing (protocol 3.3)."""
    assert (
        Ladder(field)
        >> registers(anna, pbx)
        >> asks(anna, pbx, method)
        >> repeated_by(moved, anna)
        << nothing
        >> pbx.sends(200)
        << anna.gets(200)
    )
    assert field.counts.dropped["other_flow"] == 1


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_answer_follows_the_client_that_moved_and_repeats(field, anna, moved, pbx, method):
    """REGISTER from the new address, then the request again: its answer goes there."""
    assert (
        Ladder(field)
        >> registers(anna, pbx)
        >> asks(anna, pbx, method)
        >> registers(moved, pbx)
        >> repeated_by(moved, anna, method)
        << nothing
        >> pbx.sends(200, answers=method)
        << moved.gets(200)
    )
    assert field.counts.dropped == {}


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_answer_follows_the_client_that_repeats_and_moves(field, anna, moved, pbx, method):
    """The other way round: the repetition was a stranger's until the REGISTER was accepted."""
    assert (
        Ladder(field)
        >> registers(anna, pbx)
        >> asks(anna, pbx, method)
        >> repeated_by(moved, anna, method)
        << nothing
        >> registers(moved, pbx)
        >> pbx.sends(200, answers=method)
        << moved.gets(200)
    )


def test_answer_stays_with_the_first_flow_where_nothing_was_repeated(field, anna, moved, pbx):
    """A client that moved may still wait where it asked."""
    assert (
        Ladder(field)
        >> registers(anna, pbx)
        >> asks(anna, pbx, "MESSAGE")
        >> registers(moved, pbx)
        >> pbx.sends(200, answers="MESSAGE")
        << anna.gets(200)
    )


@pytest.mark.parametrize("status", [401, 403])
def test_register_that_was_refused_moves_nothing(field, anna, moved, pbx, status):
    assert (
        Ladder(field)
        >> registers(anna, pbx)
        >> asks(anna, pbx, "MESSAGE")
        >> repeated_by(moved, anna)
        << nothing
        >> moved.sends("REGISTER sip:example.com", **REGISTER)
        << pbx.gets("REGISTER", contact=shown(moved, "T"), path="{*}", supported="path")
        >> pbx.sends(status)
        << moved.gets(status)
        >> repeated_by(moved, anna, "MESSAGE")
        << nothing
        >> pbx.sends(200, answers="MESSAGE")
        << anna.gets(200)
    )


def test_retransmitted_answer_follows_too(field, anna, moved, pbx):
    """Final answer, move, repetition: the answer again, by Timer G and to repetitions, and the ACK is the client's."""
    assert (
        Ladder(field)
        >> registers(anna, pbx)
        >> asks(anna, pbx, "INVITE")
        >> pbx.sends(486)
        << pbx.gets("ACK")
        << anna.gets(486)
        >> registers(moved, pbx)
        << nothing
        >> repeated_by(moved, anna, "INVITE")
        << moved.gets(486)
        >> after(0.5)
        << moved.gets(486, again=True)
        >> moved.acks()
        >> after(40)
        << nothing
    )


def test_answer_to_another_request_follows_too(field, anna, moved, pbx):
    """17.2.2: the same answer again, to where the client is."""
    assert (
        Ladder(field)
        >> registers(anna, pbx)
        >> asks(anna, pbx, "MESSAGE")
        >> pbx.sends(200)
        << anna.gets(200)
        >> repeated_by(moved, anna)
        << nothing
        >> registers(moved, pbx)
        >> repeated_by(moved, anna, "MESSAGE")
        << moved.gets(200)
    )


def test_cancel_from_the_new_flow(field, anna, moved, pbx):
    """Who moved while it rang can still hang up."""
    ladder = Ladder(field) >> registers(anna, pbx) >> asks(anna, pbx, "INVITE") >> pbx.sends(180)
    assert ladder << anna.gets(180) >> registers(moved, pbx)
    moved.sent.append(anna._last_sent("INVITE"))
    assert (
        Ladder(field)
        >> moved.cancels()
        << moved.gets(200)
        << pbx.gets("CANCEL")
        >> pbx.sends(200, answers="CANCEL")
        >> pbx.sends(487, answers="INVITE")
        << pbx.gets("ACK")
        << moved.gets(487)
    )


def test_repeated_request_does_not_move_the_client_back(field, anna, moved, pbx):
    """The 2xx to a request with credentials proves where the client is: that is where it repeated it last."""
    auth = 'Digest username="anna", realm="example.com"'
    assert (
        Ladder(field)
        >> registers(anna, pbx, authorization=auth)
        >> asks(anna, pbx, "MESSAGE", proxy_authorization=auth)
        >> registers(moved, pbx, authorization=auth)
        >> repeated_by(moved, anna, "MESSAGE")
        << nothing
        >> pbx.sends(200, answers="MESSAGE")
        << moved.gets(200)
        >> pbx.sends(f"MESSAGE {URI}")
        << moved.gets(f"MESSAGE {OWN}")
    )


def test_stranger_with_a_registration_of_its_own_gets_nothing(field, anna, mallory, pbx):
    """Whoever knows Via, branch, Call-ID and CSeq of a request, and is registered as somebody else."""
    assert (
        Ladder(field)
        >> registers(anna, pbx)
        >> registration(mallory, pbx, "M")
        >> asks(anna, pbx, "INVITE")
        >> repeated_by(mallory, anna, "INVITE")
        << nothing
        >> registration(mallory, pbx, "M")
        >> repeated_by(mallory, anna, "INVITE")
        << nothing
        >> pbx.sends(486, answers="INVITE")
        << pbx.gets("ACK")
        << anna.gets(486)
        >> repeated_by(mallory, anna, "INVITE")
        << nothing
    )
    assert field.counts.dropped["other_flow"] == 3


def test_guest_has_no_other_flow(field, moved, pbx):
    """Without a registration nothing proves that somebody has moved."""
    guest = field.client("guest", "198.51.100.90:5060", contact="<sip:x@192.168.1.1:5060>")
    assert (
        Ladder(field)
        >> asks(guest, pbx, "MESSAGE")
        >> repeated_by(moved, guest)
        << nothing
        >> registers(moved, pbx)
        >> repeated_by(moved, guest, "MESSAGE")
        << nothing
        >> pbx.sends(200, answers="MESSAGE")
        << guest.gets(200)
    )


def test_other_port_of_the_same_nat(field, anna, pbx):
    """The first port until the REGISTER from the other one was accepted."""
    other = field.client("other", "198.51.100.20:31777", user="anna", contact=anna.contact, via=anna.via)
    ladder = Ladder(field) >> registers(anna, pbx) >> asks(anna, pbx, "MESSAGE")
    assert ladder >> repeated_by(other, anna) << nothing >> pbx.sends(200) << anna.gets(200)
    assert (
        Ladder(field)
        >> registers(other, pbx)
        >> repeated_by(other, anna, "MESSAGE")
        << other.gets(200)
        >> asks(anna, pbx, "INVITE")
    )


def test_sender_that_listens_on_another_port_gets_it_there(field, pbx):
    """Sends from 31000, has 5060 in its Via: a repetition changes nothing."""
    phone = field.client("phone", "198.51.100.90:31000", via="SIP/2.0/UDP 198.51.100.90:5060")
    ear = field.client("ear", "198.51.100.90:5060")
    assert (
        Ladder(field)
        >> phone.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=shown(phone, "P"), path="{*}", supported="path")
        >> pbx.sends(200, contact=f"{shown(phone, 'P')};expires=60")
        << ear.gets(200, contact="{*}")
    )
    assert (
        Ladder(field)
        >> asks(phone, pbx, "MESSAGE")
        >> phone.repeats()
        << nothing
        >> pbx.sends(200, answers="MESSAGE")
        << ear.gets(200)
    )
    assert field.counts.dropped == {}


def test_answer_to_an_older_request_does_not_move_the_client_back(field, anna, moved, pbx):
    """A call that rang while the phone changed its network is answered: new calls still go to where it registered."""
    auth = 'Digest username="anna", realm="example.com"'
    assert (
        Ladder(field)
        >> registers(anna, pbx, authorization=auth)
        >> asks(anna, pbx, "INVITE", proxy_authorization=auth)
        >> after(0.1)
        >> registers(moved, pbx, authorization=auth)
        >> pbx.sends(200, answers="INVITE")
        << anna.gets(200)
        >> pbx.sends(f"MESSAGE {URI}")
        << moved.gets(f"MESSAGE {OWN}")
    )


def test_answer_to_a_newer_request_moves_the_client(field, anna, moved, pbx):
    """Protocol 3.3: the 2xx to a request with the credentials of the registration proves where the client is."""
    auth = 'Digest username="anna", realm="example.com"'
    assert (
        Ladder(field)
        >> registers(anna, pbx, authorization=auth)
        >> after(0.1)
        >> registers(moved, pbx, authorization=auth)
        >> after(0.1)
        >> asks(anna, pbx, "INVITE", proxy_authorization=auth)
        >> pbx.sends(200, answers="INVITE")
        << anna.gets(200)
        >> pbx.sends(f"MESSAGE {URI}")
        << anna.gets(f"MESSAGE {OWN}")
    )


def test_answer_to_an_older_request_does_not_move_the_call_back(field, anna, pbx):
    """The same within a dialog, where another port of the NAT is enough to move it."""
    other = field.client("other", "198.51.100.20:31777", user="anna", contact=anna.contact, via=anna.via)
    assert (
        Ladder(field)
        >> registers(anna, pbx)
        >> call_out(anna, pbx, "T", "R")
        >> anna.continues("INFO")
        << pbx.gets("INFO", route=None)
        >> after(0.1)
        >> registers(other, pbx)
        >> pbx.sends(200, answers="INFO")
        << anna.gets(200)
        >> pbx.continues("BYE")
        << other.gets(f"BYE {OWN}", route=None)
    )
