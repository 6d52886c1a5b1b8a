"""A world in which far ends answer what they like and nothing is expected: every effect of the core is judged instead.

What is always true of the core, whatever happens around it, is checked here; `Turmoil.trace` is the ladder of what
happened, and stands in every failure.
"""

from __future__ import annotations

from typing import NoReturn

from proxy.core.response_context import ResponseContext
from proxy.effects import CloseFlow, Effect, OpenFlow, Send, StoreBindings
from proxy.events import BindingsStored, Event, FlowClosed, FlowOpened, MessageReceived
from proxy.flow import CLIENT, SERVER, UDP, Flow
from proxy.sip.message import Request
from proxy.sip.parser import parse_message
from proxy.transaction.key import ServerKey, server_key
from proxy.transaction.machine import COMPLETED, PROCEEDING, TIMER_J, TRYING, Transaction
from proxy.transaction.timers import NEVER
from tests.support.clock import run_core_until
from tests.support.sip_text import SipText, tag_of
from tests.support.world import World

GRID = 0.05
SERVERS = (("10.0.0.5", 5060), ("10.0.0.6", 5060))
GIVE_UP = 4.0 + 1.0  # a silent target, and a connection for a large request that is never made


class Failure(AssertionError):  # noqa: N818  # what a test reports
    """The core broke a rule; the ladder says how."""


class Asked:
    """A request that was put to the core, from the arrival that no server transaction knew to that one's end."""

    def __init__(self, octets: bytes, flow: Flow, key: ServerKey) -> None:
        self.text = SipText(octets)
        self.octets = octets
        self.flow = flow
        self.key = key
        self.stateful = False
        self.answered = False  # the far end gave a final answer in time
        self.finals: dict[bytes, int] = {}  # octets -> status


class Delivered:
    """A request that the core sent to a far end, who may answer it."""

    def __init__(self, text: SipText, flow: Flow, origin: Asked | None) -> None:
        self.text = text
        self.flow = flow
        self.origin = origin  # None: a CANCEL of the core's own
        self.first_2xx: float | None = None
        self.refused = False  # it gave another final answer: a 2xx after that counts no more (17.1.1.2)


