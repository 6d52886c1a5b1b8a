"""Branches of clients' requests: what is put on top, and by which flow they leave; tests/ladders play the rest."""

from __future__ import annotations

import pytest
from parts import ALICE, SERVER_ADDRESS, K, node, request

from proxy.core.branches import LARGEST_DATAGRAM, Branches
from proxy.core.response_context import ResponseContext
from proxy.core.routing import OwnRoutes
from proxy.effects import OpenFlow, Send
from proxy.flow import TCP, UDP
from proxy.transaction.key import server_key

OTHER = (UDP, "10.0.0.6", 5060)


class Home:
    """Nobody is at home: no answer comes in these tests."""


class Play:
    def __init__(self, *addresses, **settings) -> None:
        self.node = node(resolve=False, **settings)
        self.node.targets.resolve(addresses or (SERVER_ADDRESS,))
        self.branches = Branches(self.node, OwnRoutes(self.node.settings, self.node.mint))
        self.out: list = []

    def begin(self, message) -> ResponseContext:
        layer = self.node.layer
        server = layer.open_server(message, server_key(message, 0), ALICE, self.out)
        context = ResponseContext(Home(), layer, message, ALICE, server)
        target = self.node.targets.all[0]
        leaving = self.node.targets.flow_to(target, self.out)
        self.branches.begin(context, message.copy(), target, leaving, b"0123456789abcdef", self.out)
        return context

    def sent(self):
        return [effect for effect in self.out if isinstance(effect, Send)]


def test_ack_has_no_transaction():
    play = Play()
    play.branches.acknowledge(request("ACK"), K, b"0123456789abcdef", play.out)
    (sent,) = play.sent()
    assert (sent.flow, sent.kind) == (K, b"ACK")
    assert sent.octets.count(b"\r\nVia:") == 2
    assert play.node.layer.clients == {}


@pytest.mark.parametrize(("method", "routes"), [("INVITE", 2), ("MESSAGE", 0)])
def test_hop_on_top(method, routes):
    play = Play()
    context = play.begin(request(method))
    (sent,) = play.sent()
    assert sent.octets.count(b"\r\nRecord-Route: ") == routes
    assert [branch.flow.address for branch in context.branches] == [("10.0.0.5", 5060)]
    assert context.target is play.node.targets.all[0]


def test_nothing_is_kept_for_another_attempt_where_there_is_none():
    """The ordinary case: one target, and a request that fits into a datagram."""
    assert Play().begin(request()).attempts is None
    assert Play(SERVER_ADDRESS, OTHER).begin(request()).attempts is not None
    within = request("INVITE", "To: <sip:bob@example.com>;tag=t1")
    assert Play(SERVER_ADDRESS, OTHER).begin(within).attempts is None


def test_stream_only_beside_udp():
    large = request("MESSAGE", "X: " + "x" * LARGEST_DATAGRAM)
    play = Play((TCP, "10.0.0.5", 5060))
    assert play.begin(large).attempts is None
    assert len([effect for effect in play.out if isinstance(effect, OpenFlow)]) == 1
    play = Play()
    context = play.begin(large)
    assert context.attempts is not None
    assert [branch.flow.listener.transport for branch in context.branches] == [TCP]
