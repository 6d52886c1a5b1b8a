"""A dry run: what would be repaired in a message, by which rule and why, without sending anything.

The rules run in the proxy's own parts (`core.node`), so that what is shown here is what happens there. Shown are
repairs only: not our Via, Record-Route, Path or Max-Forwards, which every message gets. No file, no terminal.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from proxy.core.node import Node
from proxy.core.profiles import Profiles
from proxy.core.registration import read_registration
from proxy.core.settings import CoreSettings, Network
from proxy.core.validation import check_request, check_syntax
from proxy.core.via_defects import preview_request
from proxy.counts import Counts
from proxy.effects import Effect, Note, Record
from proxy.flow import CLIENT, SERVER, UDP, Flow, Listener
from proxy.origin import UNKNOWN_SOURCE, Source, likely_domain, likely_source
from proxy.repair.inherent import INHERENT
from proxy.repair.pipeline import Pipeline, parted
from proxy.repair.rule import OFF, REPAIR, Rule
from proxy.sip.errors import HeaderError, SipError
from proxy.sip.message import Request, Response
from proxy.sip.parser import parse_message
from proxy.sip.registry import REGISTER

# Stand-ins where nobody told: a documentation address (RFC 5737), and a port for us at the server.
OUR_ADDRESS = "192.0.2.1"
OUR_SERVER_PORT = 5070
# Tokens come out the same on every run; they are not those of a running proxy, whose key is secret.
KEY = b"sipmend explain"
# Domains and transports for which the parts of a proxy are kept.
_NODES = 64
# What the core mends by itself, beside the rules.
_INHERENT = frozenset(repair.name for repair in INHERENT)


ProfileMaker = Callable[[Counts, tuple[Network, ...]], Profiles]


@dataclass(frozen=True)
class Setting:
    """The rules with their modes, and the settings of a proxy; `profiles` makes those that clients may have.

    Without these, `domain` and `local_networks` (see `CoreSettings`) stand in, and without `domain` the message has to
    tell it. A message from one of the `servers` is taken as the server's, any other as a client's.
    """

    rules: Sequence[Rule]
    modes: Mapping[str, str]
    core: CoreSettings | None = None
    servers: tuple[Network, ...] = ()
    targets: tuple[tuple[int, str, int], ...] = ()  # transport, host and port of the server, for a round trip
    domain: bytes = b""
    local_networks: tuple[Network, ...] = ()
    shown: frozenset[str] | None = None  # the rules whose records are wanted; None for all
    profiles: ProfileMaker | None = None

    def only(self, names: Sequence[str]) -> Setting:
        """The same with these rules alone, all in mode `repair`, for all clients. Raises KeyError for unknown names."""
        known = {rule.name for rule in self.rules}
        for name in names:
            if name not in known and name not in _INHERENT:
                raise KeyError(name)
        modes = {name: REPAIR if name in names else OFF for name in known}
        return replace(self, modes=modes, shown=frozenset(names), profiles=None)


@dataclass(frozen=True)
class Explanation:
    """What came of one message.

    `refusal` is the answer it would get instead of being forwarded, "" if none; `broken` tells that this is so
    because it is no valid message. `assumed` tells that `source` is a guess. `profile` is the name of the client's, ""
    without one.
    """

    source: Source
    assumed: bool
    before: bytes
    after: bytes
    records: tuple[Record, ...]
    notes: tuple[Note, ...]
    refusal: str = ""
    broken: bool = False
    profile: str = ""

    @property
    def stand_ins(self) -> bool:
        """Whether a repair names us by the address that stands for one that nobody told."""
        return any(b"@" + OUR_ADDRESS.encode() in (record.after or b"") for record in self.records)

    @property
    def repairs(self) -> tuple[Record, ...]:
        return tuple(record for record in self.records if record.mode == REPAIR)

    @property
    def reports(self) -> tuple[Record, ...]:
        """What was found and left, as its rule is in mode `report`."""
        return tuple(record for record in self.records if record.mode != REPAIR)


class DryRun:
    """Explains many messages with one setting, each as if it were the only one. What it remembers is bounded."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._nodes: dict[tuple[int, bytes], Node] = {}

    def explain(self, octets: bytes, source: Source | None, side: int | None = None, agent: bytes = b"") -> Explanation:
        """Run the rules over one message; `source` is where it came from, None to guess it from the message.

        `side` (CLIENT or SERVER) tells whose message it is; None to judge by its source. `agent` is how its client
        named itself before. Raises ParseError for what is no SIP message.
        """
        message = parse_message(octets)
        assumed = source is None
        source = source or likely_source(message)
        node, flow, client = self.meet(message, source, side, agent)
        out: list[Effect] = []
        refusal, broken = "", False
        try:
            if flow.listener.side == SERVER:
                _from_server(message, flow, client, node, out)
            elif isinstance(message, Request):
                _request(message, flow, node, assumed, out)
            else:
                check_syntax(message)
                node.repairs.response_in(message, flow, None, False, out)
        except SipError as error:
            broken = error.status in (400, 505)
            refusal = f"{error.status} {error.text}" if isinstance(message, Request) else f"dropped: {error.text}"
        return Explanation(
            source,
            assumed,
            octets,
            message.octets(),
            tuple(effect for effect in out if isinstance(effect, Record) and self._is_wanted(effect)),
            tuple(effect for effect in out if isinstance(effect, Note)),
            refusal,
            broken,
            client.profile.name,
        )

    def meet(
        self, message: Request | Response, source: Source, side: int | None = None, agent: bytes = b""
    ) -> tuple[Node, Flow, Flow]:
        """The parts of a proxy, the flow the message came on, and that of its client, who has a profile now."""
        node = self._node(message, source)
        flow, client = self._flows(node, source, side)
        if agent:
            node.profiles.recall(client, agent, b"")
        if flow is client:
            node.profiles.meet(message, flow)
        return node, flow, client

    def _is_wanted(self, record: Record) -> bool:
        shown = self._setting.shown
        return shown is None or record.rule in shown

    def _node(self, message: Request | Response, source: Source) -> Node:
        """The parts of a proxy with this setting."""
        setting = self._setting
        domain = b"" if setting.core else setting.domain or likely_domain(message)
        key = (0 if setting.core else source.transport, domain)
        node = self._nodes.get(key)
        if node is None:
            if len(self._nodes) >= _NODES:
                self._nodes.clear()
            core = setting.core or _stand_in(setting, domain, source.transport)
            node = self._nodes[key] = _make_node(setting, core)
        return node

    def _flows(self, node: Node, source: Source, side: int | None) -> tuple[Flow, Flow]:
        """The flow the message came on, and that of the client: the same, or one towards it."""
        listeners = node.settings.listeners
        if side is None:
            address = ipaddress.ip_address(source.host)
            side = SERVER if any(address in network for network in self._setting.servers) else CLIENT
        flow = Flow(listener_of(listeners, side, source.transport), source.host, source.port)
        if side == CLIENT:
            return flow, flow
        return flow, Flow(listener_of(listeners, CLIENT, source.transport), UNKNOWN_SOURCE, 5060)


