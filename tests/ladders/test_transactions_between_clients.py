"""Forks, merges and spirals are legal; equal branches of different senders are different requests."""

from __future__ import annotations

import pytest

from tests.support.flows import registration, shown
from tests.support.ladder import Ladder, after, nothing
from tests.support.sip_text import SipText

ANY = ["{*}", "{*}"]
OWN = "sip:anna@192.168.1.20:5060"


def test_parallel_fork_to_two_tabs(field, anna, pbx):
    """The same Call-ID, From tag and CSeq to two bindings of ours: both get it, neither is a merged request."""
    other = field.client("other", "198.51.100.21:5060", user="anna", contact="<sip:anna@192.168.9.9>")
    fork = {"call_id": "fork", "from_": "<sip:bob@example.com>;tag=b", "to": "<sip:anna@example.com>"}
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> registration(other, pbx, "U")
        >> pbx.sends("INVITE sip:anna@10.0.0.2:5070;transport=udp;b={T}", **fork)
        << anna.gets(f"INVITE {OWN}", record_route=ANY)
        >> pbx.sends("INVITE sip:anna@10.0.0.2:5070;transport=udp;b={U}", **fork)
        << other.gets("INVITE sip:anna@192.168.9.9", record_route=ANY)
        >> other.sends(200)
        << pbx.gets(200, contact=shown(anna, "U"))
    )


def test_same_request_from_another_flow_is_absorbed(field, anna, pbx):
    """9.4: a copy from another address is no second request; the answer goes to the first flow."""
    copy = field.client("copy", "192.0.2.99:5060")
    assert Ladder(field) >> anna.sends("MESSAGE sip:bob@example.com") << pbx.gets("MESSAGE")
    octets = anna.sent[-1].octets
    assert Ladder(field) >> copy.sends_octets(octets) << nothing >> pbx.sends(200) << anna.gets(200)
    assert field.counts.dropped["other_flow"] == 1


def test_repetition_by_another_port_of_the_same_nat(field, anna, pbx):
    """The NAT changed the port between INVITE and its repetition: it is the same request."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com", call_id="c")
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
    )
    again = field.client("again", "198.51.100.20:31777")
    assert Ladder(field) >> again.sends_octets(anna.sent[-1].octets) << nothing


@pytest.mark.parametrize("change", ["call_id", "cseq"])
def test_same_branch_in_another_request_is_another_transaction(field, anna, pbx, change):
    """Gadgets that never change their branch: Call-ID and CSeq number tell their requests apart."""
    via = "SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bK1"
    other = {"call_id": "two"} if change == "call_id" else {"call_id": "one", "cseq": 2}
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", via=via, call_id="one")
        << pbx.gets("MESSAGE")
        >> anna.sends("MESSAGE sip:bob@example.com", via=via, **other)
        << pbx.gets("MESSAGE")
    )


def test_same_branch_on_both_sides(field, anna, pbx):
    """A branch that a client and the server both use."""
    via = "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1"
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.sends("MESSAGE sip:bob@example.com", via=via, call_id="x")
        << pbx.gets("MESSAGE")
        >> pbx.sends("MESSAGE sip:anna@10.0.0.2:5070;transport=udp;b={T}", via=via, call_id="x")
        << anna.gets(f"MESSAGE {OWN}")
    )


def test_cancel_with_a_wrong_branch_finds_its_invite(field, anna, pbx):
    """Same flow, Request-URI, Call-ID, CSeq number and From tag."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> pbx.sends(180)
        << anna.gets(180)
        >> anna.cancels(via="SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bKother")
        << anna.gets(200)
        << pbx.gets("CANCEL")
    )


def test_cancel_from_another_flow_finds_nothing(field, anna, pbx):
    """Somebody else with the right Call-ID and tags, and even the right branch, ends nobody's call."""
    thief = field.client("thief", "192.0.2.66:6666")
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> pbx.sends(180)
        << anna.gets(180)
    )
    thief.sent.append(anna.sent[-1])
    assert Ladder(field) >> thief.cancels() << thief.gets(481) << nothing


def test_invite_of_rfc_2543(field, anna, pbx):
    """A branch without the magic cookie, or none: Via, Request-URI, tags stand in; ACK and repetition are found."""
    via = "SIP/2.0/UDP 192.168.1.20:5060"
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com", via=via)
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> anna.repeats()
        << nothing
        >> pbx.sends(486)
        << pbx.gets("ACK")
        << anna.gets(486)
        >> anna.acks()
        << nothing
        >> after(3)
        << nothing
    )


def test_request_with_merged_vias_loops_too(field, anna, pbx):
    """Our Via in a comma list with others is still seen."""
    assert Ladder(field) >> anna.sends("MESSAGE sip:bob@example.com") << pbx.gets("MESSAGE")
    text = SipText(pbx.received[-1].octets)
    merged = ", ".join(["SIP/2.0/UDP 198.51.100.90:5060;branch=z9hG4bKl", *text.elements("via")])
    lines = [line for line, name in zip(text.lines, text.names, strict=True) if name != "via"]
    looped = field.client("looped", "198.51.100.90:5060")
    message = "\n".join([text.start, f"Via: {merged}", *lines, "", ""])
    assert Ladder(field) >> looped.sends_octets(message) << looped.gets(482)
