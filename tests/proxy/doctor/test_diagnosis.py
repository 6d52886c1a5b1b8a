"""Whose message it is, where it came from, and what is no defect."""

from __future__ import annotations

import pytest

from proxy.capture.captured import Captured
from proxy.doctor.diagnosis import source_of
from proxy.flow import TCP, UDP, WS
from proxy.origin import Source
from proxy.sip.parser import parse_message
from tests.proxy.doctor.traffic import ALICE, BOB, SERVER, by_stream, invite, names, register, report_on
from tests.support.captures import udp


@pytest.mark.parametrize(
    ("source", "transport", "expected"),
    [
        (("192.0.2.9", 4000), TCP, Source(TCP, "192.0.2.9", 4000)),
        (("phone.example.com", 4000), TCP, Source(UDP, "93.184.216.34", 5060)),
        (None, WS, Source(WS, "93.184.216.34", 5060)),
        (None, None, Source(UDP, "93.184.216.34", 5060)),
    ],
)
def test_source_is_that_of_the_capture_as_far_as_it_tells(source, transport, expected):
    octets = invite()
    assert source_of(Captured(octets, source, SERVER, transport, 1, None), parse_message(octets)) == expected


def test_rewriting_for_the_proxy_alone_is_no_defect():
    """A reachable Contact in REGISTER is rewritten by the proxy, which is no fault of the client."""
    assert names(report_on([udp(ALICE, SERVER, register())])) == {}


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        ("<sip:alice@93.184.216.40:5060;transport=tcp>", []),
        ("<sip:alice@93.184.216.40:5060>", ["contact-port-mismatch"]),
        ("<sip:alice@93.184.216.41:5060;transport=tcp>", ["contact-port-mismatch"]),
    ],
)
def test_contact_by_tcp_may_name_another_port_and_nothing_else(contact, expected):
    octets = invite(Via="SIP/2.0/TCP 93.184.216.40;branch=z9hG4bKt", Contact=contact)
    found = names(report_on([udp(BOB, SERVER, register(Contact=None, User_Agent="B")), *by_stream(octets)]))
    assert found.get("Phone/1.0", []) == expected


def test_tls_that_ended_before_the_capture_is_no_defect():
    octets = invite(Via="SIP/2.0/WSS a.invalid;branch=z9hG4bKw", Contact="<sip:a@a.invalid;transport=ws>")
    assert names(report_on(by_stream(octets, web=True))) == {"Phone/1.0": ["contact-invalid-host"]}


def test_log_of_a_server_shows_clients_as_the_server_sees_them():
    text = b"<--- Received SIP request (%d bytes) from UDP:192.168.1.9:5060 --->\n%b"
    octets = register(Contact="<sip:alice@192.168.1.9:5060>")
    assert names(report_on(text % (len(octets), octets))) == {}
    octets = register(Contact="<sip:alice@172.16.0.1:5060>")
    assert names(report_on(text % (len(octets), octets))) == {"Phone/1.0": ["contact-private"]}
