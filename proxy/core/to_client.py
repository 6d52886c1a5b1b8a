"""A request of the server on its way to a client (protocol 1.1, 5.1, 5.2, 8.4): to a live flow of a binding or guest.

The Request-URI becomes what the client itself wrote as its Contact, octet for octet.
"""

from __future__ import annotations

from proxy.binding import REGISTERED, Binding
from proxy.core.client_uri import as_request_uri
from proxy.core.forwarding import add_hop, has_looped, loop_mark, record_routes, spend_hop, wants_record_route
from proxy.core.guests import source_uri
from proxy.core.hops import Hop
from proxy.core.identity import user_of
from proxy.core.node import Node
from proxy.core.own_lines import changed_lines
from proxy.core.response_context import Home, ResponseContext
from proxy.core.route_sets import note_ignored
from proxy.core.routing import NOTHING_REMOVED, OwnRoutes, Removed
from proxy.core.tokens import BINDING_LENGTH, BRANCH_PREFIX, RouteMark, guest_subject, read_subject
from proxy.core.validation import request_uri
from proxy.core.via_defects import settle_via
from proxy.effects import Effect, Send
from proxy.flow import CLIENT, SERVER, UDP, Flow
from proxy.repair.inherent import RESTORE_URI, RURI_CASE_FOLDED, RURI_WRONG_USER, Inherent
from proxy.sip.errors import SipError
from proxy.sip.message import Request
from proxy.sip.registry import ACK
from proxy.sip.uri import unescape
from proxy.transaction.key import ServerKey


class Destination:
    """The client that a request is for: where it is, and what belongs into the Request-URI (empty: leave it)."""

    __slots__ = ("binding", "flow", "subject", "uri")

    def __init__(self, binding: Binding | None, flow: Flow, subject: bytes, uri: bytes) -> None:
        self.binding = binding
        self.flow = flow
        self.subject = subject
        self.uri = uri


