"""The way of a request to the server and back, through the real core."""

from __future__ import annotations

import pytest

from plugins import ORDER
from proxy.explain import Setting
from proxy.flow import TCP, UDP, WSS
from proxy.origin import Source
from proxy.repair.catalog import Catalog
from proxy.roundtrip import round_trip
from proxy.sip.errors import ParseError
from proxy.sip.parser import parse_message

SETTING = Setting(*Catalog(ORDER).choose({}))
REQUEST = """\
%s sip:example.com SIP/2.0
Via: SIP/2.0/WSS a.invalid;branch=z9hG4bK1
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1
To: <sip:alice@example.com>
Call-ID: c1
CSeq: 1 %s
Contact: <sip:r4nd@a.invalid;transport=ws>
Content-Length: 0

"""
THERE_AND_BACK = [("client", "sipmend"), ("sipmend", "server"), ("server", "sipmend"), ("sipmend", "client")]


def wire(method, text=REQUEST):
    return (text % (method, method)).replace("\n", "\r\n").encode()


def ways(steps):
    return [(step.sender, step.receiver) for step in steps]


SOURCES = [None, *(Source(transport, "198.51.100.7", 5060) for transport in (UDP, TCP, WSS))]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE"])
def test_four_messages_and_what_the_client_wrote_comes_back(method, source):
    steps = round_trip(wire(method), SETTING, source)
    assert ways(steps) == THERE_AND_BACK
    there, back = parse_message(steps[1].octets), parse_message(steps[3].octets)
    assert there.via_count() == 2
    assert back.via_count() == 1
    assert back.status == 200
    if method == "REGISTER":
        assert there.contacts[0].uri.user == b"alice"
        assert back.contacts[0].addr == b"sip:r4nd@a.invalid;transport=ws"


def test_ack_gets_no_answer():
    text = REQUEST.replace("To: <sip:alice@example.com>", "To: <sip:bob@example.com>;tag=2")
    assert ways(round_trip(wire("ACK", text), SETTING)) == THERE_AND_BACK[:2]


def test_request_that_sipmend_answers_itself_goes_no_further():
    steps = round_trip(wire("INVITE", REQUEST.replace("Forwards: 70", "Forwards: 0")), SETTING)
    assert ways(steps) == [("client", "sipmend"), ("sipmend", "client")]
    assert parse_message(steps[1].octets).status == 483


def test_response_has_no_way_of_its_own():
    assert round_trip(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x\r\n\r\n", SETTING) == []
    with pytest.raises(ParseError):
        round_trip(b"hello", SETTING)


def test_same_request_gives_the_same_way_on_every_run():
    assert round_trip(wire("INVITE"), SETTING) == round_trip(wire("INVITE"), SETTING)


def test_server_of_the_settings_is_used():
    setting = Setting(SETTING.rules, SETTING.modes, targets=((TCP, "192.0.2.77", 5060),), domain=b"example.com")
    assert ways(round_trip(wire("REGISTER"), setting))[:1] == [("client", "sipmend")]
