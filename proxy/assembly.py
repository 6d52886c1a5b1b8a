"""From the configuration to the parts of the core: listeners, settings. Made once, at start."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network

from proxy.certificate import CertificateError, read_certificate
from proxy.config.address import public_host, public_port, uses_tls
from proxy.config.certificates import listener_pairs
from proxy.config.model import Config
from proxy.config.units import is_wildcard
from proxy.core.settings import CoreSettings, Network
from proxy.flow import CLIENT, SERVER, TCP, TLS, TRANSPORTS, UDP, WSS, Listener
from proxy.transaction.timers import Timers

Address = tuple[int, str, int]

# Ranges in which a client and the server that are both there reach each other without us (protocol 4.7).
_PRIVATE_RANGES = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
    )
)


def local_address_towards(host: str, port: int) -> str:
    """The address of ours that the kernel would use to reach that one. Raises OSError when there is no way."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))  # sends nothing over UDP
        return str(probe.getsockname()[0])


def make_listeners(config: Config, addresses: Sequence[Address]) -> tuple[Listener, ...]:
    """All our sockets: those for clients as listed, then UDP, TCP and where it is used TLS towards the server.

    Raises OSError where there is no way to the server.
    """
    listeners: list[Listener] = []
    for item in config.listen:
        uri = item.uri
        host = public_host(item, config.public_address)
        if host is None:  # a wildcard whose public address a STUN server has to tell: this stands in until then
            host = local_address_towards(*addresses[0][1:])
        listeners.append(
            Listener(
                len(listeners),
                CLIENT,
                TRANSPORTS.index(uri.transport),
                uri.host,
                uri.port,
                host,
                public_port(item),
                frozenset(name.lower().encode() for name in (*item.names, *_certified(config, uri.transport))),
                tuple(str(network) for network in item.proxies),
                item.contact,
                _flow_timer(item.flow_timer, uri.transport),
                item.keepalive,
                _keepalive_interval(item.keepalive_interval, uri.transport),
            )
        )
    bind = config.server.bind
    own = config.server.address
    if own is None:
        own = local_address_towards(*addresses[0][1:]) if is_wildcard(bind.host) else bind.host
    for transport in (UDP, TCP, TLS) if uses_tls(config.server) else (UDP, TCP):
        listeners.append(Listener(len(listeners), SERVER, transport, bind.host, bind.port, own, bind.port))
    return tuple(listeners)


def _flow_timer(seconds: float | None, transport: str) -> int:
    """Without a setting what clients do unasked: RFC 5626 section 4.4, below the half minute of a NAT by UDP."""
    if seconds is None:
        return 29 if transport == "udp" else 120
    return int(seconds)


def _keepalive_interval(seconds: float | None, transport: str) -> float:
    """Without a setting below the half minute of a NAT by UDP, and within 95 to 120 s else (RFC 5626 section 4.4)."""
    if seconds is None:
        return 25.0 if transport == "udp" else 100.0
    return seconds


def _certified(config: Config, transport: str) -> Iterator[str]:
    """The names in our certificates: by those, too, clients know a listener with TLS (protocol 7.4)."""
    if TRANSPORTS.index(transport) in (TLS, WSS):
        for _, (file, _) in listener_pairs(config):
            # What is wrong with a file, whoever uses it says.
            with suppress(CertificateError):
                yield from (name for name in read_certificate(file).hosts if "*" not in name)


def make_settings(config: Config, listeners: tuple[Listener, ...], addresses: Sequence[Address]) -> CoreSettings:
    """The settings of the core."""
    server = config.server
    limits = config.limits
    timers = config.timers
    return CoreSettings(
        domain=server.domain.lower().encode(),
        listeners=listeners,
        server_transport=addresses[0][0],
        aliases=frozenset(alias.lower().encode() for alias in server.aliases),
        networks=tuple(server.networks),
        local_networks=shared_ranges(config, addresses),
        path=server.path,
        contact_user=server.contact_user,
        options_gone=server.options_gone,
        linger=limits.linger,
        reconnect=limits.reconnect,
        guest_ttl=limits.guest_ttl,
        max_guests=limits.guests,
        max_bindings=limits.bindings,
        max_bindings_of_aor=limits.bindings_per_aor,
        max_transactions=limits.transactions,
        max_flows=limits.flows,
        max_message=limits.max_message,
        max_head=limits.max_head,
        max_header_lines=limits.max_header_lines,
        health_interval=server.health.interval,
        health_timeout=server.health.timeout,
        give_up=server.health.give_up,
        large_by_stream=server.large_requests == "tcp",
        timers=Timers(timers.t1, timers.t2, timers.t4, timers.c),
    )


def shared_ranges(config: Config, addresses: Sequence[Address]) -> tuple[Network, ...]:
    """`networks.local`, and the private ranges that the server itself is in."""
    ranges: list[Network] = list(config.networks.local)
    for _, host, _ in addresses:
        address = ip_address(host.partition("%")[0])
        ranges += [network for network in _PRIVATE_RANGES if address in network and network not in ranges]
    return tuple(ranges)
