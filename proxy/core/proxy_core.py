"""The only entry to the core: `handle(event)` and `tick(now)`, each giving the effects it wants carried out.

This module wires the steps of one message's way and decides nothing that has a module of its own: validation (16.3),
routing (16.4-16.5), repair, forwarding (16.6), transactions (17), responses (16.7).
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.core.broken_flows import BrokenFlows
from proxy.core.health import Health
from proxy.core.hops import known_hop
from proxy.core.housekeeping import Housekeeping
from proxy.core.node import Node
from proxy.core.refusal import refusal_tag, refuse
from proxy.core.replies import make_reply
from proxy.core.response_context import ResponseContext
from proxy.core.response_routing import reply_flow, stamp_via
from proxy.core.routing import OwnRoutes
from proxy.core.settings import CoreSettings
from proxy.core.stored import take_back
from proxy.core.to_client import OwnOptions, ToClient
from proxy.core.to_server import ToServer
from proxy.core.tokens import BRANCH_PREFIX, own_branch
from proxy.core.validation import check_other_vias, check_request, check_syntax
from proxy.core.way_home import WayHome
from proxy.counts import Counts
from proxy.effects import CloseFlow, Effect, Note
from proxy.events import (
    BindingsLoaded,
    BindingsStored,
    Event,
    FlowClosed,
    FlowOpened,
    FramingFailed,
    MessageReceived,
    SendFailed,
    TargetsResolved,
)
from proxy.flow import CLIENT, SERVER, Flow
from proxy.repair.pipeline import Pipeline
from proxy.sip.errors import HeaderError, SipError
from proxy.sip.message import Request, Response
from proxy.sip.parser import parse_message
from proxy.sip.registry import ACK, CANCEL, OPTIONS, VIA
from proxy.transaction.key import ServerKey, branch_key, server_key
from proxy.transaction.layer import ServerTransaction
from proxy.transaction.machine import BY_CLASS


class ProxyCore:
    """One node's core. Not reentrant: one event at a time, effects carried out in order before the next."""

    __slots__ = (
        "_broken", "_health", "_home", "_housekeeping", "_routes", "_to_client", "_to_server", "counts", "node",
    )  # fmt: skip

    def __init__(
        self,
        settings: CoreSettings,
        pipeline: Pipeline,
        via_pipeline: Pipeline,
        counts: Counts,
        keys: tuple[bytes, ...],
        random: Callable[[], bytes],
    ) -> None:
        """`keys` are those of the key file; `random` returns 16 unguessable characters of [a-z0-9]."""
        node = self.node = Node(settings, pipeline, via_pipeline, counts, keys, random)
        self.counts = counts
        self._routes = OwnRoutes(settings, node.mint)
        self._home = WayHome(node)
        self._to_server = ToServer(node, self._routes, self._home)
        self._to_client = ToClient(node, self._routes, self._home)
        self._broken = BrokenFlows(node)
        self._housekeeping = Housekeeping(node)
        self._health: Health | None = None

    def handle(self, event: Event) -> list[Effect]:
        """Take one event; returns what is to be done about it, in order."""
        out: list[Effect] = []
        node = self.node
        node.layer.scene.now = event.now
        if event.__class__ is MessageReceived:
            event.flow.heard = event.now
            self._message(event.octets, event.flow, out)
        elif isinstance(event, FlowClosed):
            self._broken.close(event.flow, event.reason, out)
        elif isinstance(event, SendFailed):
            self.counts.dropped["send_failed"] += 1
            node.layer.datagram_failed(event.flow, out, event.octets)
        elif isinstance(event, FramingFailed):
            self._unframed(event, out)
        elif isinstance(event, BindingsStored):
            self._home.stored(event.ticket, out)
        elif isinstance(event, BindingsLoaded):
            take_back(event.bindings, node, out)
        elif isinstance(event, TargetsResolved):
            node.targets.resolve(event.addresses)
            if self._health is None and node.settings.health_interval > 0:
                self._health = Health(node, node.settings.health_interval, node.settings.health_timeout)
                self._health.start(out)
        elif isinstance(event, FlowOpened):
            event.flow.heard = event.now
        if self._broken.waiting and node.bindings.moved and not self._home.answers_wait(event):
            self._broken.look(out)
        if not self._housekeeping.armed:
            self._housekeeping.arm()
        return out

    def tick(self, now: float) -> list[Effect]:
        """Run the timers that are due at that time (seconds)."""
        out: list[Effect] = []
        self.node.layer.tick(now, out)
        return out

    @property
    def next_deadline(self) -> Callable[[], float | None]:
        """Call it to learn when `tick` is wanted next; None if no timer runs. Asked after every event."""
        return self.node.layer.scene.wheel.next_deadline

    # -- messages

    def _message(self, octets: bytes, flow: Flow, out: list[Effect]) -> None:
        try:
            message = parse_message(octets, self.node.settings.max_header_lines)
        except SipError as error:
            self._drop(error.label)
            return
        self.counts.received[flow.listener.index][message.kind] += 1
        if isinstance(message, Request):
            self._request(message, flow, out)
        else:
            self._response(message, flow, out)

    def _request(self, request: Request, flow: Flow, out: list[Effect]) -> None:
        node = self.node
        if flow.listener.side == SERVER and not node.targets.is_server(flow.remote_host):
            self._not_server(request, flow, out)
            return
        via_before = None
        hop = known_hop(request, flow)
        try:
            try:
                if hop is None:
                    key = server_key(request, flow.listener.side)
                else:
                    key = branch_key(request, hop.branch_in(request.lines[1]), hop.sent_by, flow.listener.side)
            except HeaderError:
                via_before = self._mend_via(request, flow, out)
                key = server_key(request, flow.listener.side)
                if via_before:
                    check_other_vias(request)
            known = node.layer.find_server(request, key, flow)
        except HeaderError as unreadable:  # not the name of below: mypyc gives a name one type in a function
            refuse(request, flow, unreadable, node, out, via_before)
            return
        if known is not None:
            self._repeat(known, request, flow, out)
            return
        try:
            check_request(request)
            if request.method == CANCEL:
                self._cancel(request, key, flow, out)
            elif request.method == ACK and self._is_own_tag(request):
                self._drop("ack_to_own_answer")
            elif len(node.layer.servers) >= node.settings.max_transactions:
                raise SipError("too many transactions at once", 503, "transactions_full")
            elif node.draining and request.to.tag is None:
                raise SipError("shutting down", 503, "draining")
            elif flow.listener.side == CLIENT:
                spiral = self._to_server.handle(request, key, flow, hop, via_before, out)
                if spiral is not None:
                    self._to_client.handle(request, key, flow, hop, spiral, out)
            else:
                self._to_client.handle(request, key, flow, hop, None, out)
        except OwnOptions:
            self._answer_options(request, key, flow, out)
        except SipError as error:
            self._refuse(request, key, flow, error, via_before, out)

    def _refuse(
        self,
        request: Request,
        key: ServerKey,
        flow: Flow,
        error: SipError,
        via_before: bytes | None,
        out: list[Effect],
    ) -> None:
        """Answer what cannot be forwarded."""
        opened = self.node.layer.servers.get(key)
        if opened is not None:  # what raises so late must not leave a transaction without an end
            opened.end()
        if self._is_silent(request, error):
            self._drop("options_gone")
        else:
            refuse(request, flow, error, self.node, out, via_before)

    def _repeat(self, known: ServerTransaction, request: Request, flow: Flow, out: list[Effect]) -> None:
        """A request again, or the ACK to a refusal: from whom the first one came."""
        if flow.key != known.flow.key and known.flow.remote_host != flow.remote_host:
            self._drop("other_flow")
        else:
            self.node.layer.repeat(known, request, out)

    def _is_silent(self, request: Request, error: SipError) -> bool:
        """OPTIONS to a client that is gone: any answer would mean to some servers that it is there (protocol 3.4)."""
        return (
            request.method == OPTIONS
            and error.label in ("flow_gone", "not_registered")
            and request.to.tag is None
            and self.node.settings.options_gone == "silent"
        )

    def _is_own_tag(self, request: Request) -> bool:
        tag = request.to.tag
        return tag is not None and tag[:2] == b"sm" and tag == refusal_tag(request, self.node)

    def _mend_via(self, request: Request, flow: Flow, out: list[Effect]) -> bytes | None:
        """Let the rules mend a Via that is missing or unreadable; returns the client's own line, or b""."""
        if flow.listener.side != CLIENT:
            return None
        index = request.index(VIA)
        before = request.lines[index] if index > 0 else b""
        self.node.via_repairs.request_in(request, flow, None, True, None, out)
        index = request.index(VIA)
        return before if index > 0 and request.lines[index] != before else None

    def _cancel(self, request: Request, key: ServerKey, flow: Flow, out: list[Effect]) -> None:
        """Answer a CANCEL ourselves and pass it on hop by hop (9.2, 16.10)."""
        node = self.node
        cancelled = node.layer.find_cancelled(request, key, flow)
        home = reply_flow(request, flow, node.flows, node.counts)
        stamp_via(request, flow)
        server = node.layer.open_server(request, key, home, out)
        status = 481 if cancelled is None else 200
        self.counts.responses[(flow.listener.side, status)] += 1
        node.layer.answer(server, status, make_reply(request, status, refusal_tag(request, node)), out)
        if cancelled is not None and isinstance(cancelled.user, ResponseContext):
            cancelled.user.cancel(out)
            if self._broken.waiting:
                self._broken.look(out)

    def _answer_options(self, request: Request, key: ServerKey, flow: Flow, out: list[Effect]) -> None:
        """The server asks whether we are there (11.2)."""
        node = self.node
        home = reply_flow(request, flow, node.flows, node.counts)
        server = node.layer.open_server(request, key, home, out)
        self.counts.responses[(flow.listener.side, 200)] += 1
        node.layer.answer(server, 200, make_reply(request, 200, refusal_tag(request, node)), out)

    def _response(self, response: Response, flow: Flow, out: list[Effect]) -> None:
        node = self.node
        try:
            check_syntax(response)
            if response.status >= 300:
                response.to  # noqa: B018  # raises where it cannot be read: its tag is what the ACK is known by
            branch = own_branch(response.lines[1]) if response.places().via == 1 else None
            if branch is None:
                branch = response.via.branch
            known = node.layer.find_client(response, branch) if branch and branch.startswith(BRANCH_PREFIX) else None
        except SipError as error:
            self._drop(error.label)
            return
        if known is None:
            self._drop("stray_response")
        elif known.flow is not flow and not self._may_answer(known.flow, flow):
            self._drop("foreign_response")
        elif known.user.__class__ is ResponseContext and response.via_count() < 2:
            # > If no Via header field values remain in the response, the response was meant for this element and MUST
            # > NOT be forwarded. (16.7 step 3)
            self._drop("no_via_left")
        else:
            known.step(BY_CLASS[response.status // 100], response, out)

    def _may_answer(self, asked: Flow, flow: Flow) -> bool:
        """Whether a response comes from whom the request went to."""
        if asked is flow or asked.remote_host == flow.remote_host:
            return asked.listener.side == flow.listener.side
        return flow.listener.side == SERVER == asked.listener.side and self.node.targets.is_server(flow.remote_host)

    # -- what does not fit

    def _drop(self, reason: str) -> None:
        self.counts.dropped[reason] += 1

    def _not_server(self, request: Request, flow: Flow, out: list[Effect]) -> None:
        """Only the server may send requests to the server side (protocol 1.1)."""
        node = self.node
        said = ("not_server", flow.remote_host)
        if said not in node.noted and len(node.noted) < 1000:
            node.noted.add(said)
            text = "{method} from {host} on the server side refused: if it is the server's, add it to server.networks"
            out.append(Note("warn", text, {"method": request.kind, "host": flow.remote_host}))
        if flow.listener.reliable:
            refuse(request, flow, SipError("requests are taken from the server only", 403, "not_server"), node, out)
        else:
            self._drop("not_server")

    def _unframed(self, event: FramingFailed, out: list[Effect]) -> None:
        """Answer what can be answered, and close: nobody knows where the next message would begin (18.3)."""
        try:
            message = parse_message(event.octets, self.node.settings.max_header_lines)
            if isinstance(message, Request):
                refuse(message, event.flow, SipError(event.explanation, 400, event.reason), self.node, out)
            else:
                self._drop(event.reason)
        except SipError:
            self._drop(event.reason)
        out.append(CloseFlow(event.flow, event.reason))
