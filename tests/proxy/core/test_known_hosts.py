"""Whom a host means."""

from __future__ import annotations

from tests.support.world import World


def test_whom_a_host_means():
    world = World()
    hosts = world.core.node.names.hosts
    assert hosts.is_proxy(b"10.0.0.2")
    assert not hosts.is_proxy(b"10.0.0.5")
    assert hosts.is_server(b"10.0.0.5")
    assert not hosts.is_server(b"10.0.0.6")
