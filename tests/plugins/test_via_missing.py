"""A Via for requests that have none, or none that can be read (RFC 3261 sections 8.1.1.7, 18.2)."""

from __future__ import annotations

import pytest
from ruling import put, request, response

from plugins.via_missing import BRANCH_PREFIX
from proxy.sip.parser import parse_message


def branch_of(run):
    return parse_message(run.message.octets()).via.branch


@pytest.mark.parametrize(
    ("sender", "start"),
    [
        ("udp:198.51.100.7:4711", "Via: SIP/2.0/UDP 198.51.100.7:4711;rport;branch=z9hG4bKsm"),
        ("wss:198.51.100.7:4711", "Via: SIP/2.0/WSS 198.51.100.7:4711;rport;branch=z9hG4bKsm"),
        ("tcp:[2001:db8::7]:4711", "Via: SIP/2.0/TCP [2001:db8::7]:4711;rport;branch=z9hG4bKsm"),
    ],
)
def test_names_the_source(sender, start):
    run = put(request("OPTIONS", without=("Via",)), sender)
    assert run.fired == ["via-missing"]
    (line,) = run.lines("Via")
    assert line.startswith(start)
    assert run.text.split("\n")[1] == line


def test_is_the_same_for_a_retransmission_and_for_ack_and_cancel():
    invite = branch_of(put(request("INVITE", "Contact: <sip:a@x.example>", without=("Via",))))
    assert invite.startswith(BRANCH_PREFIX)
    for method in ("INVITE", "ACK", "CANCEL"):
        assert branch_of(put(request(method, "Contact: <sip:a@x.example>", without=("Via",)))) == invite


@pytest.mark.parametrize("header", ["CSeq: 2 OPTIONS", "Call-ID: c2", "CSeq: 1 BYE"])
def test_differs_between_transactions(header):
    plain = branch_of(put(request("OPTIONS", without=("Via",))))
    assert branch_of(put(request("OPTIONS", header, without=("Via",)))) != plain


@pytest.mark.parametrize("cseq", ["CSeq: 0001 INVITE", "CSeq:  1   INVITE", "CSeq: 1\tINVITE"])
def test_does_not_depend_on_how_cseq_is_written(cseq):
    contact = "Contact: <sip:a@x.example>"
    plain = branch_of(put(request("INVITE", contact, without=("Via",))))
    assert branch_of(put(request("INVITE", contact, cseq, without=("Via",)))) == plain


@pytest.mark.parametrize(
    "value", ["junk", "SIP/2.0/UDP", "SIP/2.0/UDP :5060;branch=z9hG4bK1", "SIP/2.0/UDP h:99999;branch=z9hG4bK1", ""]
)
def test_one_that_cannot_be_read_is_replaced(value):
    run = put(request("OPTIONS", f"v: {value}", without=("Via",)))
    assert run.fired == ["via-unparsable"]
    assert run.lines("v")[0].startswith("v: SIP/2.0/UDP 198.51.100.7:5060;rport;branch=z9hG4bKsm")
    assert len(run.lines("v")) == 1


def test_those_of_other_hops_are_kept():
    run = put(request("OPTIONS", "Via: junk , SIP/2.0/TCP  a;branch=z9hG4bK1,SIP/2.0/UDP b", "Via: worse"))
    first, second = run.lines("Via")
    assert first.endswith(", SIP/2.0/TCP  a;branch=z9hG4bK1,SIP/2.0/UDP b")
    assert second == "Via: worse"


def test_answers_are_left():
    assert put(response(200, "BYE", "Via: junk")).fired == []
