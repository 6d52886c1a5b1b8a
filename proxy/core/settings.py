"""What the core needs of the configuration, as plain values made once by the service."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from proxy.flow import UDP, Listener
from proxy.transaction.timers import Timers

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class CoreSettings:
    """The settings of one core; durations in seconds.

    `listeners` are all our sockets by index, those of the server side included. `domain` is the name that belongs in
    Contact, From and To (lower case); `aliases` other names of the same server. `networks` are the addresses besides
    the targets' from which requests of the server are taken, and to which in-dialog requests may go. `local_networks`
    are private ranges in which a client's own private address is as good as a public one. `give_up` is how long a
    target may keep silent before the next one is tried; `large_by_stream` whether a request too large for a datagram
    goes by TCP where the server has it (RFC 3261 section 18.1.1).
    """

    domain: bytes
    listeners: tuple[Listener, ...]
    server_transport: int = UDP
    aliases: frozenset[bytes] = frozenset()
    networks: tuple[Network, ...] = ()
    local_networks: tuple[Network, ...] = ()
    path: str = "auto"
    contact_user: str = "aor"
    options_gone: str = "silent"
    linger: float = 12 * 3600.0
    reconnect: float = 4.0  # 0: nothing waits for a client that lost its connection
    guest_ttl: float = 12 * 3600.0
    max_guests: int = 10_000
    max_bindings: int = 100_000
    max_bindings_of_aor: int = 1000
    max_transactions: int = 200_000
    max_flows: int = 100_000
    max_message: int = 65535
    max_head: int = 32768
    max_header_lines: int = 500
    health_interval: float = 0.0  # no probes
    health_timeout: float = 5.0
    give_up: float = 4.0
    large_by_stream: bool = True
    timers: Timers = field(default_factory=Timers)
