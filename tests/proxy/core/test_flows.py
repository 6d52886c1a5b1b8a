"""Flows are found again by what they are, and cannot fill the memory."""

from __future__ import annotations

import pytest
from parts import EDGE, EDGE_TCP, EDGE_WSS, LISTENERS, OWN

from proxy.core.flows import Flows
from proxy.flow import MAX_CONNECTION, TCP, UDP, WSS


def flows(limit: int = 100, first: int = 1) -> Flows:
    return Flows(LISTENERS, limit, first)


class TestUdp:
    def test_one_flow_per_socket_and_remote_address(self):
        known = flows()
        flow = known.udp(EDGE, "192.0.2.1", 5060)
        assert known.udp(EDGE, "192.0.2.1", 5060) is flow
        assert known.udp(EDGE, "192.0.2.1", 5061) is not flow
        assert known.udp(EDGE, "192.0.2.2", 5060) is not flow
        assert known.udp(OWN, "192.0.2.1", 5060) is not flow
        assert (flow.listener, flow.remote_host, flow.remote_port, flow.number) == (EDGE, "192.0.2.1", 5060, 0)

    def test_oldest_gives_way_and_is_made_anew(self):
        known = flows(limit=2)
        first = known.udp(EDGE, "192.0.2.1", 1)
        second = known.udp(EDGE, "192.0.2.1", 2)
        known.udp(EDGE, "192.0.2.1", 3)
        assert known.figures()[UDP] == 2
        assert known.udp(EDGE, "192.0.2.1", 2) is second
        again = known.udp(EDGE, "192.0.2.1", 1)
        assert again is not first
        assert again.key == first.key, "the same association by another object"


class TestStream:
    def test_every_connection_has_a_number_of_its_own(self):
        known = flows()
        made = [known.stream(EDGE_WSS, "192.0.2.1", 1, False) for _ in range(3)]
        assert [flow.number for flow in made] == [1, 2, 3]
        assert [known.streams[flow.number] for flow in made] == made
        assert not made[0].outgoing
        assert known.stream(EDGE_TCP, "192.0.2.1", 1, True).outgoing

    @pytest.mark.parametrize(
        ("first", "numbers"),
        [
            (0, [1, 2]),
            (MAX_CONNECTION, [1, 2]),
            (MAX_CONNECTION - 1, [MAX_CONNECTION - 1, MAX_CONNECTION]),
            (7**30, [7**30 % MAX_CONNECTION, 7**30 % MAX_CONNECTION + 1]),
        ],
    )
    def test_first_number_is_given_and_wraps(self, first, numbers):
        known = flows(first=first)
        assert [known.stream(EDGE_WSS, "h", 1, False).number for _ in range(2)] == numbers

    def test_number_in_use_is_passed_over(self):
        known = flows(first=MAX_CONNECTION - 1)
        made = [known.stream(EDGE_WSS, "h", 1, False) for _ in range(4)]
        assert [flow.number for flow in made] == [MAX_CONNECTION - 1, MAX_CONNECTION, 1, 2]
        known._next = 1
        assert known.stream(EDGE_WSS, "h", 1, False).number == 3
        assert all(len(flow.mark) == 6 for flow in made)

    def test_closed_flow_is_forgotten(self):
        known = flows()
        flow = known.stream(EDGE_WSS, "h", 1, False)
        known.close(flow)
        assert not flow.open
        assert known.streams == {}
        known.close(flow)


def test_figures_by_transport():
    known = flows()
    known.udp(EDGE, "h", 1)
    known.udp(OWN, "h", 1)
    known.stream(EDGE_TCP, "h", 1, False)
    known.stream(EDGE_WSS, "h", 1, False)
    known.stream(EDGE_WSS, "h", 2, False)
    figures = known.figures()
    assert (figures[UDP], figures[TCP], figures[WSS], sum(figures)) == (2, 1, 2, 5)
