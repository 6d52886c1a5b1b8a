"""Guests: their Contacts are remembered for a while, and no flood of them fills the memory."""

from __future__ import annotations

import pytest
from parts import ALICE, EDGE_WSS, mint, settings, wss_flow

from proxy.core.guests import Guests, source_uri
from proxy.flow import Flow

ADDRESS = b"10.0.0.2:5070;transport=udp"


def guests(**more) -> Guests:
    return Guests(settings(**more), mint())


class TestShown:
    def test_names_the_flow_and_the_user(self):
        known = guests()
        shown = known.shown(ALICE, b"alice", ADDRESS)
        assert shown == b"sip:alice@10.0.0.2:5070;transport=udp;b=" + known.token(ALICE)
        assert known.shown(ALICE, b"alice", ADDRESS) is shown
        assert known.shown(ALICE, b"carol", ADDRESS) != shown
        assert known.shown(wss_flow(), b"alice", ADDRESS) != shown

    def test_is_bounded(self):
        known = guests(max_guests=2)
        for user in (b"a", b"b", b"c"):
            known.shown(ALICE, user, ADDRESS)
        assert len(known._shown) == 1


class TestContacts:
    def test_remembered_by_token_and_user(self):
        known = guests()
        known.remember(b"t", b"alice", b"sip:x@h", 0.0)
        assert known.contact(b"t", b"alice", 1.0) == b"sip:x@h"
        assert known.contact(b"t", b"bob", 1.0) is None
        assert known.contact(b"u", b"alice", 1.0) is None
        assert len(known) == 1

    def test_latest_counts(self):
        known = guests()
        known.remember(b"t", b"alice", b"sip:x@h", 0.0)
        known.remember(b"t", b"alice", b"sip:y@h", 1.0)
        assert known.contact(b"t", b"alice", 1.0) == b"sip:y@h"
        assert len(known) == 1

    def test_oldest_gives_way(self):
        """Guests are made by whoever sends: a flood of them must cost the latest, not the memory (protocol 14)."""
        known = guests(max_guests=2)
        known.remember(b"t1", b"u", b"c1", 0.0)
        known.remember(b"t2", b"u", b"c2", 1.0)
        assert known.contact(b"t1", b"u", 2.0) == b"c1"
        known.remember(b"t3", b"u", b"c3", 3.0)
        assert [known.contact(token, b"u", 4.0) for token in (b"t1", b"t2", b"t3")] == [b"c1", None, b"c3"]

    def test_unused_ones_are_forgotten(self):
        known = guests(guest_ttl=10.0)
        known.remember(b"t1", b"u", b"c1", 0.0)
        known.remember(b"t2", b"u", b"c2", 1.0)
        known.expire(9.9)
        assert len(known) == 2
        known.contact(b"t1", b"u", 9.9)
        known.expire(15.0)
        assert [known.contact(token, b"u", 15.0) for token in (b"t1", b"t2")] == [b"c1", None]
        known.expire(25.0)
        assert len(known) == 0
        known.expire(99.0)


@pytest.mark.parametrize(
    ("flow", "user", "uri"),
    [
        (ALICE, b"alice", b"sip:alice@198.51.100.7:4711;transport=udp"),
        (wss_flow(), b"a;b", b"sip:a%3Bb@198.51.100.7:50112;transport=ws"),
        (Flow(EDGE_WSS, "2001:db8::1", 9, 1), b"x", b"sip:x@[2001:db8::1]:9;transport=ws"),
    ],
)
def test_source_as_uri(flow, user, uri):
    assert source_uri(flow, user) == uri
