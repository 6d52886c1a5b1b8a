"""The proxy's core without sockets, fed with whole calls in virtual time, sending into nothing.

A recording run plays both ends of every call against one core; a timed run feeds the same octets in the same
order to a fresh core whose random source is the same, so that every branch and token is the same again.
"""

from __future__ import annotations

import gc
import itertools
import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import thread_time

import calls

from proxy.assembly import make_listeners, make_settings
from proxy.config.model import Config
from proxy.core.proxy_core import ProxyCore
from proxy.counts import Counts
from proxy.effects import Effect, Send, StoreBindings
from proxy.events import BindingsStored, MessageReceived, TargetsResolved
from proxy.flow import UDP
from proxy.ruling import make_pipelines, make_profiles

KINDS = ("INVITE", "100", "180", "200", "ACK", "BYE", "200 to BYE")
RATE = 1000.0
WAVE = 50  # calls that are at the same point together: 50 ms at 1,000 calls/s
TICK = 0.05
DRAIN = 45.0  # seconds after which nothing of a call may be left
CONFIG = {
    "server": {
        "domain": calls.SERVER,
        "uri": f"sip:{calls.SERVER}:{calls.SERVER_PORT}",
        "bind": "udp://127.0.0.1:15071",
        "address": "127.0.0.1",
        "large_requests": "udp",  # as the other proxies in the comparison do
    },
    "public_address": "127.0.0.1",
    "listen": ["udp://127.0.0.1:15060"],
}
CLIENT_SIDE, SERVER_SIDE = 0, 1


def counter_source() -> Callable[[], bytes]:
    """A random source that is the same in every run: 16 characters that count up."""
    numbers = itertools.count(10**15)
    return lambda: b"%016d" % next(numbers)


def new_core(repair: Mapping[str, str] | None = None) -> ProxyCore:
    """A core with one server, put together as the service does it; rules are at their defaults but for `repair`."""
    config = Config.model_validate({**CONFIG, "repair": dict(repair or {})})
    addresses = [(UDP, calls.SERVER, calls.SERVER_PORT)]
    listeners = make_listeners(config, addresses)
    # Probes of the server would be neither of the calls nor of their cost.
    settings = replace(make_settings(config, listeners, addresses), health_interval=0.0)
    counts = Counts(len(listeners))
    pipelines = make_pipelines(config, counts, settings.local_networks)
    profiles = make_profiles(config, counts, settings.local_networks)
    keys = (b"a key that is the same in every run",)
    core = ProxyCore(settings, *pipelines, counts, keys, counter_source(), profiles)
    core.handle(TargetsResolved(tuple(addresses), 0.0))
    return core


@dataclass
class Wave:
    """The same step of several calls: which kind, when, on which listener, from where, and the octets."""

    kind: int
    now: float
    listener: int
    source: tuple[str, int]
    messages: list[bytes] = field(default_factory=list)


@dataclass
class Timing:
    """What one run took: seconds per kind and in ticks, and what it left behind."""

    seconds: list[float] = field(default_factory=lambda: [0.0] * len(KINDS))
    sent: list[int] = field(default_factory=lambda: [0] * len(KINDS))
    ticking: float = 0.0
    draining: float = 0.0
    transactions: int = 0
    bytes_each: float = 0.0
    objects_each: float = 0.0
    garbage: int = 0
    left: int = 0
    repairs: int = 0


