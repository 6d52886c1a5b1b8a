"""A node puts its parts together once, and they are the same for everybody."""

from __future__ import annotations

import pytest
from parts import EDGE_WSS, LISTENERS, OWN, OWN_TCP, node, settings

from proxy.core.repairs import Repairs
from proxy.core.settings import CoreSettings
from proxy.flow import TCP, TLS
from proxy.repair.pipeline import Pipeline


def test_parts_know_each_other():
    made = node()
    assert made.server_side is OWN
    assert made.targets.choose(0.0).address == (0, "10.0.0.5", 5060)
    assert made.layer.scene.counts is made.counts
    assert made.names.address == b"10.0.0.2:5070;transport=udp"
    assert not made.draining


def test_time_is_that_of_the_transactions():
    made = node()
    made.layer.scene.now = 12.5
    assert made.now == 12.5


def test_first_connection_number_is_random():
    """A name of a connection from before a restart fits none of today's."""
    assert node().flows.stream(EDGE_WSS, "h", 1, False).number == int("0000000000000001", 36) % 0xFFFFFF


def test_side_of_the_configured_transport():
    assert node(server_transport=TCP).server_side is OWN_TCP
    with pytest.raises(LookupError):
        node(server_transport=TLS)


def test_other_rules_from_the_next_message_on():
    made = node()
    before = made.repairs
    rules = Pipeline((), {}, made.counts)
    made.use_pipelines(rules, rules)
    assert made.repairs is not before
    assert isinstance(made.via_repairs, Repairs)
    assert made.repairs.names is made.names


def test_settings_have_safe_defaults_and_stay_as_they_are():
    made = settings()
    assert isinstance(made, CoreSettings)
    assert made.listeners == LISTENERS
    assert (made.path, made.contact_user) == ("auto", "aor")
    assert (made.linger, made.guest_ttl, made.health_interval) == (43200.0, 43200.0, 0.0)
    with pytest.raises(AttributeError):
        made.path = "off"
    assert made.timers is not settings().timers
