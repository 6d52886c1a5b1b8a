"""The way of one request to the server and of its answer back, through the proxy's own core, without sending anything.

The answer is made up: a 200 as an ordinary server would give it. Shown is what leaves, our Via and routes included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2s
from typing import Final

from proxy.core.proxy_core import ProxyCore
from proxy.core.replies import make_reply
from proxy.core.tokens import FOLD
from proxy.counts import Counts
from proxy.effects import Effect, OpenFlow, Send, StoreBindings
from proxy.events import BindingsStored, FlowOpened, MessageReceived, TargetsResolved
from proxy.explain import KEY, Setting, core_settings, listener_of, pipelines, profiles_of
from proxy.flow import CLIENT, DEFAULT_PORTS, NO_CONNECTION, SERVER, UDP, Flow
from proxy.origin import Source, likely_source
from proxy.sip.errors import SipError
from proxy.sip.message import Request
from proxy.sip.parser import parse_message
from proxy.sip.registry import ACK, CONTACT, INVITE, RECORD_ROUTE, REGISTER, SUBSCRIBE

# Where a server is that nobody named (RFC 5737).
_SERVER: Final = "192.0.2.5"
_NOW: Final = 1000.0
# So many effects are more than any one message has.
_MOST_EFFECTS: Final = 1000


@dataclass(frozen=True)
class Step:
    """One message on its way: from whom to whom, in the words `client`, `sipmend` and `server`."""

    sender: str
    receiver: str
    octets: bytes


def round_trip(octets: bytes, setting: Setting, source: Source | None = None) -> list[Step]:
    """The messages in their order, the request first; only that where nothing leaves, none for a response.

    Raises ParseError for what is no SIP message.
    """
    message = parse_message(octets)
    if not isinstance(message, Request):
        return []
    stage = _Stage(setting, message, source or likely_source(message))
    steps = [Step("client", "sipmend", octets)]
    sent = stage.feed(stage.client, octets)
    steps += sent
    asked = next((step for step in sent if step.receiver == "server"), None)
    if asked is not None and message.method != ACK:
        answer = _answer(asked.octets)
        if answer:
            steps.append(Step("server", "sipmend", answer))
            steps += stage.feed(stage.server or stage.client, answer)
    return steps


class _Stage:
    """A core between one client and one server, at a time that stands still."""

    def __init__(self, setting: Setting, message: Request, source: Source) -> None:
        core = core_settings(setting, message, source.transport)
        counts = Counts(len(core.listeners))
        both, profiles = pipelines(setting, core, counts), profiles_of(setting, core, counts)
        self._core = ProxyCore(core, *both, counts, (KEY,), _numbered(), profiles)
        self.server: Flow | None = None
        usual = core.server_transport
        targets = setting.targets or ((usual, _SERVER, DEFAULT_PORTS[usual]),)
        self._run(self._core.handle(TargetsResolved(targets, _NOW)))
        listener = listener_of(core.listeners, CLIENT, source.transport)
        flows = self._core.node.flows
        if listener.transport == UDP:
            self.client = flows.udp(listener, source.host, source.port)
        else:
            self.client = flows.stream(listener, source.host, source.port, False)

    def feed(self, flow: Flow, octets: bytes) -> list[Step]:
        """Have the core take a message; what it sends."""
        return self._run(self._core.handle(MessageReceived(flow, octets, _NOW)))

    def _run(self, effects: list[Effect]) -> list[Step]:
        """Play the driver: connections open at once, and what is to be stored is stored."""
        steps: list[Step] = []
        waiting = list(effects)
        for _ in range(_MOST_EFFECTS):
            if not waiting:
                break
            effect = waiting.pop(0)
            if isinstance(effect, Send):
                to_server = effect.flow.listener.side == SERVER
                if to_server:
                    self.server = effect.flow
                steps.append(Step("sipmend", "server" if to_server else "client", effect.octets))
            elif isinstance(effect, OpenFlow) and effect.flow.number != NO_CONNECTION:
                waiting += self._core.handle(FlowOpened(effect.flow, _NOW))
            elif isinstance(effect, StoreBindings) and effect.ticket:
                waiting += self._core.handle(BindingsStored(effect.ticket, _NOW))
        return steps


def _numbered() -> Callable[[], bytes]:
    """Sixteen characters per call, the same ones on every run."""
    calls = 0

    def characters() -> bytes:
        nonlocal calls
        calls += 1
        return blake2s(b"%d" % calls).hexdigest()[:16].encode().translate(FOLD)

    return characters


def _answer(octets: bytes) -> bytes:
    """A 200 to the request as it reached the server (RFC 3261 section 8.2.6); b"" if it cannot be answered."""
    try:
        request = parse_message(octets)
    except SipError:
        return b""
    if not isinstance(request, Request):
        return b""
    headers: tuple[bytes, ...] = ()
    if request.method == REGISTER:
        headers = (*request.lines_of(CONTACT), b"Expires: 600")
    elif request.method in (INVITE, SUBSCRIBE):
        headers = (*request.lines_of(RECORD_ROUTE), b"Contact: <sip:%b:5060>" % _SERVER.encode())
    return make_reply(request, 200, b"server", headers=headers)
