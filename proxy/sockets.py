"""From the listeners to their sockets: one transport for each, and one listening socket for those that share a port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic, time
from typing import Any

from proxy.config.address import stun_server
from proxy.config.certificates import listener_pairs, refused_names, server_pair
from proxy.config.model import Config, ListenerSettings
from proxy.config.uris import HostPort
from proxy.core.proxy_core import ProxyCore
from proxy.effects import Note
from proxy.flow import CLIENT, SERVER, TLS, UDP, WSS, Listener
from proxy.open_files import RESERVE
from proxy.reflexive import PublicAddresses, Question, Resolver
from proxy.transport.contract import Deliver, StreamLimits, Transport, WebSocketRules
from proxy.transport.entrance import Entrance
from proxy.transport.stream import StreamPort
from proxy.transport.tls import CertificateUser, CertificateWatch, ListenerCertificates, TlsFiles
from proxy.transport.tls_client import Verifier
from proxy.transport.udp import UdpPort


def stream_limits(config: Config, connections: int) -> StreamLimits:
    """The bounds on every stream, with at most so many connections."""
    limits = config.limits
    return StreamLimits(
        limits.max_head,
        limits.max_message,
        limits.max_header_lines,
        limits.write_buffer,
        limits.idle_stream,
        connections=connections,
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


def stun_questions(config: Config, listeners: Sequence[Listener]) -> list[Question]:
    """What is to be asked of STUN servers: once by each UDP listener concerned, whose answers the streams share."""
    questions: list[Question] = []
    streams: list[tuple[HostPort, Listener]] = []
    for item, listener in zip(config.listen, listeners, strict=False):
        server = stun_server(item, config.public_address)
        if server is not None and listener.transport == UDP:
            question = Question(server, listener.host, listener.index)
            question.add(listener, item.public_port is not None)
            questions.append(question)
        elif server is not None:
            streams.append((server, listener))
    for server, listener in streams:
        fitting = [each for each in questions if each.server == server and each.host == listener.host]
        if not fitting:
            fitting = [Question(server, listener.host, None)]
            questions += fitting
        fitting[0].add(listener, True)
    return questions


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
        resolver: Resolver,
        connections: int | None = None,
    ) -> None:
        """`names` gives the domains that the server at an IP address may have. Of `connections` clients may have so
        many, if that is fewer than `limits.flows`. Raises CertificateError.
        """
        self.transports: list[Transport] = []
        self._secure_sides = {listener.side for listener in listeners if listener.transport in (TLS, WSS)}
        self._for_clients = ListenerCertificates()
        self._for_server = ListenerCertificates()
        self._verifier = Verifier(names, note)
        users: list[CertificateUser] = [self._for_clients] if CLIENT in self._secure_sides else []
        if SERVER in self._secure_sides:
            users += [self._for_server, self._verifier]
        self._note = note
        self._watch = CertificateWatch(users, reactor, time, note)
        self.use_certificates(config)
        most = config.limits.flows if connections is None else connections
        # The server is let in when clients have taken all there is for them.
        limits = [stream_limits(config, most), stream_limits(config, most + RESERVE // 2)]
        flows = core.node.flows
        in_use = core.node.bindings.has_registered
        shared: dict[tuple[int, str, int], list[StreamPort]] = {}
        for listener in listeners:
            if listener.transport == UDP:
                self.transports.append(UdpPort(listener, reactor, flows, deliver, monotonic, core.counts))
                continue
            rules = websocket_rules(config, config.listen[listener.index]) if listener.side == CLIENT else None
            port = StreamPort(
                listener, reactor, flows, deliver, monotonic, limits[listener.side], core.counts, in_use, rules,
                self._verifier,
            )  # fmt: skip
            self.transports.append(port)
            shared.setdefault((listener.side, listener.host, listener.port), []).append(port)
        entrances: list[Entrance] = []
        for (side, _, _), ports in shared.items():
            trusted = config.listen[ports[0].listener.index].trusted_proxies if side == CLIENT else ()
            certificates = self._for_clients if side == CLIENT else self._for_server
            Entrance(reactor, ports, note, trusted, certificates, entrances)
        questions, interval = stun_questions(config, listeners), config.stun.interval
        self._public = PublicAddresses(questions, self.transports, resolver, reactor, interval, deliver, note)

    async def find_addresses(self) -> bool:
        """Ask STUN servers by which addresses the sockets, which are bound, are seen. False if stopped meanwhile.

        Raises NoAnswerError.
        """
        return await self._public.find()

    def use_certificates(self, config: Config) -> None:
        """Read the certificates that these settings name. Raises CertificateError and changes nothing.

        One that clients will refuse for its name is told: they may know another name of ours. Sides that had no TLS
        when the proxy started have none now.
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
        for index, host, names in refused_names(config) if CLIENT in sides else ():
            text = "clients that connect to {host} by {listener} will refuse the certificate, which is for {names}"
            fields = {"host": host, "listener": config.listen[index].uri, "names": names}
            self._note(Note("warn", text, fields))

    def watch(self) -> None:
        """Look at the certificates from time to time."""
        self._watch.start()

    def stop(self) -> None:
        """Close every socket."""
        self._watch.stop()
        self._public.stop()
        for transport in self.transports:
            transport.stop()
