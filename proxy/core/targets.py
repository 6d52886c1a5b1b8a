"""The servers that requests of clients go to: addresses as resolved, and the flows towards them (design 6)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final, Protocol

from proxy.core.flows import Flows
from proxy.core.settings import CoreSettings, Network
from proxy.effects import Effect, OpenFlow
from proxy.flow import DEFAULT_PORTS, SERVER, TCP, TLS, TRANSPORTS, UDP, Flow, Listener, host_octets
from proxy.sip.uri import Uri

Address = tuple[int, str, int]  # transport, host, port
MOST: Final = 36  # an index is one character of [0-9a-z]
# How long a server that took no TCP is not asked again (seconds): doubled each time, up to the longest.
_SHORTEST_PAUSE: Final = 60.0
_LONGEST_PAUSE: Final = 3600.0
_PAUSES: Final = 1024


class Target:
    """One address of the server. `index` is its name in our Record-Routes; `rtt` in seconds, nan before the first.

    `up` is false from when it was found dead until it answers OPTIONS; until `busy_until` it asked to be left alone.
    """

    __slots__ = (
        "address",
        "answered",
        "busy_until",
        "flow",
        "host",
        "host_port",
        "index",
        "name",
        "path_proven",
        "path_refused",
        "port",
        "rtt",
        "up",
    )

    def __init__(self, index: int, address: Address) -> None:
        self.index = index
        self.address = address
        self.flow: Flow | None = None
        transport, host, port = address
        self.host = host_octets(host)
        self.port = port
        self.host_port = b"%b:%d" % (self.host, port)
        self.name = f"{TRANSPORTS[transport]}:{self.host_port.decode()}"
        self.up = True
        self.answered = False
        self.busy_until = 0.0
        self.rtt = float("nan")
        self.path_proven = False
        self.path_refused = False


def plain_host(uri: Uri) -> str:
    """The host without the brackets of IPv6, as transports know it."""
    return uri.host.strip(b"[]").lower().decode("ascii", "replace")


def transport_of(uri: Uri) -> int:
    """The transport that the URI names; UDP without one, or for one that is unknown; for sips always TLS."""
    if uri.scheme == b"sips":
        return TLS
    name = (uri.param(b"transport") or b"udp").lower().decode("ascii", "replace")
    return TRANSPORTS.index(name) if name in TRANSPORTS else UDP


def port_of(uri: Uri) -> int:
    """The port that the URI names, else the default one of its transport (RFC 3261 section 19.1.2)."""
    return uri.port or DEFAULT_PORTS[transport_of(uri)]


class Watcher(Protocol):
    """Who finds out when a target that was lost works again."""

    def lost(self, target: Target, reason: str, out: list[Effect]) -> None:
        """A target is taken for dead until it answers again."""


class Targets:
    """All targets in the order to try, and who else may speak for the server.

    Without a `watcher` no target is ever taken for dead: nobody would notice that it lives again.
    """

    __slots__ = (
        "_by_index",
        "_flows",
        "_hosts",
        "_listeners",
        "_networks",
        "_outgoing",
        "_pauses",
        "_verdicts",
        "all",
        "watcher",
    )

    def __init__(self, settings: CoreSettings, flows: Flows) -> None:
        self._flows = flows
        self._networks: tuple[Network, ...] = settings.networks
        self._listeners: dict[int, Listener] = {
            listener.transport: listener for listener in settings.listeners if listener.side == SERVER
        }
        self.all: list[Target] = []
        # A target keeps its index while it can be remembered, gone or not: Record-Routes of calls name it.
        self._by_index: dict[int, Target] = {}
        self._outgoing: dict[Address, Flow] = {}
        self._hosts: frozenset[str] = frozenset()
        self._verdicts: dict[str, bool] = {}
        # Addresses without TCP: when they are asked again, and how long this pause is.
        self._pauses: dict[tuple[str, int], tuple[float, float]] = {}
        self.watcher: Watcher | None = None

    def resolve(self, addresses: tuple[Address, ...]) -> None:
        """Take over the addresses of the server; a target that stays keeps its flow and what is known of it."""
        known = {target.address: target for target in self._by_index.values()}
        wanted = tuple(dict.fromkeys(addresses))[:MOST]
        self.all = []
        for address in wanted:
            target = known.get(address)
            if target is None:
                target = Target(self._free_index(wanted), address)
                self._by_index[target.index] = target
            self.all.append(target)
        self._hosts = frozenset(host for _, host, _ in addresses)
        self._verdicts.clear()

    def _free_index(self, wanted: tuple[Address, ...]) -> int:
        """An index for a new target: one never given, else that of the oldest target that is gone."""
        if len(self._by_index) < MOST:
            return len(self._by_index)
        index = next(index for index, target in self._by_index.items() if target.address not in wanted)
        # The new one goes to the end of the table: it is the youngest.
        del self._by_index[index]
        return index

    def choose(self, now: float) -> Target | None:
        """The target for a request out of dialog: the first that has room, else that is up, else the first."""
        target = self.another((), now)
        if target is not None:
            return target
        return next((target for target in self.all if target.up), self.all[0] if self.all else None)

    def another(self, tried: Sequence[int], now: float) -> Target | None:
        """The first target that is up, has room, and is none of these indexes; None if there is none."""
        for target in self.all:
            if target.up and target.busy_until <= now and target.index not in tried:
                return target
        return None

    def of_dialog(self, index: int, now: float) -> Target | None:
        """The target that a dialog was set up with; the normal choice if it is gone."""
        target = self._by_index.get(index)
        return target if target is not None and target in self.all else self.choose(now)

    def lost(self, target: Target, reason: str, out: list[Effect]) -> None:
        """A request found a target dead."""
        if self.watcher is not None:
            self.watcher.lost(target, reason, out)

    def index_of(self, flow: Flow) -> int:
        """The index of the target at the other end of a flow; 0 if it is none."""
        for target in self.all:
            if target.address[1] == flow.remote_host:
                return target.index
        return 0

    def is_server(self, host: str) -> bool:
        """Whether a request from that address is the server's (protocol 1.1)."""
        return host in self._hosts or self._in_networks(host)

    def may_follow(self, host: str, port: int) -> bool:
        """Whether an in-dialog request may go to that address: a target, or in `server.networks` (protocol 7.2)."""
        if any(target.address[1] == host and target.address[2] == port for target in self.all):
            return True
        return self._in_networks(host)

    def _in_networks(self, host: str) -> bool:
        if not self._networks:
            return False
        verdict = self._verdicts.get(host)
        if verdict is None:
            if len(self._verdicts) >= 4096:
                self._verdicts.clear()
            try:
                address = ip_address(host.partition("%")[0])
            except ValueError:  # a name: nothing is resolved here
                return False
            verdict = self._verdicts[host] = any(address in network for network in self._networks)
        return verdict

    def flow_to(self, target: Target, out: list[Effect]) -> Flow | None:
        """The flow to a target, opened if need be; None if no server-side socket speaks its transport."""
        flow = target.flow
        if flow is not None and flow.open:
            return flow
        flow = target.flow = self.connect(target.address, out)
        return flow

    def connect(self, address: Address, out: list[Effect]) -> Flow | None:
        """A flow from the server side to that address: the one that is open, or a new one."""
        transport, host, port = address
        listener = self._listeners.get(transport)
        if listener is None:
            return None
        if transport == UDP:
            return self._flows.udp(listener, host, port)
        known = self._outgoing.get(address)
        if known is not None and known.open:
            return known
        flow = self._outgoing[address] = self._flows.stream(listener, host, port, True)
        out.append(OpenFlow(flow))
        return flow

    # -- streams beside UDP (RFC 3261 section 18.1.1)

    def stream_beside(self, flow: Flow, now: float, out: list[Effect]) -> Flow | None:
        """A TCP connection to where that UDP flow leads; None if it was tried in vain not long ago."""
        pause = self._pauses.get(flow.address)
        if pause is not None and now < pause[0]:
            return None
        return self.connect((TCP, *flow.address), out)

    def stream_failed(self, flow: Flow, now: float) -> None:
        """The server there took no TCP: not again for a while, which grows."""
        known = self._pauses.pop(flow.address, None)
        if len(self._pauses) >= _PAUSES:
            del self._pauses[next(iter(self._pauses))]
        pause = _SHORTEST_PAUSE if known is None else min(2 * known[1], _LONGEST_PAUSE)
        self._pauses[flow.address] = (now + pause, pause)

    def stream_made(self, flow: Flow) -> None:
        """The server there has TCP."""
        self._pauses.pop(flow.address, None)
