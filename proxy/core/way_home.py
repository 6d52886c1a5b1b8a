"""Responses on their way home (RFC 3261 section 16.7; protocol 3 to 5 and 10).

To the server: the client's Contact is repaired. To the client: what was repaired for it is undone.
"""

from __future__ import annotations

from proxy.core.acceptance import accept
from proxy.core.field_values import username
from proxy.core.forwarding import measure, pop_via
from proxy.core.node import Node
from proxy.core.outbound import add_flow_timer, answer_keep
from proxy.core.own_lines import restore_lines
from proxy.core.refusal import RETRY_AFTER, refusal_tag, restore_via
from proxy.core.registration import is_nameable
from proxy.core.replies import make_reply
from proxy.core.response_context import ResponseContext
from proxy.core.response_routing import reopened
from proxy.core.route_sets import keep_route_set
from proxy.core.targets import Target
from proxy.core.via_defects import mend_answer, note_own_via
from proxy.effects import Effect, OpenFlow, StoreBindings
from proxy.events import BindingsStored, Event
from proxy.flow import TCP, UDP, Flow
from proxy.sip.errors import HeaderError
from proxy.sip.message import Request, Response, line_value
from proxy.sip.registry import CALL_ID, CANCEL, CONTACT, CSEQ, FROM, INVITE, REGISTER, ROUTE, TO, UNSUPPORTED, VIA
from proxy.transaction.invite_client import InviteClient
from proxy.transaction.invite_server import Answer, InviteServer
from proxy.transaction.layer import ClientTransaction
from proxy.transaction.machine import TIMER_C, TU_BY_CLASS