class Ends:
    """The caller and the server of the recording run."""

    def __init__(self) -> None:
        self.core = new_core()
        self.waves: list[Wave] = []

    def record(self, number_of_calls: int, registered: bool = True) -> list[Wave]:
        """Play so many calls; returns everything that was fed to the core, in order.

        The Contact of a caller that is not registered needs no repair: it says where the messages come from.
        """
        if registered:
            register_caller(self.core)
        for first in range(0, number_of_calls, WAVE):
            self._wave(range(first, min(first + WAVE, number_of_calls)), first / RATE)
        return self.waves

    def _wave(self, numbers: range, now: float) -> None:
        list(self.core.tick(now))
        invites = self._feed(0, now, [calls.invite(n) for n in numbers])
        pairs = list(zip(numbers, invites, strict=True))
        self._feed(1, now, [calls.reply(octets, b"100 Trying", n) for n, octets in pairs])
        ringing = [calls.reply(octets, b"180 Ringing", n, calls.SERVER_CONTACT) for n, octets in pairs]
        self._feed(2, now, ringing)
        answers = self._feed(3, now, [calls.accepted(octets, n) for n, octets in pairs])
        pairs = list(zip(numbers, answers, strict=True))
        self._feed(4, now, [calls.in_dialog(b"ACK", n, 1, octets) for n, octets in pairs])
        byes = self._feed(5, now, [calls.in_dialog(b"BYE", n, 2, octets) for n, octets in pairs])
        self._feed(6, now, [calls.reply(o, b"200 OK", n) for n, o in zip(numbers, byes, strict=True)])

    def _feed(self, kind: int, now: float, messages: list[bytes]) -> list[bytes]:
        """Feed one step; returns what went to the other side, one message for each."""
        from_server = kind in (1, 2, 3, 6)
        source = (calls.SERVER, calls.SERVER_PORT) if from_server else (calls.CALLER, calls.CALLER_PORT)
        wave = Wave(kind, now, SERVER_SIDE if from_server else CLIENT_SIDE, source, messages)
        self.waves.append(wave)
        listener = self.core.node.settings.listeners[wave.listener]
        passed = []
        for octets in messages:
            flow = self.core.node.flows.udp(listener, *source)
            out = [e for e in self.core.handle(MessageReceived(flow, octets, now)) if isinstance(e, Send)]
            passed += [effect.octets for effect in out if effect.flow.listener.side != listener.side]
        # 100 Trying is for the hop only (RFC 3261 section 16.7 step 5).
        if kind != 1 and len(passed) != len(messages):
            raise RuntimeError(f"{len(passed)} of {len(messages)} {KINDS[kind]} were passed on")
        return passed


def register_caller(core: ProxyCore) -> None:
    """Make the caller a known client, so that its Contact is repaired with a binding's token."""
    node = core.node
    client, server = node.settings.listeners[CLIENT_SIDE], node.settings.listeners[SERVER_SIDE]
    flow = node.flows.udp(client, calls.CALLER, calls.CALLER_PORT)
    sent = [e for e in core.handle(MessageReceived(flow, calls.register(), 0.0)) if isinstance(e, Send)]
    (request,) = (e.octets for e in sent if e.flow.listener is server)
    contact = calls.headers(request)[b"contact"][0]
    answer = calls.reply(request, b"200 OK", 0, contact + b";expires=3600")
    flow = node.flows.udp(server, calls.SERVER, calls.SERVER_PORT)
    for effect in list(core.handle(MessageReceived(flow, answer, 0.0))):
        if isinstance(effect, StoreBindings) and effect.ticket:
            core.handle(BindingsStored(effect.ticket, 0.0))
    if len(node.bindings) != 1:
        raise RuntimeError("the caller could not be registered")


def play(waves: list[Wave], repair: Mapping[str, str] | None = None, registered: bool = True) -> Timing:
    """Feed the recorded calls to a fresh core and time them; then let 45 s pass and look at what is left.

    `repair` are other modes of rules than their defaults.
    """
    timing = Timing()
    core = new_core(repair)
    if registered:
        register_caller(core)
    gc.collect()
    gc.freeze()
    gc.set_threshold(10000, 20, 100)
    before, objects = resident(), len(gc.get_objects())
    for wave in waves:
        if wave.kind == 0:
            began = thread_time()
            core.tick(wave.now)
            timing.ticking += thread_time() - began
        _time_wave(core, wave, timing)
    timing.transactions = transactions(core)
    gc.disable()
    each = max(timing.transactions, 1)
    timing.bytes_each = (resident() - before) / each
    timing.objects_each = (len(gc.get_objects()) - objects) / each
    began, now = thread_time(), waves[-1].now
    for step in range(int(DRAIN / TICK)):
        core.tick(now + step * TICK)
    timing.draining = thread_time() - began
    timing.left = transactions(core)
    timing.repairs = sum(core.node.counts.repairs.values())
    timing.garbage = gc.collect()
    gc.enable()
    gc.unfreeze()
    return timing


def _time_wave(core: ProxyCore, wave: Wave, timing: Timing) -> None:
    """One wave: the work of the driver that belongs to the core's shape is inside the clock, the socket is not."""
    handle, udp = core.handle, core.node.flows.udp
    listener, (host, port), now = core.node.settings.listeners[wave.listener], wave.source, wave.now
    sent = 0
    began = thread_time()
    for octets in wave.messages:
        effects: list[Effect] = handle(MessageReceived(udp(listener, host, port), octets, now))
        for effect in effects:
            if effect.__class__ is Send:
                sent += 1
    timing.seconds[wave.kind] += thread_time() - began
    timing.sent[wave.kind] += sent


def transactions(core: ProxyCore) -> int:
    """Transactions that are alive now."""
    return sum(core.node.layer.figures().values())


def resident() -> int:
    """Octets of memory this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
