"""How far a Contact leads: classes of hosts, and the comparison with where the message came from."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from proxy.flow import CLIENT, Flow, Listener
from proxy.flow import UDP as UDP_TRANSPORT
from proxy.repair import reach as reach_module
from proxy.repair.reach import classify_host, reach_of
from proxy.repair.rule import (
    ABSENT,
    INVALID_NAME,
    LEFT,
    LINK_LOCAL,
    LOOPBACK,
    OTHER_SOURCE,
    PRIVATE,
    REACHABLE,
    SHARED,
    UNPARSABLE,
    UNSPECIFIED,
)
from proxy.repair.sample import sample_flow, sample_message


def message(*contacts, start="INVITE sip:bob@example.com SIP/2.0"):
    lines = [start, "Via: SIP/2.0/UDP a;branch=z9hG4bK1", "CSeq: 1 INVITE"]
    return sample_message("\n".join([*lines, *(f"Contact: {contact}" for contact in contacts), "", ""]))


def reach(contact, sender="udp:8.8.4.4:5060", networks=()):
    return reach_of(message(contact), sample_flow(sender), networks)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("10.0.0.1", PRIVATE), ("10.255.255.255", PRIVATE), ("11.0.0.0", REACHABLE), ("9.255.255.255", REACHABLE),
        ("172.15.255.255", REACHABLE), ("172.16.0.0", PRIVATE), ("172.31.255.255", PRIVATE), ("172.32.0.0", REACHABLE),
        ("192.168.0.0", PRIVATE), ("192.169.0.0", REACHABLE), ("192.167.255.255", REACHABLE),
        ("192.0.2.1", PRIVATE), ("198.51.100.255", PRIVATE), ("203.0.113.0", PRIVATE), ("[2001:db8::1]", PRIVATE),
        ("[fc00::1]", PRIVATE), ("[fdff::1]", PRIVATE), ("[fe00::1]", REACHABLE), ("[2001:db9::1]", REACHABLE),
        ("100.63.255.255", REACHABLE), ("100.64.0.0", SHARED), ("100.127.255.255", SHARED), ("100.128.0.0", REACHABLE),
        ("169.254.0.1", LINK_LOCAL), ("169.253.0.1", REACHABLE), ("[fe80::1]", LINK_LOCAL), ("[febf::1]", LINK_LOCAL),
        ("127.0.0.1", LOOPBACK), ("127.255.255.255", LOOPBACK), ("[::1]", LOOPBACK), ("[0:0:0:0:0:0:0:1]", LOOPBACK),
        ("0.0.0.0", UNSPECIFIED), ("[::]", UNSPECIFIED), ("0.1.2.3", UNSPECIFIED),
        ("[::ffff:192.168.1.1]", PRIVATE), ("[::ffff:8.8.8.8]", REACHABLE), ("fd00::1", PRIVATE),
        ("192.168.001.010", PRIVATE), ("010.0.0.1", PRIVATE), ("127.0.0.1.", INVALID_NAME),
        ("8.8.8.8", REACHABLE), ("[2001:4860::8]", REACHABLE),
        ("example.com", REACHABLE), ("EXAMPLE.COM.", REACHABLE), ("a.b-c.example", REACHABLE),
        ("9sh.invalid", INVALID_NAME), ("9SH.INVALID", INVALID_NAME), ("x.invalid.", INVALID_NAME),
        ("phone.local", INVALID_NAME), ("a.localhost", INVALID_NAME), ("pbx.internal", INVALID_NAME),
        ("localhost", INVALID_NAME), ("phone", INVALID_NAME), ("invalid", INVALID_NAME), ("phone.", INVALID_NAME),
        ("notinvalid", INVALID_NAME), ("x.notinvalid", REACHABLE), ("mylocal.example", REACHABLE),
        ("1.2.3", INVALID_NAME), ("300.1.1.1", INVALID_NAME), ("10.0.0.1.5", INVALID_NAME), ("12345", INVALID_NAME),
        ("", INVALID_NAME), ("[zz::1]", INVALID_NAME),
    ],
)  # fmt: skip
def test_hosts(host, expected):
    """Borders of each range of RFC 1918, 6598, 3927, 4193, 5737, 3849; names of RFC 2606, 6761, 6762."""
    for _ in range(2):
        assert classify_host(host.encode()) == expected


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        ("*", LEFT), ("<tel:+49301234>", LEFT), ("<mailto:a@b.example>", LEFT), ("<sip:a@10.0.0.1;gr>", LEFT),
        ("<sip:a@10.0.0.1;gr=x>", LEFT), ("<sip:a@10.0.0.1;b=k3v9x2m7q4w8z5c1>", LEFT),
        ("<sip:a@10.0.0.1>;b=k3v9x2m7q4w8z5c1", PRIVATE),
        ("sip:a@10.0.0.1;b=k3v9x2m7q4w8z5c1", LEFT), ("<sip:b=x@10.0.0.1>", PRIVATE), ("<sip:a@10.0.0.1?b=x>", PRIVATE),
        ("", UNPARSABLE), ("None", UNPARSABLE), ("<sip:>", UNPARSABLE), ("<sip:a@10.0.0.1", UNPARSABLE),
        (",", UNPARSABLE),
        ("<sip:a@10.0.0.1>, <sip:a@127.0.0.1>", PRIVATE), ("<tel:+1>, <sip:a@127.0.0.1>", LOOPBACK),
        ("<tel:+1>, <broken", LEFT), ("<broken, <sip:a@10.0.0.1>", UNPARSABLE),
    ],
)  # fmt: skip
def test_values(contact, expected):
    assert reach(contact) == expected


def test_absent():
    assert reach_of(message(), sample_flow("udp:8.8.4.4:5060"), ()) == ABSENT


@pytest.mark.parametrize(
    ("contacts", "expected"),
    [
        (("<tel:+1>", "<sip:a@10.0.0.1>"), PRIVATE),
        (("*", "<broken", "<sip:a@127.0.0.1>"), LOOPBACK),
        (("*", "<broken", "<tel:+1>"), LEFT),
        (("<sip:a@10.0.0.1>", "<sip:a@127.0.0.1>"), PRIVATE),
        (("<broken", "<sip:a@127.0.0.1>"), UNPARSABLE),
    ],
)
def test_the_first_that_may_be_judged_counts(contacts, expected):
    assert reach_of(message(*contacts), sample_flow("udp:8.8.4.4:5060"), ()) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [(180, PRIVATE), (200, PRIVATE), (300, LEFT), (302, LEFT), (399, LEFT), (400, PRIVATE), (485, LEFT)],
)
def test_lists_of_redirections_are_left(status, expected):
    answer = message("<sip:a@10.0.0.1>", start=f"SIP/2.0 {status} Phrase")
    assert reach_of(answer, sample_flow("udp:8.8.4.4:5060"), ()) == expected


@pytest.mark.parametrize(
    ("contact", "sender", "expected"),
    [
        ("<sip:a@8.8.4.4>", "udp:8.8.4.4:5060", REACHABLE),
        ("<sip:a@8.8.4.4:5060>", "udp:8.8.4.4:5060", REACHABLE),
        ("<sip:a@008.8.4.4:5060;transport=UDP>", "udp:8.8.4.4:5060", REACHABLE),
        ("<sip:a@8.8.4.4>", "udp:8.8.4.4:5061", OTHER_SOURCE),
        ("<sip:a@8.8.4.5>", "udp:8.8.4.4:5060", OTHER_SOURCE),
        ("<sip:a@8.8.4.4;transport=tcp>", "udp:8.8.4.4:5060", OTHER_SOURCE),
        ("<sip:a@8.8.4.4>", "tcp:8.8.4.4:5060", OTHER_SOURCE),
        ("<sip:a@8.8.4.4;transport=tcp>", "tcp:8.8.4.4:5060", REACHABLE),
        ("<sip:a@8.8.4.4;transport=tls>", "tls:8.8.4.4:5061", REACHABLE),
        ("<sips:a@8.8.4.4>", "tls:8.8.4.4:5061", REACHABLE),
        ("<sips:a@8.8.4.4;transport=tcp>", "tls:8.8.4.4:5061", REACHABLE),
        ("<sips:a@8.8.4.4>", "udp:8.8.4.4:5061", OTHER_SOURCE),
        ("<sip:a@8.8.4.4:4000;transport=ws>", "ws:8.8.4.4:4000", REACHABLE),
        ("<sip:a@8.8.4.4:4000;transport=ws>", "wss:8.8.4.4:4000", REACHABLE),
        ("<sip:a@8.8.4.4:4000;transport=wss>", "wss:8.8.4.4:4000", REACHABLE),
        ("<sip:a@8.8.4.4:4000;transport=sctp>", "udp:8.8.4.4:4000", OTHER_SOURCE),
        ("<sip:a@8.8.4.4;transport=>", "udp:8.8.4.4:5060", REACHABLE),
        ("sip:a@8.8.4.4;transport=tcp", "tcp:8.8.4.4:5060", REACHABLE),
        ("<sip:a@[2001:4860:0::8]>", "udp:2001:4860::8:5060", REACHABLE),
        ("<sip:a@[2001:4860::9]>", "udp:2001:4860::8:5060", OTHER_SOURCE),
        ("<sip:a@[::ffff:8.8.4.4]>", "udp:8.8.4.4:5060", REACHABLE),
        ("<sip:a@pc33.example.com:9;transport=tcp>", "udp:8.8.4.4:5060", REACHABLE),
    ],
)
def test_comparison_with_the_source(contact, sender, expected):
    """Absent ports and transports have their defaults (RFC 3263 section 4); names count as equal to the source."""
    assert reach(contact, sender) == expected


class TestLocalNetworks:
    LOCAL = (ip_network("192.168.1.0/24"), ip_network("127.0.0.0/8"), ip_network("fd00::/8"))

    @pytest.mark.parametrize(
        ("contact", "sender", "expected"),
        [
            ("<sip:a@192.168.1.5>", "udp:192.168.1.5:5060", REACHABLE),
            ("<sip:a@127.0.0.1:5080>", "udp:127.0.0.1:5080", REACHABLE),
            ("<sip:a@[fd00::7]>", "udp:fd00::7:5060", REACHABLE),
            ("<sip:a@192.168.1.5>", "udp:192.168.1.5:5099", OTHER_SOURCE),
            ("<sip:a@192.168.1.5>", "udp:192.168.1.6:5060", PRIVATE),
            ("<sip:a@192.168.2.5>", "udp:192.168.2.5:5060", PRIVATE),
            ("<sip:a@phone.local>", "udp:192.168.1.5:5060", INVALID_NAME),
        ],
    )
    def test_make_their_addresses_good_for_those_who_are_there(self, contact, sender, expected):
        assert reach(contact, sender, self.LOCAL) == expected

    def test_are_told_apart_in_memory(self):
        for networks, expected in ((self.LOCAL, REACHABLE), ((), PRIVATE), (self.LOCAL, REACHABLE)):
            assert reach("<sip:a@192.168.1.5>", "udp:192.168.1.5:5060", networks) == expected


class TestMemory:
    def test_keeps_sources_and_transports_apart(self):
        contact = "<sip:a@8.8.4.4:4000>"
        for _ in range(2):
            assert reach(contact, "udp:8.8.4.4:4000") == REACHABLE
            assert reach(contact, "udp:8.8.4.4:4001") == OTHER_SOURCE
            assert reach(contact, "tcp:8.8.4.4:4000") == OTHER_SOURCE

    def test_is_bounded_in_entries_and_length(self):
        """Clients choose what is remembered: neither many lines nor long ones may fill the memory."""
        networks = (ip_network("10.0.0.0/8"),)
        for number in range(5000):
            reach(f"<sip:{number}@h{number}.example>", networks=networks)
        assert reach(f"<sip:{'a' * 600}@10.0.0.1>", networks=networks) == PRIVATE
        memory = reach_module._memories[id(networks)].reaches
        assert 0 < len(memory) <= 4096
        assert max(len(key[0]) for key in memory) <= 512
        assert 0 < len(reach_module._hosts) <= 4096
        assert classify_host(b"a" * 600) == INVALID_NAME
        assert max(map(len, reach_module._hosts)) <= 512

    def test_of_many_configurations_is_bounded(self):
        for number in range(20):
            assert reach("<sip:a@127.0.0.1>", networks=(ip_network(f"10.{number}.0.0/16"),)) == LOOPBACK
        assert len(reach_module._memories) <= 8


def test_listener_may_leave_contacts_alone():
    listener = Listener(0, CLIENT, UDP_TRANSPORT, "0.0.0.0", 5060, "203.0.113.10", 5060, contact_policy="leave")
    flow = Flow(listener, "8.8.4.4", 5060)
    assert reach_of(message("<sip:a@10.0.0.1>"), flow, ()) == LEFT
    assert reach_of(message(), flow, ()) == ABSENT
