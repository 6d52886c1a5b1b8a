"""Where responses go is settled when the request arrives (RFC 3261 section 18.2, RFC 3581; protocol 10)."""

from __future__ import annotations

import pytest
from parts import ALICE, EDGE, EDGE_TCP, LISTENERS, OWN, request

from proxy.core.flows import Flows
from proxy.core.response_routing import reopened, reply_flow, stamp_via
from proxy.counts import Counts
from proxy.flow import Flow

SIX = Flow(EDGE, "2001:db8::7", 4711)


@pytest.mark.parametrize(
    ("flow", "via", "stamped"),
    [
        (ALICE, "198.51.100.7:5060;branch=x", "198.51.100.7:5060;branch=x"),
        (ALICE, "198.51.100.7", "198.51.100.7"),
        (ALICE, "192.168.1.5;branch=x", "192.168.1.5;branch=x;received=198.51.100.7"),
        (ALICE, "gadget.invalid;branch=x", "gadget.invalid;branch=x;received=198.51.100.7"),
        (ALICE, "198.51.100.7;rport;branch=x", "198.51.100.7;rport=4711;branch=x;received=198.51.100.7"),
        (ALICE, "192.168.1.5;branch=x;rport", "192.168.1.5;branch=x;rport=4711;received=198.51.100.7"),
        (ALICE, "192.168.1.5;RPORT;branch=x", "192.168.1.5;RPORT=4711;branch=x;received=198.51.100.7"),
        (ALICE, "192.168.1.5;rport=1;branch=x", "192.168.1.5;rport=4711;branch=x;received=198.51.100.7"),
        (ALICE, "192.168.1.5;rportx;rport", "192.168.1.5;rportx;rport=4711;received=198.51.100.7"),
        (ALICE, "192.168.1.5;rportx", "192.168.1.5;rportx;received=198.51.100.7"),
        (ALICE, "192.168.1.5;received=9.9.9.9;rport", "192.168.1.5;received=198.51.100.7;rport=4711"),
        (ALICE, "198.51.100.7;received=9.9.9.9", "198.51.100.7;received=198.51.100.7"),
        (ALICE, '192.168.1.5;x=";rport";rport', '192.168.1.5;x=";rport";rport=4711;received=198.51.100.7'),
        (ALICE, "192.168.1.5;rport , SIP/2.0/UDP h;rport",
         "192.168.1.5;rport=4711;received=198.51.100.7 , SIP/2.0/UDP h;rport"),
        (SIX, "[2001:db8::7]:5060;branch=x", "[2001:db8::7]:5060;branch=x"),
        (SIX, "[2001:db8::7];rport", "[2001:db8::7];rport=4711;received=2001:db8::7"),
        (SIX, "[fd00::1];branch=x", "[fd00::1];branch=x;received=2001:db8::7"),
    ],
)  # fmt: skip
def test_stamp(flow, via, stamped):
    message = request()
    message.replace(1, f"v :SIP/2.0/UDP {via}".encode())
    before = message.octets()
    view = message.via
    stamp_via(message, flow)
    assert message.lines[1] == f"v :SIP/2.0/UDP {stamped}".encode()
    assert message.octets() == before.replace(via.encode(), stamped.encode())
    assert message.via is view, "what the sender wrote"


def test_stamped_twice_is_stamped_once():
    message = request("INVITE", "Via: SIP/2.0/UDP 192.168.1.5;rport;branch=x")
    stamp_via(message, ALICE)
    once = message.octets()
    stamp_via(message, ALICE)
    assert message.octets() == once


class TestReplyFlow:
    def to(self, via: str, flow: Flow = ALICE):
        counts = Counts(len(LISTENERS))
        found = reply_flow(request("INVITE", f"Via: SIP/2.0/UDP {via}"), flow, Flows(LISTENERS, 10, 1), counts)
        return found.listener, found.remote_host, found.remote_port, dict(counts.dropped)

    def same(self, via: str, flow: Flow = ALICE) -> bool:
        return self.to(via, flow)[:3] == (flow.listener, flow.remote_host, flow.remote_port)

    def test_with_rport_to_where_it_came_from(self):
        """> the response MUST be sent ... to the source IP address and source port (RFC 3581 section 4)"""
        assert self.same("192.168.1.5:5060;rport")
        assert self.same("198.51.100.7:5060;RPORT=")

    def test_to_the_port_in_the_via_of_a_client_with_an_address_of_its_own(self):
        assert self.to("198.51.100.7:5062")[1:3] == ("198.51.100.7", 5062)
        assert self.to("198.51.100.7")[1:3] == ("198.51.100.7", 5060)
        assert self.same("198.51.100.7:4711")

    def test_to_the_source_port_of_a_client_behind_nat(self):
        """The port in its Via is behind the NAT, where nothing of ours arrives."""
        assert self.same("192.168.1.5:5062;branch=x")
        assert self.same("gadget.invalid")

    def test_server_is_believed(self):
        server = Flow(OWN, "10.0.0.5", 40000)
        assert self.to("pbx.local:5080", server)[:3] == (OWN, "10.0.0.5", 5080)
        assert self.to("pbx.local", server)[1:3] == ("10.0.0.5", 5060)

    def test_stream_by_its_connection(self):
        assert self.same("198.51.100.7:5062", Flow(EDGE_TCP, "198.51.100.7", 40000, 3))

    @pytest.mark.parametrize("via", ["198.51.100.7:4711;maddr=239.1.1.1", "192.168.1.5;MADDR=10.0.0.1;rport"])
    def test_maddr_is_ignored_and_counted(self, via):
        """Followed, it would make us send wherever a stranger likes (protocol 1.3 and 14)."""
        assert self.to(via)[1:] == ("198.51.100.7", 4711, {"maddr_ignored": 1})
        assert self.to("198.51.100.7:4711;xmaddr=1")[3] == {}


@pytest.mark.parametrize(("port", "expected"), [(5070, 5070), (0, 5060)])
def test_reopened_connection_goes_to_the_port_that_the_client_listens_on(port, expected):
    """> If that connection is no longer open ... the server SHOULD open a connection to the IP address in the
    "received" parameter, using the port in the "sent-by" value, or the default port (18.2.2)
    """
    flow = reopened(Flow(EDGE_TCP, "198.51.100.7", 40000, 3), port, Flows(LISTENERS, 10, 9))
    assert (flow.listener, flow.address, flow.number, flow.outgoing) == (
        EDGE_TCP, ("198.51.100.7", expected), 9, True,
    )  # fmt: skip