class ToClient:
    """Delivers what the server sends."""

    __slots__ = ("_home", "_node", "_routes")

    def __init__(self, node: Node, routes: OwnRoutes, home: Home) -> None:
        self._node = node
        self._routes = routes
        self._home = home

    def handle(
        self,
        request: Request,
        key: ServerKey,
        flow: Flow,
        hop: Hop | None,
        spiral: Removed | None,
        out: list[Effect],
    ) -> None:
        """Deliver one valid request, `hop` being its top Via if that is the usual one of its flow.

        Raises SipError with the answer it deserves instead.
        `spiral` is set for a request of a client that is for another client of ours: its own Routes are off already.
        """
        node = self._node
        mark = loop_mark(request, SERVER)
        plain = hop is not None and request.places().vias == 1
        if not (plain and BRANCH_PREFIX not in request.lines[1]) and has_looped(request, mark):
            raise SipError("the request has been here before", 482, "loop")
        home, sent_by_port = flow, 0
        if spiral is None:
            home = settle_via(request, key, flow, hop, node, out)
            sent_by_port = request.via.port if hop is None else hop.port
        self._routes.undo_strict(request)
        removed = self._routes.strip(request)
        received = request
        request = request.copy()
        destination = self._find(request, removed)
        if removed is NOTHING_REMOVED and request.to.tag is not None:
            note_ignored(request, flow, node.own, "to-client", out)
        if not destination.flow.open:
            self._raise_gone(destination.binding, removed)
        spend_hop(request)
        if destination.uri:
            self._restore(request, destination, out)
        leaving = destination.flow
        branch = node.mint.branch(mark)
        routes = self._own_routes(request, flow, destination, removed)
        own_lines = self._repair(request, received, flow, leaving, out)
        add_hop(request, leaving.listener, branch, routes)
        if request.method == ACK:
            out.append(Send(leaving, request.octets(), ACK))
            return
        server = node.layer.open_server(received, key, home, out)
        context = ResponseContext(self._home, node.layer, received, flow, server)
        context.binding, context.outbound = destination.binding, removed.outbound
        context.routes = routes
        context.sent_by_port = sent_by_port
        context.from_to = own_lines
        context.branch_opened(node.layer.open_client(request, branch, leaving, context, out))

    # -- whom

    def _find(self, request: Request, removed: Removed) -> Destination:
        """The client by token in the Request-URI, else in the Route, else the only binding of an AoR."""
        uri = request_uri(request)
        token = uri.param(b"b")
        if token:
            found = self._by_token(token.lower(), request, removed)
            if found is not None:
                return found
            raise SipError("that token names no client of this proxy", 404, "unknown_token")
        subject = removed.path_token or (removed.mark.subject if removed.mark is not None else b"")
        if subject:
            found = self._by_subject(subject, request, removed)
            if found is not None:
                return found
        elif request.to.tag is None:
            binding = self._node.bindings.only_registered(self._aor_of(request))
            if binding is not None:
                self._node.counts.restored_by["single_binding"] += 1
                return self._of_binding(binding, request, removed)
        raise SipError("no client of this proxy is meant", 404, "no_client")

    def _aor_of(self, request: Request) -> bytes:
        return b"%b@%b" % (unescape(request_uri(request).user or b""), self._node.settings.domain)

    def _by_token(self, token: bytes, request: Request, removed: Removed) -> Destination | None:
        """The client that a `b=` in the Request-URI names; it counts more than the Route (protocol 5.1)."""
        node = self._node
        binding = node.bindings.by_token(token)
        if binding is not None:
            self._check_registered(binding, request)
            return self._of_binding(binding, request, removed)
        subject = node.mint.read_guest(token)
        if subject is None:
            return None
        flow = self._guest_flow(subject)
        if flow is None:
            raise SipError("the client's connection is gone", 480, "flow_gone")
        user = request_uri(request).user or b""
        uri = node.guests.contact(token, user, node.now) or source_uri(flow, unescape(user))
        return Destination(None, flow, subject, uri)

    def _by_subject(self, subject: bytes, request: Request, removed: Removed) -> Destination | None:
        """The client that a Route of ours names; a Request-URI without token stays, if it is not ours."""
        node = self._node
        binding = node.bindings.by_token(subject)
        if binding is not None:
            self._check_registered(binding, request)
            found = self._of_binding(binding, request, removed)
            if request_uri(request).param(b"gr") is not None:
                found.uri = b""
            return found
        if len(subject) == BINDING_LENGTH and subject[:1] == b"b":
            return None
        flow = self._guest_flow(subject)
        if flow is None:
            raise SipError("the client's connection is gone", 480, "flow_gone")
        uri = request_uri(request)
        own = b""
        if self._routes.is_own_address(uri):
            # Our Contact without its token: some servers drop URI parameters.
            user = uri.user or b""
            contact = node.guests.contact(node.guests.token(flow), user, node.now)
            own = contact or source_uri(flow, unescape(user))
        return Destination(None, flow, subject, own)

    def _guest_flow(self, subject: bytes) -> Flow | None:
        """The flow that a guest's name stands for, if it still exists."""
        address = read_subject(subject)
        if address is None:
            return None
        node = self._node
        if address.number:
            return node.flows.streams.get(address.number)
        listeners = node.settings.listeners
        if address.listener >= len(listeners):
            return None
        listener = listeners[address.listener]
        if listener.side != CLIENT or listener.transport != UDP:
            return None
        return node.flows.udp(listener, address.host, address.port)

    def _check_registered(self, binding: Binding, request: Request) -> None:
        """Without a registration only what belongs to a dialog is delivered (protocol 3.2)."""
        # The table is swept now and then only; what has run out has run out.
        ended = binding.state != REGISTERED or binding.expires_at <= self._node.now
        if ended and request.to.tag is None:
            raise SipError("the client is no longer registered", 480, "not_registered")

    def _of_binding(self, binding: Binding, request: Request, removed: Removed) -> Destination:
        """A binding's flow: the one of the dialog if it is open, else its own, else a sibling's (protocol 8.4)."""
        binding.last_used = self._node.now
        flow = binding.flow
        if binding.dialog_flow is not None and request.to.tag is not None:
            flow = binding.dialog_flow
        mark = removed.mark
        if mark is not None and mark.subject == binding.token and flow.number:
            # The number may have been given anew (after a restart): the connection has to be one of this client's. One
            # that it left is no longer, though it may not be closed yet.
            of_dialog = self._node.flows.streams.get(int(mark.flow_mark, 16))
            if of_dialog is not None:
                former = of_dialog.former
                if former is not None and former[0] == binding.token:
                    # Another tab of its instance: it has the call, and knows itself by another Contact.
                    return Destination(binding, of_dialog, binding.token, former[1])
                if self._node.bindings.uses(binding, of_dialog):
                    flow = of_dialog
        if not flow.open:
            flow = self._node.bindings.sibling_flow(binding) or flow
        return Destination(binding, flow, binding.token, binding.contact)

    def _raise_gone(self, binding: Binding | None, removed: Removed) -> None:
        """Known token, dead flow: 430 where the server knows outbound, else 480 (RFC 5626 section 5.3)."""
        if binding is not None and binding.outbound and removed.outbound:
            raise SipError("the client's flow is gone", 430, "flow_gone")
        raise SipError("the client's connection is gone", 480, "flow_gone")

    # -- what

    def _restore(self, request: Request, destination: Destination, out: list[Effect]) -> None:
        """Put the client's own Contact into the Request-URI."""
        uri = as_request_uri(destination.uri)
        if request.uri == uri:
            return
        before = request.uri
        request.set_uri(uri)
        reason = "the client answers 404 to a Request-URI that is not its own Contact"
        if destination.binding is not None:
            reason = f"{reason}, registered by {user_of(destination.binding.aor).decode('utf-8', 'backslashreplace')}"
        repair, why = _judge(before, destination.binding)
        self._node.own.record(repair, request, destination.flow, "to-client", before, uri, why or reason, out)

    def _repair(
        self, request: Request, received: Request, flow: Flow, leaving: Flow, out: list[Effect]
    ) -> dict[bytes, bytes] | None:
        """Bring the request to the rules, and take a tag of ours off; the From and To lines that answers want back."""
        node = self._node
        recorded = len(out)
        node.repairs.request_out(request, flow, leaving, out)
        tag = request.to.tag
        if tag is not None and tag[:2] == b"sm":
            node.tags.take_off(request, leaving, node.own, out)
        return changed_lines(received, request) if len(out) > recorded else None  # what changes leaves a record

    def _own_routes(
        self, request: Request, flow: Flow, destination: Destination, removed: Removed
    ) -> tuple[bytes, ...]:
        if not wants_record_route(request):
            return ()
        node = self._node
        leaving = destination.flow
        subject = destination.subject or guest_subject(leaving)
        target = removed.mark.target if removed.mark is not None else node.targets.index_of(flow)
        call_id = request.call_id
        user = node.mint.record_route(subject, target, leaving.mark, call_id)
        routes = record_routes(leaving, node.server_side, user, request.uri[:5].lower() == b"sips:")
        self._routes.remember(routes, call_id, RouteMark(subject, target, leaving.mark))
        return routes


def _judge(uri: bytes, binding: Binding | None) -> tuple[Inherent, str]:
    """Whether the server called a client by the name that it was shown, and if not, what is wrong with that."""
    if binding is None:
        return RESTORE_URI, ""
    shown = binding.shown or binding.contact
    name = shown.partition(b":")[2].partition(b"@")[0]
    found = uri.partition(b":")[2].partition(b"@")[0] if b"@" in uri else b""
    if found == name and binding.token in uri:
        return RESTORE_URI, ""
    if unescape(found) in (unescape(name), b"anonymous"):
        folded = binding.token not in uri and binding.token in uri.lower()
        if not folded:
            return RESTORE_URI, ""
    elif found.lower() != name.lower():
        return RURI_WRONG_USER, "the server calls the client by another user than it was shown"
    return RURI_CASE_FOLDED, "upper and lower case of the client's name came back changed"