class Turmoil(World):
    """The real core; `commits` says whether the store commits at once, `loses_connects` whether connecting fails.

    `transactions` is how many there may be before the oldest call gives way.
    """

    def __init__(self, targets: tuple[str, ...], transactions: int = 200_000) -> None:
        self.trace: list[str] = []
        self.asked: list[Asked] = []
        self.running: dict[ServerKey, Asked] = {}
        self.delivered: dict[tuple[str, str], Delivered] = {}
        self.heard: set[tuple[int, str, int, int]] = set()
        self.from_clients: set[str] = set()
        self.shown: list[str] = []
        self.tickets: list[int] = []
        self.commits = True
        self.loses_connects = False
        self._figures: dict[object, int] = {}
        self._answers: list[tuple[Asked, SipText]] = []
        listeners = ("udp://203.0.113.10:5060", "tcp://203.0.113.10:5060", "wss://edge.example.com:8443")
        super().__init__(clients=listeners, targets=targets, limits={"transactions": transactions})

    # -- in

    def hears(self, flow: Flow, octets: bytes) -> list[tuple[Asked, SipText]]:
        """A message arrives; returns the responses that went home because of it."""
        text = SipText(octets)
        self._note(f">> {flow!r} {_short(text)}")
        if not text.is_response:
            self._expect(octets, flow, text)
        self._answers = []
        self.feed(MessageReceived(flow, octets, self.now))
        return self._answers

    def _expect(self, octets: bytes, flow: Flow, text: SipText) -> None:
        message = parse_message(octets)
        assert isinstance(message, Request)
        if flow.listener.side == CLIENT:
            self.heard.add(flow.key)
            self.from_clients.add(text.call_id)
        if text.method == "ACK":
            return
        key = server_key(message, flow.listener.side)
        if key not in self.core.node.layer.servers:
            asked = self.running[key] = Asked(octets, flow, key)
            self.asked.append(asked)

    def feed(self, event: Event) -> None:
        try:
            effects = self.core.handle(event)
        except Exception as error:  # whatever it is: the trace belongs to it
            raise Failure(self._picture(f"{type(error).__name__} escaped")) from error
        self.take(effects)
        self.check()

    def close(self, flow: Flow) -> None:
        """A connection ends."""
        if flow.open:
            self._note(f">> {flow!r} closes")
            self.feed(FlowClosed(flow, "peer_closed", self.now))
            waiting = [t for t in self.core.node.layer.clients.values() if t.flow is flow and t.state < COMPLETED]
            if waiting or flow.number in self.core.node.layer._by_flow:
                self.fail("somebody waits for an answer on a connection that is gone")

    def commit(self) -> None:
        """The store reports all that it was given."""
        while self.tickets:
            self._note(">> the store commits")
            self.feed(BindingsStored(self.tickets.pop(0), self.now))

    def wait(self, seconds: float) -> None:
        """Virtual time passes, deadline by deadline."""
        end = self.now + seconds
        self._note(f">> {seconds:g} s pass")
        try:
            for deadline, effects in run_core_until(self.core, end):
                self.now = deadline
                self.take(effects)
                self.check()
        except Failure:
            raise
        except Exception as error:  # as above
            raise Failure(self._picture(f"{type(error).__name__} escaped")) from error
        self.now = end

    # -- out

    def take(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                text = SipText(effect.octets)
                self._note(f"<< {effect.flow!r} {_short(text)}" + ("" if effect.flow.open else " (closed)"))
                if text.is_response:
                    self._response(effect, text)
                else:
                    self._request(effect, text)
        for effect in effects:
            if isinstance(effect, StoreBindings) and effect.ticket:
                self.tickets.append(effect.ticket)
            elif isinstance(effect, OpenFlow):
                self._note(f"<< {effect.flow!r} opened" + (" in vain" if self.loses_connects else ""))
                lost = self.loses_connects
                self.feed(FlowClosed(effect.flow, "refused", self.now) if lost else FlowOpened(effect.flow, self.now))
            elif isinstance(effect, CloseFlow):
                self.close(effect.flow)
        if self.commits and self.tickets:
            self.commit()

    def _request(self, send: Send, text: SipText) -> None:
        """Requests of clients go to the server and nowhere else, those of the server to clients that were heard."""
        flow = send.flow
        if flow.listener.side == SERVER:
            if flow.address not in SERVERS[: len(self.addresses)]:
                self.fail("a request went to somebody who is not the server")
            if text.call_id not in self.from_clients:
                self.fail("the server got a request of its own back")
            contact = text.value("contact")
            if ";b=" in contact:
                self.shown.append(contact.partition("<")[2].partition(">")[0])
        else:
            if text.call_id in self.from_clients:
                self.fail("a client's request went to a client, past the server")
            if flow.key not in self.heard:
                self.fail("the server's request went to somebody who never said a word")
        branch = text.value("via").partition(";branch=")[2].partition(";")[0]
        if text.method != "ACK" and (branch, text.method) not in self.delivered:
            self.delivered[branch, text.method] = Delivered(text, flow, self._origin_of(text))

    def _origin_of(self, text: SipText) -> Asked | None:
        """The request that leaves as this one: the last that came with the Via below ours."""
        vias = text.elements("via")
        if len(vias) < 2:
            return None
        branch = vias[1].partition(";branch=")[2].partition(";")[0]
        return next(
            asked
            for asked in reversed(self.asked)
            if asked.text.method == text.method and f";branch={branch};" in asked.text.value("via") + ";"
        )

    def _response(self, send: Send, text: SipText) -> None:
        """Every response answers a request, goes to where it came from, and there is one final answer only."""
        branch = text.value("via").partition(";branch=")[2].partition(";")[0]
        asked = next(
            (
                asked
                for asked in reversed(self.asked)
                if asked.text.key() == text.key() and f";branch={branch};" in asked.text.value("via") + ";"
            ),
            None,
        )
        if asked is None:
            self.fail("a response answers no request")
        flow = send.flow
        # A connection that is gone is made again, or the client has another by now (protocol 10).
        same = flow.remote_host == asked.flow.remote_host and not asked.flow.open
        if flow.listener.side != asked.flow.listener.side or (flow.key != asked.flow.key and not same):
            self.fail("a response went elsewhere than its request came from")
        self._answers.append((asked, text))
        if text.status < 200:
            if asked.finals and not any(status < 300 for status in asked.finals.values()):
                self.fail("a provisional response after the final one")
            return
        asked.finals[send.octets] = text.status
        statuses = list(asked.finals.values())
        # Every 2xx to an INVITE goes home, also that of a target which was given up before another one refused.
        repeats = text.method == "INVITE" and all(status < 300 for status in statuses[1:])
        if len(statuses) > 1 and not repeats:
            self.fail(f"a second final answer: {statuses}")

    # -- what is always true

    def check(self) -> None:
        """Every transaction will end by itself, and no counter went down."""
        layer = self.core.node.layer
        alive = {id(t.user) for t in layer.clients.values()}
        alive |= {id(waiting.context) for waiting in self.core._broken.waiting}
        for t in layer.clients.values():
            self._check_timer(t, "client")
        for key, s in layer.servers.items():
            asked = self.running.get(key)
            if asked is not None:
                asked.stateful = True
            if s.state in (TRYING, PROCEEDING):
                # Either a branch is under way, or the answer to a REGISTER waits for the store, or nobody is to answer
                # (an OPTIONS to a client that is gone).
                user = s.user
                waits = s.method == b"REGISTER" and bool(self.tickets)
                waits = waits or (s.method == b"OPTIONS" and user is None and s.long_name == TIMER_J)
                if not waits and (not isinstance(user, ResponseContext) or id(user) not in alive):
                    self.fail(f"nothing will ever answer the {s.method.decode()}")
            else:
                self._check_timer(s, "server")
        figures = self._all_figures()
        for name, figure in self._figures.items():
            if figures.get(name, 0) < figure:
                self.fail(f"the counter {name} went down from {figure} to {figures.get(name, 0)}")
        self._figures = figures

    def _check_timer(self, t: Transaction, kind: str) -> None:
        deadline = min(t.short, t.long)
        if deadline == NEVER or t.queued > deadline + 1e-6:
            self.fail(f"a {kind} transaction ({t.method.decode()}) has no timer")

    def _all_figures(self) -> dict[object, int]:
        counts = self.counts
        figures: dict[object, int] = {"misdirected": counts.misdirected, "failovers": counts.failovers}
        for name in ("repairs", "responses", "dropped", "restored_by", "plugin_errors"):
            for label, figure in getattr(counts, name).items():
                figures[(name, label)] = figure
        for index, table in enumerate(counts.received):
            for label, figure in table.items():
                figures[("received", index, label)] = figure
        for index, figure in enumerate(counts.retransmissions):
            figures[("retransmissions", index)] = figure
        for method, histogram in counts.durations.items():
            figures[("durations", method)] = sum(histogram.buckets)
        return figures

    def settle(self) -> None:
        """Nothing more comes: everything ends in its time, answered if it may be, and nothing is left behind."""
        self.commits = True
        self.commit()
        layer = self.core.node.layer
        timers = self.core.node.settings.timers
        ringing = any(t.state == PROCEEDING and t.method == b"INVITE" for t in layer.clients.values())
        # Timer B or F, or 64*T1 after a CANCEL; then Timer H or D of the answer.
        further = GIVE_UP * len(self.addresses)
        self.wait((timers.c if ringing else 0.0) + 2 * timers.long + timers.t4 + further + 4 * GRID)
        if layer.clients or layer.servers:
            self.fail(f"transactions are left: {[*layer.clients.values(), *layer.servers.values()]}")
        if layer._invites or layer._by_flow:
            self.fail(f"leftovers: {layer._invites} {layer._by_flow}")
        self.wait(timers.c)  # an entry of the wheel stays until its time has come, wanted or not
        housekeeping = 1 if len(self.core.node.bindings) + len(self.core.node.guests) else 0
        if layer.scene.wheel.entries > housekeeping:
            self.fail(f"{layer.scene.wheel.entries} entries are left in the wheel")
        for asked in self.asked:
            # RFC 4320: a request other than INVITE that nobody answered in time gets no answer at all.
            owed = asked.answered or asked.text.method == "INVITE"
            if asked.stateful and owed and not asked.finals:
                self.fail(f"no final answer to {_short(asked.text)}")

    # -- the ladder

    def fail(self, reason: str) -> NoReturn:
        raise Failure(self._picture(reason))

    def _picture(self, reason: str) -> str:
        return "\n".join([reason, "", "what happened:", *self.trace])

    def _note(self, text: str) -> None:
        self.trace.append(f"{self.now - self.started:9.3f}  {text}")


def _short(text: SipText) -> str:
    """A message in one line of the ladder."""
    branch = text.value("via").partition(";branch=")[2].partition(";")[0]
    tag = tag_of(text.value("to"))
    return f"{text.start.removeprefix('SIP/2.0 ')[:60]} [{text.value('cseq')} {text.call_id} {branch[-8:]} to={tag}]"


def is_stream(flow: Flow) -> bool:
    return flow.listener.transport != UDP
