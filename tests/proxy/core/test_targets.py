"""Targets: who the server is, which of its addresses is tried, and by which flow."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from parts import EDGE, LISTENERS, OWN, OWN_TCP, settings

from proxy.core.flows import Flows
from proxy.core.targets import Target, Targets, port_of, transport_of
from proxy.effects import OpenFlow
from proxy.flow import TCP, TLS, UDP, Flow
from proxy.sip.uri import parse_uri

ONE, TWO, TCP_ONE = (UDP, "10.0.0.5", 5060), (UDP, "10.0.0.6", 5062), (TCP, "10.0.0.5", 5060)


def targets(*addresses, **more) -> Targets:
    made = Targets(settings(**more), Flows(LISTENERS, 100, 1))
    made.resolve(addresses)
    return made


def test_name_of_a_target():
    assert Target(0, ONE).name == "udp:10.0.0.5:5060"
    assert Target(0, (TLS, "2001:db8::5", 5061)).name == "tls:[2001:db8::5]:5061"
    assert Target(0, (TLS, "2001:db8::5", 5061)).host_port == b"[2001:db8::5]:5061"


@pytest.mark.parametrize(
    ("uri", "transport", "port"),
    [
        ("sip:10.0.0.5", UDP, 5060),
        ("sip:10.0.0.5;transport=tcp", TCP, 5060),
        ("sip:10.0.0.5;transport=TLS", TLS, 5061),
        ("sips:10.0.0.5", TLS, 5061),
        ("sips:10.0.0.5:5099;transport=tcp", TLS, 5099),
        ("sip:10.0.0.5;transport=carrier-pigeon", UDP, 5060),
    ],
)
def test_where_a_uri_leads(uri, transport, port):
    """RFC 3261 section 19.1.2: sips means TLS, TLS means 5061."""
    parsed = parse_uri(uri.encode())
    assert (transport_of(parsed), port_of(parsed)) == (transport, port)


class TestResolve:
    def test_keeps_what_is_known_of_a_target_that_stays(self):
        known = targets(ONE, TWO)
        one, two = known.all
        two.up = False
        known.resolve((TWO, TCP_ONE))
        assert known.all[0] is two
        assert (two.index, two.up) == (1, False)
        assert one not in known.all
        assert known.is_server("10.0.0.5"), "by TCP now"

    def test_as_many_as_a_record_route_can_name(self):
        known = targets(*((UDP, f"10.0.1.{i}", 5060) for i in range(60)))
        assert [target.index for target in known.all] == list(range(36))
        assert known.is_server("10.0.1.59")

    def test_nobody_yet(self):
        known = targets()
        assert known.choose(0.0) is None
        assert known.of_dialog(3, 0.0) is None
        assert not known.is_server("10.0.0.5")


class TestChoice:
    def test_first_that_is_up(self):
        known = targets(ONE, TWO)
        one, two = known.all
        assert known.choose(0.0) is one
        one.up = False
        assert known.choose(0.0) is two
        two.up = False
        assert known.choose(0.0) is one, "somebody has to be tried"

    def test_of_a_dialog(self):
        known = targets(ONE, TWO)
        assert known.of_dialog(1, 0.0) is known.all[1]
        assert known.of_dialog(7, 0.0) is known.all[0]

    def test_index_of_a_flow(self):
        known = targets(ONE, TWO)
        assert known.index_of(Flow(OWN, "10.0.0.6", 9)) == 1
        assert known.index_of(Flow(OWN, "10.0.0.99", 9)) == 0


class TestWhoIsTheServer:
    def test_addresses_of_targets(self):
        known = targets(ONE)
        assert known.is_server("10.0.0.5")
        assert not known.is_server("10.0.0.55")
        assert known.may_follow("10.0.0.5", 5060)
        assert not known.may_follow("10.0.0.5", 5061)

    def test_networks(self):
        known = targets(ONE, networks=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")))
        for host in ("192.0.2.9", "2001:db8::9", "2001:db8::9%eth0"):
            assert known.is_server(host)
            assert known.is_server(host), "from memory"
            assert known.may_follow(host, 1)
        assert not known.is_server("198.51.100.1")
        assert not known.is_server("pbx.example.com"), "no name is resolved here"

    def test_memory_is_bounded(self):
        known = targets(ONE, networks=(ip_network("192.0.2.0/24"),))
        for i in range(5000):
            known.is_server(f"10.{i >> 8}.{i & 255}.1")
        assert len(known._verdicts) <= 4096


class TestFlows:
    def test_udp_needs_no_opening(self):
        known = targets(ONE)
        out: list = []
        flow = known.flow_to(known.all[0], out)
        assert (flow.listener, flow.address, out) == (OWN, ("10.0.0.5", 5060), [])
        assert known.flow_to(known.all[0], out) is flow

    def test_stream_is_opened_once_and_reused(self):
        known = targets(TCP_ONE)
        out: list = []
        flow = known.flow_to(known.all[0], out)
        assert (flow.listener, flow.outgoing) == (OWN_TCP, True)
        assert known.flow_to(known.all[0], out) is flow
        assert known.connect(TCP_ONE, out) is flow
        (opened,) = out
        assert isinstance(opened, OpenFlow)
        assert opened.flow is flow

    def test_broken_stream_is_opened_anew(self):
        known = targets(TCP_ONE)
        out: list = []
        flow = known.flow_to(known.all[0], out)
        flow.open = False
        assert known.flow_to(known.all[0], out) is not flow
        assert len(out) == 2

    def test_transport_that_no_socket_speaks(self):
        known = targets((TLS, "10.0.0.5", 5061))
        assert known.flow_to(known.all[0], []) is None


@pytest.mark.parametrize("listener", [EDGE])
def test_client_side_sockets_are_never_used(listener):
    known = Targets(settings(listeners=(listener,)), Flows((listener,), 10, 1))
    known.resolve((ONE,))
    assert known.flow_to(known.all[0], []) is None


class TestAnother:
    def test_none_of_those_tried(self):
        known = targets(ONE, TWO)
        one, two = known.all
        assert known.another((), 0.0) is one
        assert known.another((one.index,), 0.0) is two
        assert known.another((one.index, two.index), 0.0) is None

    def test_none_that_is_down_or_without_room(self):
        known = targets(ONE, TWO)
        one, two = known.all
        one.busy_until = 10.0
        assert known.another((), 9.0) is two
        assert known.another((), 10.0) is one
        two.up = False
        assert known.another((), 9.0) is None
        assert known.choose(9.0) is one, "somebody has to be asked"


class TestStreamBeside:
    def test_connection_to_the_same_place(self):
        known, out = targets(ONE), []
        flow = Flow(OWN, "10.0.0.5", 5060)
        stream = known.stream_beside(flow, 0.0, out)
        assert (stream.listener, stream.address) == (OWN_TCP, flow.address)
        assert [effect.flow for effect in out] == [stream]
        assert known.stream_beside(flow, 0.0, out) is stream

    def test_pause_grows_to_an_hour(self):
        known, flow, now, pauses = targets(ONE), Flow(OWN, "10.0.0.5", 5060), 0.0, []
        for _ in range(9):
            known.stream_failed(flow, now)
            begun = now
            while known.stream_beside(flow, now, []) is None:
                now += 30.0
            pauses.append(now - begun)
        assert pauses == [60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0, 3600.0]

    def test_pause_ends_with_the_first_answer(self):
        known, flow = targets(ONE), Flow(OWN, "10.0.0.5", 5060)
        known.stream_failed(flow, 0.0)
        known.stream_made(flow)
        assert known.stream_beside(flow, 0.0, []) is not None

    def test_so_many_are_remembered_and_no_more(self):
        known = targets(ONE)
        flows = [Flow(OWN, f"10.1.{i // 250}.{i % 250}", 5060) for i in range(1025)]
        for flow in flows:
            known.stream_failed(flow, 0.0)
        assert known.stream_beside(flows[0], 1.0, []) is not None
        assert known.stream_beside(flows[1], 1.0, []) is None
