"""One real core with real rules in virtual time, and who talks to it: the stage on which ladders are played.

The world plays the driver: it feeds events, keeps the effects until they are asserted, and commits bindings at once
unless told to hold them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from hashlib import blake2s
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

from proxy.assembly import make_settings
from proxy.config.model import Config
from proxy.config.own import OwnRules
from proxy.core.proxy_core import ProxyCore
from proxy.core.tokens import FOLD
from proxy.counts import Counts
from proxy.effects import CloseFlow, Effect, Note, OpenFlow, Ping, Record, Send, StoreBindings
from proxy.events import BindingsStored, Event, FlowOpened, TargetsResolved
from proxy.flow import CLIENT, DEFAULT_PORTS, SERVER, TCP, TLS, TRANSPORTS, UDP, Flow, Listener
from proxy.repair.rule import Rule
from proxy.repair.watched import Watched
from proxy.ruling import make_pipelines, make_profiles
from tests.support.clock import run_core_until
from tests.support.party import Party
from tests.support.placeholder import Names
from tests.support.sip_text import SipText
from tests.support.steps import note_text

START = 1000.0
KEY = b"k" * 32


class Sequence16:
    """Sixteen characters of [a-z0-9] per call, always the same ones in the same order."""

    def __init__(self) -> None:
        self._calls = 0

    def __call__(self) -> bytes:
        self._calls += 1
        return blake2s(b"%d" % self._calls).hexdigest()[:16].encode().translate(FOLD)


class Output:
    """One effect that nobody asserted yet, and when it came."""

    def __init__(self, time: float, effect: Effect) -> None:
        self.time = time
        self.effect = effect

    @property
    def must_be_asserted(self) -> bool:
        """Records and commits to the store explain and accompany other effects, and what is sent on a closed flow is
        lost, as transports lose it; all else has to be in the ladder."""
        effect = self.effect
        if isinstance(effect, Send):
            return effect.flow.open
        return not isinstance(effect, Record | StoreBindings)


def parse_address(text: str) -> tuple[int, str, int]:
    """`wss://edge.example.com:8443` as transport, host and port."""
    transport, _, rest = text.partition("://")
    host, colon, port = rest.rpartition(":")
    number = TRANSPORTS.index(transport)
    if not colon or (rest.endswith("]")):
        return number, rest.strip("[]"), DEFAULT_PORTS[number]
    return number, host.strip("[]"), int(port)


class World:
    """A core between clients and servers.

    `clients` are the listeners for clients by the address that clients see, `targets` the servers, `own` our address
    on the server side, `listener` further arguments of every client listener, and the rest sections of the
    configuration file (`server={"networks": [...]}`). Targets are not probed unless `probes` is set. `local_networks`
    are those that this machine is said to share with the server. `rules` are rules of a user.
    """

    def __init__(
        self,
        clients: tuple[str, ...] = ("wss://edge.example.com:8443",),
        targets: tuple[str, ...] = ("udp://10.0.0.5:5060",),
        own: str = "10.0.0.2",
        listener: dict[str, Any] | None = None,
        resolve: bool = True,
        probes: bool = False,
        local_networks: tuple[IPv4Network | IPv6Network, ...] | None = None,
        rules: tuple[Rule, ...] = (),
        **sections: Any,
    ) -> None:
        self.now = START
        self.started = START
        self.names = Names()
        self.outputs: deque[Output] = deque()
        self.hold_store = False
        self.held: list[int] = []
        self.parties: dict[str, Party] = {}
        self.arrived: list[tuple[Party, SipText]] = []
        self.calls = 0
        self.addresses = tuple(parse_address(text) for text in targets)
        sections["server"] = {"domain": "example.com", "uri": "sip:10.0.0.5:5060", **sections.get("server", {})}
        config = Config.model_validate({"listen": ["udp://0.0.0.0:5060"], **sections})
        config = config.with_rules(OwnRules(tuple(Watched(rule) for rule in rules)))
        self.listeners = self._listen(clients, own, listener or {})
        settings = make_settings(config, self.listeners, self.addresses)
        if not probes:
            settings = replace(settings, health_interval=0.0)
        if local_networks is not None:
            settings = replace(settings, local_networks=local_networks)
        self.counts = Counts(len(self.listeners))
        pipelines = make_pipelines(config, self.counts, settings.local_networks)
        profiles = make_profiles(config, self.counts, settings.local_networks)
        self.core = ProxyCore(settings, *pipelines, self.counts, (KEY,), Sequence16(), profiles)
        if resolve:
            self.feed(TargetsResolved(self.addresses, self.now))
            self.outputs.clear()

    def _listen(self, clients: tuple[str, ...], own: str, more: dict[str, Any]) -> tuple[Listener, ...]:
        listeners = []
        for text in clients:
            transport, host, port = parse_address(text)
            listeners.append(Listener(len(listeners), CLIENT, transport, "0.0.0.0", port, host, port, **more))
        secure = any(transport == TLS for transport, _, _ in self.addresses)
        for transport in (UDP, TCP, TLS) if secure else (UDP, TCP):
            listeners.append(Listener(len(listeners), SERVER, transport, "0.0.0.0", 5070, own, 5070))
        return tuple(listeners)

    # -- who is there

    def client(self, name: str, address: str, listener: int = 0, **more: Any) -> Party:
        """Somebody at that address (`198.51.100.7:50112`) on the client side."""
        return self._add(name, self.flow(self.listeners[listener], address), more)

    def server(self, name: str = "k", address: str = "10.0.0.5:5060", transport: int = UDP, **more: Any) -> Party:
        """Somebody at that address on the server side: the server, or one who would like to be taken for it."""
        listener = next(item for item in self.listeners if item.side == SERVER and item.transport == transport)
        return self._add(name, self.flow(listener, address), more)

    def flow(self, listener: Listener, address: str) -> Flow:
        """The UDP flow, or a new connection, between that listener and that address."""
        host, _, port = address.rpartition(":")
        host = str(ip_address(host.strip("[]")))
        flows = self.core.node.flows
        if listener.transport == UDP:
            return flows.udp(listener, host, int(port))
        return flows.stream(listener, host, int(port), False)

    def _add(self, name: str, flow: Flow, more: dict[str, Any]) -> Party:
        party = self.parties[name] = Party(self, name, flow, **more)
        return party

    def party_at(self, flow: Flow) -> Party | None:
        """Who is at the other end of a flow."""
        for party in self.parties.values():
            if any(flow is known or flow.key == known.key for known in party.flows):
                return party
        for same in ("address", "remote_host") if flow.outgoing else ():
            for party in self.parties.values():
                for known in party.flows:
                    if getattr(flow, same) == getattr(known, same) and flow.listener.side == known.listener.side:
                        return party
        return None

    # -- events and effects

    def feed(self, event: Event) -> None:
        self.take(self.core.handle(event))

    def take(self, effects: list[Effect]) -> None:
        """Keep effects for the ladder; carry out what needs nobody outside."""
        for effect in effects:
            self.outputs.append(Output(self.now, effect))
        for effect in effects:
            if isinstance(effect, StoreBindings) and effect.ticket:
                if self.hold_store:
                    self.held.append(effect.ticket)
                else:
                    self.feed(BindingsStored(effect.ticket, self.now))
            elif isinstance(effect, OpenFlow):
                self._opened(effect.flow)

    def _opened(self, flow: Flow) -> None:
        party = self.party_at(flow)
        if party is None or party.listening:
            self.feed(FlowOpened(flow, self.now))
        if party is not None:
            party.flows.append(flow)
            party.flow = flow

    def wait(self, seconds: float) -> None:
        """Let virtual time pass, deadline by deadline."""
        end = self.now + seconds
        for deadline, effects in run_core_until(self.core, end):
            self.now = deadline
            self.take(effects)
        self.now = end

    @property
    def due(self) -> list[Output]:
        """What came out and must be asserted before anything else goes in."""
        return [output for output in self.outputs if output.must_be_asserted]

    def describe(self, output: Output) -> str:
        """One line of a ladder for an effect."""
        effect = output.effect
        if isinstance(effect, Send):
            text = SipText(effect.octets)
            what = text.start.removeprefix("SIP/2.0 ") if text.is_response else text.start.removesuffix(" SIP/2.0")
            lost = "" if effect.flow.open else " (on a closed flow)"
            return f"<< {self.name_of(effect.flow)} {what}{lost}"
        if isinstance(effect, Ping):
            return f"<< {self.name_of(effect.flow)} two CRLFs"
        if isinstance(effect, OpenFlow):
            return f"<< {self.name_of(effect.flow)} connection opened"
        if isinstance(effect, CloseFlow):
            return f"<< {self.name_of(effect.flow)} closed: {effect.reason}"
        if isinstance(effect, Note):
            return f"<< note ({effect.level}) {note_text(effect)}"
        if isinstance(effect, Record):
            return f"<< record {effect.rule} {effect.header}"
        return "<< store " + ", ".join(binding.aor.decode() for binding in effect.bindings)

    def name_of(self, flow: Flow) -> str:
        party = self.party_at(flow)
        return party.name if party is not None else repr(flow)