def explain(octets: bytes, setting: Setting, source: Source | None) -> Explanation:
    """Run the rules over one message, as `DryRun.explain` does."""
    return DryRun(setting).explain(octets, source)


def core_settings(setting: Setting, message: Request | Response, transport: int) -> CoreSettings:
    """The settings of a proxy: those given, else stand-ins for a client of that transport."""
    return setting.core or _stand_in(setting, setting.domain or likely_domain(message), transport)


def pipelines(setting: Setting, core: CoreSettings, counts: Counts) -> tuple[Pipeline, Pipeline]:
    """Those of a proxy with this setting."""
    main, via = parted(setting.rules)
    networks = core.local_networks
    return Pipeline(main, setting.modes, counts, networks), Pipeline(via, setting.modes, counts, networks)


def _make_node(setting: Setting, core: CoreSettings) -> Node:
    counts = Counts(len(core.listeners))
    both, profiles = pipelines(setting, core, counts), profiles_of(setting, core, counts)
    return Node(core, *both, counts, (KEY,), lambda: b"0123456789abcdef", profiles)


def profiles_of(setting: Setting, core: CoreSettings, counts: Counts) -> Profiles | None:
    """The profiles of a proxy with this setting; None if it has none."""
    return None if setting.profiles is None else setting.profiles(counts, core.local_networks)


def _request(request: Request, flow: Flow, node: Node, assumed: bool, out: list[Effect]) -> None:
    """As the core treats a client's request, but for everything that is no repair."""
    try:
        request.via  # noqa: B018  the view raises where the header is missing or cannot be read
    except HeaderError:
        node.via_repairs.request_in(request, flow, None, True, None, out)
    else:
        if not assumed:  # otherwise the Via is what the source was taken from
            preview_request(request, flow, node, out)
    check_request(request)
    second_hop = request.via_count() > 1
    renamed = None
    if request.method == REGISTER and not second_hop:
        renamed = read_registration(request, flow, node).renamed()
    node.repairs.request_in(request, flow, None, second_hop, renamed, out)


def _from_server(message: Request | Response, flow: Flow, client: Flow, node: Node, out: list[Effect]) -> None:
    if isinstance(message, Request):
        check_request(message)
        node.repairs.request_out(message, flow, client, out)
    else:
        check_syntax(message)
        node.repairs.response_out(message, flow, client, out)


def _stand_in(setting: Setting, domain: bytes, transport: int) -> CoreSettings:
    """Settings for somebody who gave none: made-up addresses of ours."""
    listeners = (
        Listener(0, CLIENT, transport, "0.0.0.0", 5060, OUR_ADDRESS, 5060),
        Listener(1, SERVER, UDP, "0.0.0.0", OUR_SERVER_PORT, OUR_ADDRESS, OUR_SERVER_PORT),
    )
    return CoreSettings(domain=domain, listeners=listeners, local_networks=setting.local_networks)


def listener_of(listeners: Sequence[Listener], side: int, transport: int) -> Listener:
    """The listener of that side and transport, or the first of that side."""
    fitting = [listener for listener in listeners if listener.side == side]
    return next((listener for listener in fitting if listener.transport == transport), fitting[0])