class WayHome:
    """Implements `response_context.Home`."""

    __slots__ = ("_node", "_waiting")

    def __init__(self, node: Node) -> None:
        self._node = node
        # REGISTER answers that wait for the store, by ticket.
        self._waiting: dict[int, tuple[ResponseContext, Response]] = {}

    # -- response_context.Home

    def pass_on(
        self, context: ResponseContext, branch: ClientTransaction, response: Response, out: list[Effect]
    ) -> None:
        """Forward a response of a branch."""
        direction = "to-client" if context.from_client else "to-server"
        own = self._node.own
        if b"received=" in response.lines[response.places().via]:
            note_own_via(response, branch.flow, own, direction, out)
        pop_via(response)
        if context.via_before is None:
            mend_answer(response, context, branch.flow, direction, own, out)
        try:
            if context.routes and 200 <= response.status < 300:
                keep_route_set(response, context, branch.flow, direction, own, out)
            if context.from_client:
                if not self._to_client(context, branch, response, out):
                    return
            else:
                self._to_server(context, branch, response, out)
        except HeaderError:
            # What cannot be read cannot be repaired: it goes home as it is, lest the request stay without an answer.
            self._node.counts.plugin_errors["restore"] += 1
        self._send(context, response, out)

    def reply(self, context: ResponseContext, status: int, reason: bytes, out: list[Effect]) -> None:
        """Answer the request ourselves."""
        request = context.request
        if request is None:
            return
        tag = refusal_tag(request, self._node)
        octets = make_reply(request, status, tag, reason, RETRY_AFTER if status == 503 else ())
        if isinstance(context.server, InviteServer):
            context.server.to_tag = request.to.tag or tag
        self._node.counts.responses[(context.flow.listener.side, status)] += 1
        self._settle_flow(context, out)
        self._node.layer.answer(context.server, status, octets, out)

    def cancel(self, branch: InviteClient, out: list[Effect]) -> None:
        """Send a CANCEL for a branch once it has rung: not before a provisional response (9.1)."""
        request = branch.request
        if request is None or branch.long_name != TIMER_C:
            return
        branch.cancelled = True
        branch.start_long(TIMER_C, self._node.settings.timers.long)
        cancel = make_cancel(request)
        self._node.layer.open_client(cancel, branch.branch, branch.flow, Unanswered(), out)

    def finished(self, context: ResponseContext, status: int) -> None:
        """A final response went home."""
        method = context.method if context.request is None else context.request.kind
        self._node.counts.durations[method].observe(self._node.now - context.started)

    # -- the store

    def stored(self, ticket: int, out: list[Effect]) -> None:
        """The store has the bindings of a REGISTER: its answer may go (protocol 3.5)."""
        waiting = self._waiting.pop(ticket, None)
        if waiting is not None:
            context, response = waiting
            self._send(context, response, out)
            context.forget()

    def answers_wait(self, event: Event) -> bool:
        """Whether a client may not know yet that it is registered; not if this event told one."""
        return bool(self._waiting) and event.__class__ is not BindingsStored

    # -- to the client

    def _to_client(
        self, context: ResponseContext, branch: ClientTransaction, response: Response, out: list[Effect]
    ) -> bool:
        """Undo what was done to the request; false if the answer has to wait for the store."""
        status = response.status
        if context.from_to is not None:
            restore_lines(response, context.from_to, context.flow, self._node.own, out)
        if context.via_before is not None:
            # Ours stood in for a Via that was missing or unreadable: the client gets back what it wrote.
            restore_via(response, context.via_before)
        registration = context.registration
        if registration is not None:
            if status < 300:
                return self._registered(context, response, out)
            if status == 420 and b"path" in (response.value(UNSUPPORTED) or b"").lower():
                target = context.target
                if isinstance(target, Target):
                    target.path_refused = True
        if context.method == REGISTER:
            return True
        if (status < 300) and not context.second_hop:
            if context.method == INVITE:
                answer_keep(response, context.flow)
            if status >= 200 or context.guest is not None:
                self._learn(context, response, out)
            self._node.repairs.response_out(response, branch.flow, context.flow, out, context.asked)
        return True

    def _learn(self, context: ResponseContext, response: Response, out: list[Effect]) -> None:
        """What an answer shows about its client: the far side knows a guest's Contact now (protocol 2.6), and a 2xx
        may prove that a binding moved (3.3)."""
        guest = context.guest
        if guest is not None and response.to.tag is not None:
            self._node.guests.remember(*guest, self._node.now)
        if response.status >= 200:
            binding, flow, request = context.binding, context.flow, context.request
            strayed = binding is not None and binding.flow.key != flow.key and binding.auth_user != b""
            if binding is not None and binding.refreshed > context.started:
                strayed = False  # it registered from elsewhere when it had sent this
            # A tab whose instance is registered by another one has calls, and no claim to more of them.
            if binding is not None and flow.former is not None and flow.former[0] == binding.token:
                strayed = False
            if binding is not None and strayed and request is not None and username(request) == binding.auth_user:
                if self._node.bindings.move(binding, flow):
                    out.append(StoreBindings([binding], 0))
                return
            marked = context.marked
            newer = marked is not None and marked.refreshed > context.started
            if marked is not None and not newer and marked.flow.key != flow.key and flow.listener.transport == UDP:
                # Its own Record-Route, from its own IP: another port of its NAT. The call follows, new calls do not.
                marked.dialog_flow = flow

    def _registered(self, context: ResponseContext, response: Response, out: list[Effect]) -> bool:
        registration = context.registration
        if registration is None:
            return True
        stored, urgent = accept(registration, response, self._node, out)
        add_flow_timer(registration, response, context.flow)
        if any(named.asked for named in registration.named):
            answer_keep(response, context.flow)
        self._node.repairs.response_out(response, context.flow, context.flow, out)
        if not stored:
            return True
        if not urgent:
            out.append(StoreBindings(stored, 0))
            return True
        self._node.tickets += 1
        ticket = self._node.tickets
        self._waiting[ticket] = (context, response)
        context.waiting = True
        out.append(StoreBindings(stored, ticket))
        return False

    # -- to the server

    def _to_server(
        self, context: ResponseContext, branch: ClientTransaction, response: Response, out: list[Effect]
    ) -> None:
        node = self._node
        if context.from_to is not None:
            restore_lines(response, context.from_to, branch.flow, node.own, out, "to-server")
        binding = context.binding
        if response.status < 300 and context.method != REGISTER:
            contact = _own_contact(response) if binding is None else None
            node.repairs.response_in(response, branch.flow, binding, False, out, context.server.flow)
            if binding is None and contact is not None and response.to.tag is not None:
                user = node.names.guest_user(response)
                node.guests.remember(node.guests.token(branch.flow), user, contact, node.now)

    # -- sending

    def _send(self, context: ResponseContext, response: Response, out: list[Effect]) -> None:
        node = self._node
        status = response.status
        server = context.server
        if status >= 300 and isinstance(server, InviteServer):
            server.to_tag = response.to.tag
        node.counts.responses[(context.flow.listener.side, status)] += 1
        if not server.flow.open:
            self._settle_flow(context, out)
        if server.flow.listener.reliable:
            measure(response)
        server.step(TU_BY_CLASS[status // 100], Answer(status, response.octets()), out)

    def _settle_flow(self, context: ResponseContext, out: list[Effect]) -> None:
        """The connection of the request is gone: another way to the same client (protocol 10)."""
        server = context.server
        if server.flow.open:
            return
        node = self._node
        binding = context.binding
        if context.from_client and binding is not None and binding.flow.open:
            server.flow = binding.flow
        elif server.flow.listener.transport == TCP:
            flow: Flow = reopened(server.flow, context.sent_by_port, node.flows)
            server.flow = flow
            out.append(OpenFlow(flow))
        else:
            node.counts.dropped["response_flow_gone"] += 1


class Unanswered:
    """The user of a CANCEL of our own: what comes back changes nothing, the INVITE's answer does."""

    __slots__ = ()

    def on_response(self, branch: object, response: Response, out: list[Effect]) -> None:
        """The INVITE's final response decides."""

    def on_timeout(self, branch: object, out: list[Effect]) -> None:
        """Timer C of the INVITE decides."""

    def on_transport_error(self, branch: object, out: list[Effect]) -> None:
        """The INVITE's own transaction learns of it."""

    def on_timer_c(self, branch: object, out: list[Effect]) -> None:
        """A CANCEL has none."""


def make_cancel(request: Request) -> Request:
    """The CANCEL for an INVITE as it left: same Request-URI, Via, Route, From, To, Call-ID and CSeq number (9.1)."""
    lines = [b"CANCEL %b SIP/2.0" % request.uri]
    names = [b""]
    for line, name in zip(request.lines, request.names, strict=True):
        if name == VIA:
            if len(lines) > 1 and VIA in names:
                continue
        elif name == CSEQ:
            line = b"CSeq: %b CANCEL" % line_value(line).split()[0]
        elif name not in (ROUTE, FROM, TO, CALL_ID):
            continue
        lines.append(line)
        names.append(name)
    lines += [b"Max-Forwards: 70", b"Content-Length: 0"]
    names += [b"max-forwards", b"content-length"]
    return Request(lines, names, b"", None, CANCEL, request.uri)


def _own_contact(response: Response) -> bytes | None:
    """The Contact of a guest's response, if it is one that we might stand in for."""
    if CONTACT not in response.names:
        return None
    try:
        contacts = response.contacts
        return contacts[0].addr if contacts and is_nameable(contacts[0]) else None
    except HeaderError:
        return None
