"""What clients see of a listener, and which sockets cannot be had at once."""

from __future__ import annotations

import pytest

from proxy.config.address import overlaps, public_host, public_port, targets_of
from proxy.config.model import ListenerSettings, ServerSettings
from proxy.config.uris import parse_listen


@pytest.mark.parametrize(
    ("uri", "own", "default", "seen"),
    [
        ("udp://0.0.0.0", None, "203.0.113.10", "203.0.113.10"),
        ("udp://0.0.0.0", "edge.example.com", "203.0.113.10", "edge.example.com"),
        ("udp://0.0.0.0", None, "edge.example.com", "edge.example.com"),
        ("udp://0.0.0.0", None, None, None),
        ("udp://0.0.0.0", None, "2001:db8::1", None),
        ("udp://[::]", None, "203.0.113.10", "203.0.113.10"),
        ("udp://10.0.0.2", None, "203.0.113.10", "203.0.113.10"),
        ("udp://10.0.0.2", None, None, "10.0.0.2"),
        ("udp://[2001:db8::2]", None, "203.0.113.10", "2001:db8::2"),
    ],
)
def test_the_public_host_of_a_listener(uri, own, default, seen):
    assert public_host(ListenerSettings(uri=uri, public_address=own), default) == seen


def test_the_public_port_of_a_listener():
    assert public_port(ListenerSettings(uri="udp://0.0.0.0:5062")) == 5062
    assert public_port(ListenerSettings(uri="udp://0.0.0.0:5062", public_port=5060)) == 5060


def test_one_uri_and_several_targets_are_the_same_to_the_rest():
    one = ServerSettings(domain="example.com", uri="sip:10.0.0.5")
    several = ServerSettings(domain="example.com", targets=[{"uri": "sip:10.0.0.5"}])
    assert targets_of(one) == targets_of(several) == several.targets


def test_targets_are_tried_by_priority_then_in_their_order():
    items = [{"uri": f"sip:10.0.0.{n}", "priority": p} for n, p in ((1, 5), (2, 0), (3, 5), (4, 0))]
    found = targets_of(ServerSettings(domain="example.com", targets=items))
    assert [target.uri.host for target in found] == ["10.0.0.2", "10.0.0.4", "10.0.0.1", "10.0.0.3"]


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("udp://10.0.0.2:5060", "udp://10.0.0.2:5060", True),
        ("udp://10.0.0.2:5060", "udp://10.0.0.2:5061", False),
        ("udp://10.0.0.2:5060", "udp://10.0.0.3:5060", False),
        ("udp://10.0.0.2:5060", "tcp://10.0.0.2:5060", False),
        ("tcp://10.0.0.2:5060", "ws://10.0.0.2:5060", True),
        ("udp://0.0.0.0:5060", "udp://10.0.0.2:5060", True),
        ("udp://0.0.0.0:5060", "udp://[2001:db8::1]:5060", False),
        ("udp://[::]:5060", "udp://0.0.0.0:5060", True),
        ("udp://[::]:5060", "udp://10.0.0.2:5060", True),
    ],
)
def test_sockets_that_cannot_be_had_at_once(one, other, clash):
    assert overlaps(parse_listen(one), parse_listen(other)) is clash
    assert overlaps(parse_listen(other), parse_listen(one)) is clash
