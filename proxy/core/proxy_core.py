"""The only entry to the core: `handle(event)` and `tick(now)`, each giving the effects it wants carried out.

This module wires the steps of one message's way and decides nothing that has a module of its own: validation (16.3),
routing (16.4-16.5), repair, forwarding (16.6), transactions (17), responses (16.7).
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.core.broken_flows import BrokenFlows
from proxy.core.health import Health
from proxy.core.hops import Hop, known_hop
from proxy.core.housekeeping import Housekeeping
from proxy.core.node import Node
from proxy.core.overload import Overload
from proxy.core.oversize import check_size
from proxy.core.own_answers import OwnAnswers
from proxy.core.profiles import Profiles
from proxy.core.refusal import refusal_tag, refuse
from proxy.core.repeats import Repeats
from proxy.core.response_context import ResponseContext
from proxy.core.routing import OwnRoutes
from proxy.core.settings import CoreSettings
from proxy.core.stored import take_back
from proxy.core.to_client import ToClient
from proxy.core.to_server import ToServer
from proxy.core.tokens import BRANCH_PREFIX, own_branch
from proxy.core.unreadable import Unreadable
from proxy.core.validation import check_contacts, check_other_vias, check_request, check_syntax
from proxy.core.way_home import WayHome
from proxy.counts import Counts
from proxy.effects import Effect, Note
from proxy.events import (
    AddressMapped,
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
from proxy.sip.registry import ACK, CANCEL, OPTIONS
from proxy.transaction.key import ServerKey, branch_key, server_key
from proxy.transaction.machine import BY_CLASS


class ProxyCore:
    """One node's core. Not reentrant: one event at a time, effects carried out in order before the next."""

    __slots__ = (
        "_broken", "_health", "_home", "_housekeeping", "_overload", "_own_answers", "_repeats", "_routes",
        "_to_client", "_to_server", "_unreadable", "counts", "node",
    )  # fmt: skip

    def __init__(
        self,
        settings: CoreSettings,
        pipeline: Pipeline,
        via_pipeline: Pipeline,
        counts: Counts,
        keys: tuple[bytes, ...],
        random: Callable[[], bytes],
        profiles: Profiles | None = None,
    ) -> None:
        """`keys` are those of the key file; `random` returns 16 unguessable characters of [a-z0-9]."""
        node = self.node = Node(settings, pipeline, via_pipeline, counts, keys, random, profiles)
        self.counts = counts
        self._routes = OwnRoutes(settings, node.mint)
        self._home = WayHome(node)
        self._to_server = ToServer(node, self._routes, self._home)
        self._to_client = ToClient(node, self._routes, self._home)
        self._repeats = Repeats(node)
        self._overload = Overload(node)
        self._own_answers = OwnAnswers(node, self._repeats, self._overload)
        self._unreadable = Unreadable(node)
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
            self.counts.dropped["send_failed" if event.octets is None else "datagram_too_large"] += 1
            node.layer.datagram_failed(event.flow, out, event.octets)
        elif isinstance(event, FramingFailed):
            self._unreadable.stream(event, out)
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
        elif isinstance(event, AddressMapped):
            event.listener.rename(event.host, event.port)
            self._routes.learn(event.listener)
            node.identity.learn(event.listener.public_host)
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
        settings = self.node.settings
        try:
            if len(octets) > settings.max_head:
                check_size(octets, settings)
            message = parse_message(octets, settings.max_header_lines)
        except SipError as error:
            self._unreadable.message(octets, flow, error, out)
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
        if flow.listener.side == CLIENT:
            node.profiles.meet(request, flow)
        via_before = None
        hop = known_hop(request, flow)
        try:
            try:
                if hop is None:
                    key = server_key(request, flow.listener.side)
                else:
                    key = branch_key(request, hop.branch_in(request.lines[1]), hop.sent_by, flow.listener.side)
            except HeaderError:
                via_before = self._unreadable.mend_via(request, flow, out)
                key = server_key(request, flow.listener.side)
                if via_before:
                    check_other_vias(request)
            known = node.layer.find_server(request, key, flow)
            if known is not None and known.challenged:
                known, key = self._repeats.again(known, request, key, flow, out)
        except HeaderError as unreadable:  # not the name of below: mypyc gives a name one type in a function
            refuse(request, flow, unreadable, node, out, via_before)
            return
        if known is not None:
            self._repeats.take(known, request, key, flow, out)
            return
        try:
            self._take(request, key, flow, hop, via_before, out)
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

    def _take(
        self, request: Request, key: ServerKey, flow: Flow, hop: Hop | None, via_before: bytes | None, out: list[Effect]
    ) -> None:
        """A request that is new here. Raises SipError with the answer it deserves instead."""
        node = self.node
        ends_here = check_request(request)
        method = request.method
        if method == CANCEL:
            self._own_answers.cancel(request, key, flow, out)
            if self._broken.waiting:
                self._broken.look(out)
            return
        if method == ACK and self._is_own_tag(request):
            self._drop("ack_to_own_answer")
            return
        if node.draining and request.to.tag is None:
            raise SipError("shutting down", 503, "draining")
        overload, layer = self._overload, node.layer
        giving_way = None
        if len(layer.servers) >= overload.most_servers or len(layer.clients) >= overload.most_clients:
            giving_way = overload.find_oldest() if method != ACK else None  # an ACK is passed on without state
        if method == OPTIONS and (ends_here or self._routes.is_for_us(request, flow.listener.side)):
            self._own_answers.options(request, key, flow, out)
        elif flow.listener.side == CLIENT:
            spiral = self._to_server.handle(request, key, flow, hop, via_before, out)
            if spiral is not None:
                self._to_client.handle(request, key, flow, hop, spiral, out)
        else:
            self._to_client.handle(request, key, flow, hop, None, out)
        if giving_way is not None:
            overload.give_up(giving_way, out)

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

    def _response(self, response: Response, flow: Flow, out: list[Effect]) -> None:
        node = self.node
        try:
            check_syntax(response)
            if flow.listener.side == CLIENT:
                check_contacts(response)
                if flow.chooser is not node.profiles:
                    node.profiles.meet(response, flow)
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
