"""A Via that comes again is known by its octets and treated as the one that was parsed (RFC 3261 section 18.2)."""

from __future__ import annotations

import pytest
from parts import EDGE, LISTENERS, OWN, request, wss_flow

from proxy.core.flows import Flows
from proxy.core.hops import known_hop, settle_hop
from proxy.core.response_routing import reply_flow, stamp_via
from proxy.counts import Counts
from proxy.flow import Flow

FLOWS = Flows(LISTENERS, 100, 1)
COUNTS = Counts(len(LISTENERS))
CLIENTS = [
    pytest.param(lambda: Flow(EDGE, "198.51.100.7", 4711), id="client"),
    pytest.param(lambda: Flow(OWN, "10.0.0.5", 5060), id="server"),
    pytest.param(wss_flow, id="stream"),
]
# As received, with % for the branch.
USUAL = [
    "SIP/2.0/UDP 198.51.100.7:4711;branch=%",
    "SIP/2.0/UDP 198.51.100.7:4711;rport;branch=%",
    "SIP/2.0/UDP 198.51.100.7:4711;branch=%;rport",
    "SIP/2.0/UDP 192.168.1.5:5062;branch=%;rport;alias",
    "SIP/2.0/UDP 192.168.1.5;branch=%",
    "SIP/2.0/UDP 198.51.100.7:5090;branch=%",
    "SIP/2.0/TLS phone.invalid;branch=%;keep",
    "SIP/2.0/WSS x7.invalid;rport=;branch=%;received=10.1.1.1",
]


def send(via: str, flow: Flow, branch: str):
    """One request on the flow: whether its hop was known, the flow of its responses, its Via as it goes on."""
    message = request("OPTIONS", "Via: " + via.replace("%", branch))
    hop = known_hop(message, flow)
    home = settle_hop(message, flow, hop, branch.encode(), FLOWS, COUNTS)
    return hop, home, message


@pytest.mark.parametrize("make", CLIENTS)
@pytest.mark.parametrize("via", USUAL)
def test_second_one_is_treated_as_if_it_were_parsed(make, via):
    flow = make()
    assert send(via, flow, "z9hG4bK.a-1")[0] is None
    hop, home, message = send(via, flow, "z9hG4bKother22")
    parsed = request("OPTIONS", "Via: " + via.replace("%", "z9hG4bKother22"))
    assert hop is not None
    assert (hop.sent_by, hop.port) == (parsed.via.sent_by, parsed.via.port)
    assert hop.branch_in(parsed.lines[1]) == b"z9hG4bKother22"
    expected = reply_flow(parsed, flow, FLOWS, COUNTS)
    stamp_via(parsed, flow)
    assert message.lines == parsed.lines
    assert home.key == expected.key


@pytest.mark.parametrize(
    "other",
    [
        "SIP/2.0/UDP 198.51.100.7:4711;branch=z9hG4bKb",
        "SIP/2.0/UDP 198.51.100.8:4711;rport;branch=z9hG4bKb",
        "SIP/2.0/UDP 198.51.100.7:4711;rport;branch=b",
        "SIP/2.0/UDP 198.51.100.7:4711;rport;branch=z9hG4bK",
        "SIP/2.0/UDP 198.51.100.7:4711;rport;branch=z9hG4bKb;x=1",
        "SIP/2.0/UDP 198.51.100.7:4711;rport;branch=z9hG4bKb, SIP/2.0/UDP h;branch=z9hG4bKc",
        'SIP/2.0/UDP 198.51.100.7:4711;rport;branch="z9hG4bKb"',
        "SIP/2.0/UDP 198.51.100.7:4711;rport;branch=z9hG4bKb ;y",
        "SIP/2.0/UDP 198.51.100.7:4711;rport;branch=z9hG4bKb\r\n ;y",
    ],
)
def test_any_other_is_parsed(other):
    flow = Flow(EDGE, "198.51.100.7", 4711)
    send(USUAL[1], flow, "z9hG4bKa")
    assert known_hop(request("OPTIONS", "Via: " + USUAL[1].replace("%", "z9hG4bKb")), flow) is not None
    assert known_hop(request("OPTIONS", "Via: " + other), flow) is None


@pytest.mark.parametrize(
    "via",
    [
        "SIP/2.0/UDP 198.51.100.7:4711;branch=%;maddr=224.2.0.1",
        "SIP/2.0/UDP 198.51.100.7:4711;branch=%, SIP/2.0/UDP h;branch=z9hG4bKc",
        'SIP/2.0/UDP 198.51.100.7:4711;branch=%;x="y"',
        "SIP/2.0/UDP 198.51.100.7:4711;x-branch=1;branch=%",
        "SIP/2.0/UDP 198.51.100.7:4711\r\n ;branch=%",
        "SIP/2.0/UDP 198.51.100.7:4711;branch=b%",
    ],
)
def test_what_is_not_plain_is_parsed_each_time(via):
    flow = Flow(EDGE, "198.51.100.7", 4711)
    for branch in ("z9hG4bKa", "z9hG4bKb"):
        assert send(via, flow, branch)[0] is None


def test_via_that_does_not_come_first_is_parsed():
    flow = Flow(EDGE, "198.51.100.7", 4711)
    send(USUAL[0], flow, "z9hG4bKa")
    message = request("OPTIONS", "Via: " + USUAL[0].replace("%", "z9hG4bKb"))
    message.insert(1, b"subject", b"Subject: x")
    assert known_hop(message, flow) is None


def test_further_vias_stay():
    flow = Flow(EDGE, "198.51.100.7", 4711)
    send(USUAL[1], flow, "z9hG4bKa")
    below = "Via: SIP/2.0/UDP h;branch=z9hG4bKc"
    message = request("OPTIONS", "Via: " + USUAL[1].replace("%", "z9hG4bKb"), below)
    settle_hop(message, flow, known_hop(message, flow), b"z9hG4bKb", FLOWS, COUNTS)
    assert message.values(b"via")[1:] == [below.encode()[5:]]
