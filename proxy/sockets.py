"""From the listeners to their sockets: one transport for each, and one listening socket for those that share a port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic, time
from typing import Any

from proxy.config.certificates import listener_pairs, server_pair
from proxy.config.model import Config, ListenerSettings
from proxy.core.proxy_core import ProxyCore
from proxy.effects import Note
from proxy.flow import CLIENT, SERVER, TLS, UDP, WSS, Listener
from proxy.transport.contract import Deliver, StreamLimits, Transport, WebSocketRules
from proxy.transport.entrance import Entrance
from proxy.transport.stream import StreamPort
from proxy.transport.tls import CertificateUser, CertificateWatch, ListenerCertificates, TlsFiles
from proxy.transport.tls_client import Verifier
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


def listener_files(config: Config) -> TlsFiles:
    """The certificates of tls and wss listeners."""
    tls = config.tls
    pairs = [pair for _, pair in listener_pairs(config)]
    return TlsFiles(pairs) if tls is None else TlsFiles(pairs, tls.client_ca, tls.client_certificate == "required")


def server_files(config: Config, authority: bool) -> TlsFiles:
    """Our certificate towards the server, and the CA that vouches for the server where that is wanted."""
    own = server_pair(config)
    return TlsFiles([] if own is None else [own[1]], config.server.tls.ca if authority else None)


class Sockets:
    """The sockets of one proxy: `transports` are in the order of the listeners. They bind nothing by themselves."""

    def __init__(
        self,
        config: Config,
        listeners: Sequence[Listener],
        reactor: Any,
        core: ProxyCore,
        deliver: Deliver,
        note: Callable[[Note], None],
        names: Callable[[str], tuple[str, ...]],
    ) -> None:
        """`names` gives the domains that the server at an IP address may have. Raises CertificateError."""
        self.transports: list[Transport] = []
        self._secure_sides = {listener.side for listener in listeners if listener.transport in (TLS, WSS)}
        self._for_clients = ListenerCertificates()
        self._for_server = ListenerCertificates()
        self._verifier = Verifier(names, note)
        users: list[CertificateUser] = [self._for_clients] if CLIENT in self._secure_sides else []
        if SERVER in self._secure_sides:
            users += [self._for_server, self._verifier]
        self._watch = CertificateWatch(users, reactor, time, note)
        self.use_certificates(config)
        limits = stream_limits(config)
        flows = core.node.flows
        in_use = core.node.bindings.has_registered
        shared: dict[tuple[int, str, int], list[StreamPort]] = {}
        for listener in listeners:
            if listener.transport == UDP:
                self.transports.append(UdpPort(listener, reactor, flows, deliver, monotonic))
                continue
            rules = websocket_rules(config, config.listen[listener.index]) if listener.side == CLIENT else None
            port = StreamPort(
                listener, reactor, flows, deliver, monotonic, limits, core.counts, in_use, rules, self._verifier
            )
            self.transports.append(port)
            shared.setdefault((listener.side, listener.host, listener.port), []).append(port)
        for (side, _, _), ports in shared.items():
            trusted = config.listen[ports[0].listener.index].trusted_proxies if side == CLIENT else ()
            Entrance(reactor, ports, note, trusted, self._for_clients if side == CLIENT else self._for_server)

    def use_certificates(self, config: Config) -> None:
        """Read the certificates that these settings name. Raises CertificateError and changes nothing.

        Sides that had no TLS when the proxy started have none now.
        """
        sides = self._secure_sides
        wanted: list[tuple[CertificateUser, TlsFiles]] = []
        if CLIENT in sides:
            wanted.append((self._for_clients, listener_files(config)))
        if SERVER in sides:
            wanted += [(self._for_server, server_files(config, False)), (self._verifier, server_files(config, True))]
        # All are read before any is used: half a change would be worse than none.
        for _, files in wanted:
            files.check()
        for user, files in wanted:
            user.use(files)
        self._watch.note_files()

    def watch(self) -> None:
        """Look at the certificates from time to time."""
        self._watch.start()

    def stop(self) -> None:
        """Close every socket."""
        self._watch.stop()
        for transport in self.transports:
            transport.stop()
