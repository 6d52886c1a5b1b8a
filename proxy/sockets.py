"""From the listeners to their sockets: one transport for each, and one listening socket for those that share a port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from proxy.config.model import Config, ListenerSettings
from proxy.core.proxy_core import ProxyCore
from proxy.effects import Note
from proxy.flow import CLIENT, UDP, Listener
from proxy.transport.contract import Deliver, StreamLimits, Transport, WebSocketRules
from proxy.transport.entrance import Entrance
from proxy.transport.stream import StreamPort
from proxy.transport.udp import UdpPort


def stream_limits(config: Config) -> StreamLimits:
    """The bounds on every stream."""
    limits = config.limits
    return StreamLimits(
        limits.max_head,
        limits.max_message,
        limits.max_header_lines,
        limits.write_buffer,
        limits.idle_stream,
        connections=limits.flows,
        handshake=limits.handshake,
        ping=limits.websocket_ping,
    )


def websocket_rules(config: Config, settings: ListenerSettings) -> WebSocketRules:
    """Which WebSocket handshakes a listener takes."""
    longest = config.limits.max_head + config.limits.max_message
    return WebSocketRules(frozenset(settings.paths), frozenset(settings.origins), longest)


def make_transports(
    config: Config,
    listeners: Sequence[Listener],
    reactor: Any,
    core: ProxyCore,
    deliver: Deliver,
    note: Callable[[Note], None],
) -> list[Transport]:
    """The transports in the order of the listeners. Nothing is bound yet."""
    transports: list[Transport] = []
    shared: dict[tuple[int, str, int], list[StreamPort]] = {}
    limits = stream_limits(config)
    flows = core.node.flows
    for listener in listeners:
        if listener.transport == UDP:
            transports.append(UdpPort(listener, reactor, flows, deliver, monotonic))
            continue
        rules = websocket_rules(config, config.listen[listener.index]) if listener.side == CLIENT else None
        in_use = core.node.bindings.has_registered
        port = StreamPort(listener, reactor, flows, deliver, monotonic, limits, core.counts, in_use, rules)
        transports.append(port)
        shared.setdefault((listener.side, listener.host, listener.port), []).append(port)
    for ports in shared.values():
        first = ports[0].listener
        trusted = config.listen[first.index].trusted_proxies if first.side == CLIENT else ()
        Entrance(reactor, ports, note, trusted)
    return transports
