"""Flows and listeners: how they are named, in headers and in lines for people."""

from __future__ import annotations

import pytest

from proxy.flow import CLIENT, SERVER, TCP, UDP, WSS, Flow, Listener, host_octets


@pytest.mark.parametrize(
    ("host", "written"), [("192.0.2.1", b"192.0.2.1"), ("edge.example.com", b"edge.example.com"), ("::1", b"[::1]")]
)
def test_an_ipv6_address_gets_its_brackets(host, written):
    assert host_octets(host) == written


def test_the_zone_of_a_link_local_address_stays_here():
    """RFC 3261 section 25.1 has none in a host; the socket needs it."""
    flow = Flow(Listener(0, CLIENT, TCP, "::", 5060, "::1", 5060), "fe80::1%eth0", 4711, 7)
    assert (flow.source, flow.received) == (b"[fe80::1]", b"fe80::1")
    assert flow.address == ("fe80::1%eth0", 4711)


def test_a_listener_shows_its_public_address_and_never_the_bound_one():
    listener = Listener(0, CLIENT, UDP, "0.0.0.0", 5060, "2001:db8::1", 6060)
    assert listener.sent_by == b"[2001:db8::1]:6060"
    assert listener.via == b"Via: SIP/2.0/UDP [2001:db8::1]:6060;branch="


def test_a_listener_that_is_renamed_shows_its_new_address_everywhere():
    listener = Listener(0, CLIENT, UDP, "0.0.0.0", 5060, "10.0.0.2", 5060)
    listener.rename("2001:db8::9", 6060)
    same = Listener(0, CLIENT, UDP, "0.0.0.0", 5060, "2001:db8::9", 6060)
    shown = ("public_host", "public_port", "sent_by", "via", "route", "host", "port", "uri_transport")
    assert [getattr(listener, name) for name in shown] == [getattr(same, name) for name in shown]
    assert b"10.0.0.2" not in listener.via + listener.route + listener.sent_by


def test_web_sockets_have_one_name_in_uris_and_two_in_via():
    """RFC 7118 section 5: the URI parameter is ws, the Via transport is WS or WSS."""
    listener = Listener(0, CLIENT, WSS, "192.0.2.1", 443, "192.0.2.1", 443)
    assert listener.uri_transport == b"ws"
    assert listener.via.startswith(b"Via: SIP/2.0/WSS ")
    assert listener.reliable


@pytest.mark.parametrize(("host", "shown"), [("192.0.2.1", "udp://192.0.2.1:5060"), ("::", "udp://[::]:5060")])
def test_a_listener_is_shown_as_the_uri_of_the_configuration(host, shown):
    assert repr(Listener(0, CLIENT, UDP, host, 5060, "192.0.2.1", 5060)) == shown


@pytest.mark.parametrize(("host", "shown"), [("192.0.2.7", "tcp:192.0.2.7:4711"), ("::1", "tcp:[::1]:4711")])
def test_a_flow_is_shown_by_its_far_end(host, shown):
    assert repr(Flow(Listener(0, SERVER, TCP, "::", 5060, "::1", 5060), host, 4711, 7)) == shown


def test_flows_of_one_association_have_one_key():
    listener = Listener(0, CLIENT, UDP, "192.0.2.1", 5060, "192.0.2.1", 5060)
    assert Flow(listener, "192.0.2.7", 4711).key == Flow(listener, "192.0.2.7", 4711).key
    assert Flow(listener, "192.0.2.7", 4711).key != Flow(listener, "192.0.2.7", 4712).key
    assert Flow(listener, "192.0.2.7", 4711, 1).key != Flow(listener, "192.0.2.7", 4711, 2).key


def test_the_mark_of_a_connection_has_six_digits():
    listener = Listener(0, CLIENT, TCP, "192.0.2.1", 5060, "192.0.2.1", 5060)
    assert Flow(listener, "192.0.2.7", 4711, 0x1F).mark == b"00001f"
    assert Flow(listener, "192.0.2.7", 4711).mark == b"000000"
