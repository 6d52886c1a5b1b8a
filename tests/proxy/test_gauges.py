"""What the core holds, as the metrics ask for it: over a real core."""

from __future__ import annotations

import math

import pytest

from proxy.config.load import parse_config
from proxy.core.proxy_core import ProxyCore
from proxy.core.settings import CoreSettings
from proxy.counts import Counts
from proxy.events import FlowClosed, MessageReceived, TargetsResolved
from proxy.flow import CLIENT, SERVER, TCP, UDP, Listener
from proxy.gauges import CoreGauges
from proxy.ruling import make_pipelines
from tests.support.wire_end import request

LISTENERS = (
    Listener(0, CLIENT, UDP, "192.0.2.1", 5060, "192.0.2.1", 5060),
    Listener(1, CLIENT, TCP, "192.0.2.1", 5060, "192.0.2.1", 5060),
    Listener(2, SERVER, UDP, "10.0.0.2", 5070, "10.0.0.2", 5070),
)
CONFIG = """\
server: {domain: example.com, uri: "sip:10.0.0.5"}
listen: ["udp://192.0.2.1:5060"]
token_key: /nonexistent/key
"""


@pytest.fixture
def core():
    pieces = iter(range(10_000))
    counts = Counts(len(LISTENERS))
    pipelines = make_pipelines(parse_config(CONFIG, "edge.yaml", {"HOME": "/nonexistent"}), counts, ())
    settings = CoreSettings(b"example.com", LISTENERS)
    core = ProxyCore(settings, *pipelines, counts, (b"k" * 32,), lambda: b"%016d" % next(pieces))
    core.handle(TargetsResolved(((UDP, "10.0.0.5", 5060),), 0.0))
    return core


def test_an_idle_core_holds_nothing_but_its_target(core):
    gauges = CoreGauges(core)
    assert set(gauges.transactions().values()) == {0}
    assert gauges.timers() == 0
    assert gauges.bindings() == {"registered": 0, "abandoned": 0, "lingering": 0}
    assert gauges.guests() == 0
    assert gauges.flows() == {"udp": 0, "tcp": 0, "tls": 0, "ws": 0, "wss": 0}
    [(name, up, rtt)] = gauges.targets()
    assert (name, up) == ("udp:10.0.0.5:5060", True)
    assert math.isnan(rtt)
    assert gauges.config_generation() == 1


def test_a_request_under_way_shows_in_all_of_them(core):
    gauges = CoreGauges(core)
    flow = core.node.flows.udp(LISTENERS[0], "198.51.100.7", 4711)
    core.handle(MessageReceived(flow, request("INVITE", "198.51.100.7:4711"), 1.0))
    figures = gauges.transactions()
    assert (figures["invite_server"], figures["invite_client"]) == (1, 1)
    assert gauges.timers() > 0
    assert gauges.flows()["udp"] == 2  # the client's and the server's


def test_a_connection_counts_until_it_is_closed(core):
    """What a closed connection leaves behind would be kept for as long as the process lives."""
    gauges = CoreGauges(core)
    flows = [core.node.flows.stream(LISTENERS[1], "198.51.100.7", 4711 + n, False) for n in range(50)]
    assert gauges.flows()["tcp"] == 50
    for flow in flows:
        core.handle(FlowClosed(flow, "peer_closed", 1.0))
    assert gauges.flows()["tcp"] == 0
    assert core.node.flows.streams == {}
    assert not any(flow.open for flow in flows)


def test_the_generation_is_what_the_service_counts(core):
    gauges = CoreGauges(core)
    gauges.generation += 2
    assert gauges.config_generation() == 3
