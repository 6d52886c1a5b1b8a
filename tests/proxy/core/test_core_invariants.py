"""Whatever happens, in whatever order: each request gets its one answer, everything ends, nothing goes astray.

Hypothesis plays clients, the server, the network, the store and the clock against the real core, and
`tests.support.turmoil` judges every effect. A failure shows the ladder that led to it.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from proxy.events import SendFailed
from proxy.flow import Flow
from proxy.transaction.key import client_key
from proxy.transaction.machine import COMPLETED, PROCEEDING, TRYING
from tests.support.sip_text import SipText, compose, tag_of
from tests.support.turmoil import Asked, Delivered, Turmoil, is_stream

WAITS = (0.05, 0.2, 0.5, 0.5, 1.0, 2.0, 4.0, 12.0, 33.0, 190.0)
STATUSES = (100, 180, 183, 200, 200, 202, 302, 407, 486, 487, 503, 600)
LONG = 32.0  # 64*T1
PICK = st.integers(0, 1000)
UDP_ONE, TCP_ONE, UDP_TWO = "udp://10.0.0.5:5060", "tcp://10.0.0.5:5060", "udp://10.0.0.6:5060"
TARGETS = ((UDP_ONE,), (TCP_ONE,), (UDP_ONE, UDP_TWO), (TCP_ONE, UDP_TWO))


class Caller:
    """A client: its listener, its present flow, and how it writes itself."""

    def __init__(self, world: Turmoil, name: str, listener: int, address: str) -> None:
        self.world = world
        self.name = name
        self.listener = world.listeners[listener]
        self.address = address
        self.flow = world.flow(self.listener, address)
        self.via = ("SIP/2.0/UDP", "SIP/2.0/TCP", "SIP/2.0/WSS")[listener] + f" {name}.invalid;rport"

    def reconnect(self) -> None:
        if is_stream(self.flow):
            self.flow = self.world.flow(self.listener, self.address)


class CoreUnderTurmoil(RuleBasedStateMachine):
    """The state is the world's; the rules are what anybody around the core may do."""

    @initialize(servers=st.sampled_from(TARGETS), transactions=st.sampled_from((200_000, 4)))
    def begin(self, servers, transactions):
        self.world = world = Turmoil(servers, transactions)
        self.callers = [
            Caller(world, "ada", 0, "198.51.100.7:31000"),
            Caller(world, "tom", 1, "198.51.100.8:32000"),
            Caller(world, "eve", 2, "198.51.100.9:33000"),
        ]
        self.server = world.server("k", transport=0 if servers[0].startswith("udp") else 1).flow
        self.second = world.server("second", "10.0.0.6:5060").flow
        self.number = 0

    # -- requests

    def _request(self, method: str, uri: str, via: str, user: str, **more: object) -> bytes:
        self.number += 1
        headers: dict[str, object] = {
            "via": f"{via};branch=z9hG4bKx{self.number}",
            "max-forwards": 70,
            "from": f"<sip:{user}@example.com>;tag=f{self.number}",
            "to": f"<sip:{user}@example.com>" if method == "REGISTER" else "<sip:someone@example.com>",
            "call-id": f"c{self.number}",
            "cseq": f"{self.number} {method}",
            "contact": f"<sip:{user}@{user}.invalid>" if method in ("INVITE", "REGISTER") else None,
            "content-length": 0,
        }
        return compose(f"{method} {uri} SIP/2.0", {**headers, **more}, (), b"")

    @rule(
        who=PICK,
        method=st.sampled_from(("INVITE", "INVITE", "MESSAGE", "REGISTER", "BYE", "OPTIONS")),
        large=st.booleans(),
    )
    def client_asks(self, who, method, large):
        """A large request leaves by TCP where that can be had, and else by UDP."""
        caller = self.callers[who % 3]
        more = {"to": "<sip:someone@example.com>;tag=t"} if method == "BYE" else {}
        if large:
            more["subject"] = "x" * 1300
        uri = "sip:example.com" if method == "REGISTER" else "sip:someone@example.com"
        self.world.hears(caller.flow, self._request(method, uri, caller.via, caller.name, **more))

    @rule(who=PICK, delta=st.sampled_from((0, 60, 600)))
    def client_registers_and_is_accepted(self, who, delta):
        caller = self.callers[who % 3]
        before = len(self.world.delivered)
        octets = self._request("REGISTER", "sip:example.com", caller.via, caller.name, expires=delta)
        self.world.hears(caller.flow, octets)
        if len(self.world.delivered) > before:
            delivered = list(self.world.delivered.values())[-1]
            self._answer(delivered, 200, "r")

    @precondition(lambda self: self.world.shown)
    @rule(which=PICK, method=st.sampled_from(("INVITE", "INVITE", "MESSAGE", "BYE", "OPTIONS")))
    def server_asks(self, which, method):
        uri = self.world.shown[which % len(self.world.shown)]
        more = {"to": "<sip:someone@example.com>;tag=t"} if method == "BYE" else {}
        transport = "TCP" if is_stream(self.server) else "UDP"
        via = f"SIP/2.0/{transport} 10.0.0.5:5060"
        self.world.hears(self._server_flow(), self._request(method, uri, via, "server", **more))

    @precondition(lambda self: self.world.asked)
    @rule(which=PICK)
    def somebody_asks_again(self, which):
        asked = self._asked(which)
        known = self.world.core.node.layer.servers.get(asked.key)
        flow = self._flow_of(asked)
        answers = self.world.hears(flow, asked.octets)
        current = self.world.running.get(asked.key) is asked and flow is asked.flow
        if known is not None and known.state == COMPLETED and current:
            octets = [text.octets for _, text in answers]
            if octets != list(asked.finals)[:1]:  # a 2xx that came behind a refusal is not kept
                # > ... the final response MUST be passed to the transport layer for retransmission (17.2.2)
                self.world.fail("a request that came again did not get its answer again")

    @precondition(lambda self: self.world.asked)
    @rule(which=PICK)
    def somebody_cancels(self, which):
        asked = self._asked(which)
        if asked.text.method == "INVITE":
            self.world.hears(self._flow_of(asked), self._like(asked, "CANCEL", asked.text.value("to")))

    @rule(who=PICK)
    def client_cancels_before_the_invite_arrives(self, who):
        caller = self.callers[who % 3]
        invite = self._request("INVITE", "sip:someone@example.com", caller.via, caller.name)
        cancel = invite.replace(b"INVITE", b"CANCEL")
        self.world.hears(caller.flow, cancel)
        self.world.hears(caller.flow, invite)

    @precondition(lambda self: self.world.asked)
    @rule(which=PICK, branch=st.booleans())
    def somebody_acknowledges(self, which, branch):
        """The final answer that it got; with the INVITE's branch, or another (to a 2xx, or by mistake)."""
        asked = self._asked(which)
        if asked.text.method == "INVITE" and asked.finals:
            to = SipText(next(reversed(asked.finals))).value("to")
            ack = self._like(asked, "ACK", to)
            if branch:
                ack = ack.replace(b"branch=z9hG4bKx", b"branch=z9hG4bKack")
            self.world.hears(self._flow_of(asked), ack)

    def _like(self, asked: Asked, method: str, to: str) -> bytes:
        """ACK or CANCEL as 9.1 and 17.1.1.3 make them of the INVITE."""
        text = asked.text
        headers: dict[str, object] = {
            "via": text.value("via"),
            "max-forwards": 70,
            "from": text.value("from"),
            "to": to,
            "call-id": text.call_id,
            "cseq": f"{text.number} {method}",
            "content-length": 0,
        }
        return compose(f"{method} {text.uri} SIP/2.0", headers, (), b"")

    def _asked(self, which: int) -> Asked:
        return self.world.asked[-1 - which % min(len(self.world.asked), 12)]

    def _flow_of(self, asked: Asked) -> Flow:
        """The flow of a request, or where its sender is by now."""
        if asked.flow.open:
            return asked.flow
        if asked.flow.listener.side == self.server.listener.side:
            return self._server_flow()
        return next(caller.flow for caller in self.callers if caller.listener is asked.flow.listener)

    def _server_flow(self) -> Flow:
        if not self.server.open:
            self.server = self.world.flow(self.server.listener, "10.0.0.5:5060")
        return self.server

    # -- responses

    @precondition(lambda self: self.world.delivered)
    @rule(which=PICK, status=st.sampled_from(STATUSES), tag=st.sampled_from(("a", "b")))
    def somebody_answers(self, which, status, tag):
        """Any far end, any request it ever got, late, twice, or from two branches of a fork."""
        delivered = list(self.world.delivered.values())
        self._answer(delivered[-1 - which % min(len(delivered), 12)], status, tag)

    @precondition(lambda self: self.world.delivered)
    @rule(status=st.sampled_from(STATUSES), last=st.sampled_from(("INVITE", "INVITE", "CANCEL", "")))
    def somebody_answers_in_time(self, status, last):
        """The last request that was delivered, of that method or any."""
        for delivered in reversed(self.world.delivered.values()):
            if last in ("", delivered.text.method):
                self._answer(delivered, status, "a")
                break

    @precondition(lambda self: self.world.delivered)
    @rule()
    def somebody_rings_and_answers_the_cancel(self):
        """A ringing far end that obeys: 200 to the CANCEL, 487 to the INVITE (9.2)."""
        for delivered in list(self.world.delivered.values())[-6:]:
            if delivered.text.method == "CANCEL":
                self._answer(delivered, 200, "a")
                branch = delivered.text.value("via").partition(";branch=")[2].partition(";")[0]
                self._answer(self.world.delivered[(branch, "INVITE")], 487, "a")
            elif delivered.text.method == "INVITE":
                self._answer(delivered, 180, "a")

    def _answer(self, delivered: Delivered, status: int, tag: str) -> None:
        text = delivered.text
        to = text.value("to")
        if status > 100 and not tag_of(to):
            to += f";tag={tag}"
        headers: dict[str, object] = {
            "via": text.values("via"),
            "record-route": text.values("record-route") or None,
            "from": text.value("from"),
            "to": to,
            "call-id": text.call_id,
            "cseq": text.value("cseq"),
            "contact": text.values("contact") or "<sip:someone@10.0.0.5>",
            "content-length": 0,
        }
        flow = delivered.flow
        if not flow.open:
            return
        asked = delivered.origin
        in_time = False
        if status >= 200 and asked is not None and self.world.running[asked.key] is asked:
            server = self.world.core.node.layer.servers.get(asked.key)
            waiting = server is not None and server.state in (TRYING, PROCEEDING)
            # What comes after a final answer is absorbed (17.1.2.2), though it may be another one.
            in_time = waiting and not delivered.refused and self._is_alive(delivered)
        before = len(self.world.delivered)
        must_pass = text.method == "INVITE" and 200 <= status < 300 and self._is_awaited(delivered)
        answers = self.world.hears(flow, compose(f"SIP/2.0 {status} Test", headers, (), b""))
        delivered.refused |= status >= 300
        if asked is not None and (status != 503 or len(self.world.delivered) == before):
            asked.answered |= in_time  # a 503 that sent it on to the next target is no answer
        if must_pass and not any(200 <= answer.status < 300 for _, answer in answers):
            self.world.fail("a 2xx to INVITE was lost")

    def _is_awaited(self, delivered: Delivered) -> bool:
        """Whether the far end sent its first 2xx in time; what the caller was told before does not count."""
        asked, now = delivered.origin, self.world.now
        if asked is None or self.world.running[asked.key] is not asked:
            return False
        layer = self.world.core.node.layer
        if delivered.refused or asked.key not in layer.servers or not self._is_alive(delivered):
            return False  # it refused before, or our own timer ended the wait for it
        if delivered.first_2xx is None:
            delivered.first_2xx = now
        return now < delivered.first_2xx + LONG

    def _is_alive(self, delivered: Delivered) -> bool:
        """Whether the branch still waits for answers: no timer and no transport error ended it."""
        branch = delivered.text.value("via").partition(";branch=")[2].partition(";")[0]
        return client_key(branch.encode(), delivered.text.method.encode()) in self.world.core.node.layer.clients

    # -- everything else

    @rule(seconds=st.sampled_from(WAITS))
    def time_passes(self, seconds):
        self.world.wait(seconds)

    @rule(who=PICK)
    def client_loses_its_connection(self, who):
        caller = self.callers[who % 3]
        if is_stream(caller.flow):
            self.world.close(caller.flow)
            caller.reconnect()

    @rule()
    def server_loses_its_connections(self):
        for flow in list(self.world.core.node.flows.streams.values()):
            if flow.listener.side == self.server.listener.side:
                self.world.close(flow)

    @rule(who=st.integers(0, 4))
    def datagram_fails(self, who):
        flow = [*(caller.flow for caller in self.callers), self.server, self.second][who]
        if not is_stream(flow):
            self.world.trace.append(f"           >> {flow!r} cannot be reached")
            self.world.feed(SendFailed(flow, "refused", self.world.now))

    @rule(slow=st.booleans())
    def store_changes_its_pace(self, slow):
        self.world.commits = not slow
        if not slow:
            self.world.commit()

    @rule(lost=st.booleans())
    def connecting_succeeds_or_not(self, lost):
        self.world.loses_connects = lost

    @invariant()
    def all_is_well(self):
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self):
        if hasattr(self, "world"):
            self.world.settle()


TestCoreUnderTurmoil = CoreUnderTurmoil.TestCase
TestCoreUnderTurmoil.settings = settings(
    max_examples=300,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
