"""Bindings on their way to a file and back: nothing is lost, and two clocks are kept apart."""

from __future__ import annotations

import pytest
from kept_clients import LISTENERS, TCP_EDGE, UDP_EDGE, WSS_EDGE, FakeFlows, client

from proxy.binding import LINGERING, REGISTERED
from proxy.flow import CLIENT, UDP, Flow, Listener
from proxy.store.row import bindings_of, row_of

# The first process ran at 100 s of its clock when it was 1,000,000 s on the wall; the second begins anew at 5 s.
THEN, WALL, NOW = 100.0, 1_000_000.0, 5.0
KEPT = (
    "token", "aor", "instance", "reg_id", "serial", "contact", "shown", "state", "call_id", "auth_user", "user_agent",
    "outbound", "abandoned",
)  # fmt: skip


def back(binding, later=60.0, listeners=LISTENERS, flows=None):
    """The binding after a restart that took so many seconds."""
    row = row_of(binding, THEN, WALL)
    (again,) = bindings_of([row], listeners, flows or FakeFlows(), NOW, WALL + later)
    return again


def test_all_that_names_a_client_comes_back():
    values = {
        "instance": b'"<urn:x>"', "reg_id": 2, "serial": 1, "call_id": b"c\xff", "auth_user": b"al",
        "user_agent": b"SIP.js/0.21", "outbound": True, "abandoned": True,
    }  # fmt: skip
    binding = client(**values)
    again = back(binding)
    assert [getattr(again, name) for name in KEPT] == [getattr(binding, name) for name in KEPT]


def test_times_are_those_of_this_clock():
    """900 s of the first clock were 800 s away; 60 s later 740 s are left."""
    again = back(client())
    assert (again.expires_at, again.stored_until, again.last_used) == (NOW + 740, NOW + 740, NOW - 60)


def test_what_ran_out_meanwhile_has_run_out():
    assert back(client(), later=1000.0).expires_at == NOW - 200


def test_wall_clock_that_was_set_back_makes_nothing_longer():
    """A machine without a battery believes in 1970 until it has heard of NTP."""
    again = back(client(), later=-WALL)
    assert (again.expires_at, again.last_used) == (NOW + 800, NOW)


@pytest.mark.parametrize("state", [REGISTERED, LINGERING])
def test_state(state):
    assert back(client(state=state)).state == state


def test_udp_flow_is_made_anew():
    flows = FakeFlows()
    again = back(client(), flows=flows)
    assert again.flow is flows.made[0]
    assert (again.flow.listener, again.flow.address, again.flow.open) == (UDP_EDGE, ("198.51.100.7", 4711), True)


@pytest.mark.parametrize("edge", [TCP_EDGE, WSS_EDGE])
def test_connection_is_closed_until_the_client_is_back(edge):
    again = back(client(flow=Flow(edge, "198.51.100.7", 50112, 77)))
    assert (again.flow.listener, again.flow.open, again.flow.number) == (edge, False, 0)
    assert again.flow.remote_host == "198.51.100.7"


@pytest.mark.parametrize("edge", [UDP_EDGE, WSS_EDGE])
def test_listener_that_is_no_longer_configured(edge):
    """The client is known and cannot be reached."""
    flows = FakeFlows()
    again = back(client(flow=Flow(edge, "198.51.100.7", 50112)), listeners=(TCP_EDGE,), flows=flows)
    assert not again.flow.open
    assert again.flow.remote_host == "198.51.100.7"
    assert flows.made == []
    assert row_of(again, THEN, WALL).bound_port == edge.port, "it is written as it was, should the listener come back"


def test_listener_is_known_by_its_socket_and_not_by_its_place():
    moved = Listener(5, CLIENT, UDP, "0.0.0.0", 5060, "198.51.100.1", 5060)
    assert back(client(), listeners=(TCP_EDGE, moved)).flow.listener is moved
