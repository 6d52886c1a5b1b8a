"""From the settings to sockets: which share one, and what each is told. Nothing is bound here."""

from __future__ import annotations

from twisted.internet.task import Clock

from proxy.assembly import make_listeners, make_pipelines, make_settings
from proxy.config.load import parse_config
from proxy.core.proxy_core import ProxyCore
from proxy.counts import Counts
from proxy.flow import UDP
from proxy.sockets import make_transports
from proxy.transport.udp import UdpPort

SERVER = (UDP, "127.0.0.9", 5060)


def transports(listen, sections=""):
    text = (
        "server: {domain: example.com, uri: 'sip:127.0.0.9:5060', bind: 'udp://127.0.0.1:5070'}\n"
        f"listen:\n{listen}{sections}"
    )
    config = parse_config(text, "edge.yaml", {"HOME": "/nonexistent"})
    listeners = make_listeners(config, [SERVER])
    counts = Counts(len(listeners))
    pipelines = make_pipelines(config, counts, ())
    core = ProxyCore(make_settings(config, listeners, [SERVER]), *pipelines, counts, (b"k" * 32,), lambda: b"0" * 16)
    return make_transports(config, listeners, Clock(), core, lambda event: None, lambda note: None)


def test_each_listener_has_its_transport_in_order():
    made = transports("  - udp://127.0.0.1:5060\n  - tcp://127.0.0.1:5060\n  - ws://127.0.0.1:8080\n")
    assert [transport.listener.index for transport in made] == [0, 1, 2, 3, 4]
    assert [isinstance(transport, UdpPort) for transport in made] == [True, False, False, True, False]


def test_listeners_of_one_address_share_a_socket():
    made = transports("  - tcp://127.0.0.1:5060\n  - ws://127.0.0.1:5060\n  - ws://127.0.0.2:5060\n")
    tcp, ws, other, _, side = made
    assert tcp.entrance is ws.entrance
    assert len({tcp.entrance, other.entrance, side.entrance}) == 3


def test_a_listener_gets_its_own_rules():
    one, other, *_ = transports(
        "  - {uri: 'ws://127.0.0.1:80', paths: [/sip], origins: [https://a.example], trusted_proxies: [10.0.0.0/8]}\n"
        "  - ws://127.0.0.1:81\n"
    )
    assert (one.rules.paths, one.rules.origins) == ({"/sip"}, {"https://a.example"})
    assert [str(network) for network in one.entrance.trusted] == ["10.0.0.0/8"]
    assert (other.rules.paths, other.rules.origins, other.entrance.trusted) == (frozenset(), frozenset(), ())


def test_the_bounds_are_those_of_the_file():
    tcp, ws, *_ = transports(
        "  - tcp://127.0.0.1:5060\n  - ws://127.0.0.1:80\n",
        "limits: {max_head: 2000, max_message: 3000, handshake: 3s, websocket_ping: 7s, idle_stream: 9s, flows: 5}\n",
    )
    limits = tcp.limits
    assert (limits.max_head, limits.max_body, limits.handshake, limits.ping) == (2000, 3000, 3.0, 7.0)
    assert (limits.idle, limits.connections) == (9.0, 5)
    assert ws.rules.max_message == 5000
