"""A client's request on its way to the server, and nowhere else (RFC 3261 section 16; protocol 1.2 and 7)."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from proxy.binding import Binding
from proxy.core.branches import Branches
from proxy.core.forwarding import has_looped, loop_mark, spend_hop
from proxy.core.hops import Hop
from proxy.core.identity import first_contact, hides_sender
from proxy.core.node import Node
from proxy.core.own_lines import changed_lines
from proxy.core.registration import is_nameable, prepare, read_registration
from proxy.core.response_context import Home, ResponseContext
from proxy.core.route_sets import note_ignored, note_strict, restore_routes
from proxy.core.routing import NOTHING_REMOVED, OwnRoutes, Removed, top_route
from proxy.core.server_contacts import restored
from proxy.core.targets import Target, plain_host, port_of, transport_of
from proxy.core.tokens import BRANCH_PREFIX, RouteMark, guest_subject, read_subject
from proxy.core.unknown_routes import drop_unknown_routes
from proxy.core.validation import request_uri
from proxy.core.via_defects import settle_via
from proxy.effects import Effect, Note
from proxy.flow import CLIENT, TRANSPORTS, UDP, Flow
from proxy.sip.errors import HeaderError, SipError
from proxy.sip.message import Request
from proxy.sip.registry import ACK, REGISTER
from proxy.sip.uri import Uri
from proxy.transaction.key import ServerKey


class ToServer:
    """Forwards what clients send."""

    __slots__ = ("_branches", "_home", "_node", "_proxies", "_routes")

    def __init__(self, node: Node, routes: OwnRoutes, home: Home) -> None:
        self._node = node
        self._routes = routes
        self._branches = Branches(node, routes)
        self._home = home
        self._proxies = {
            listener.index: tuple(ip_network(network) for network in listener.proxies)
            for listener in node.settings.listeners
        }

    def handle(
        self, request: Request, key: ServerKey, flow: Flow, hop: Hop | None, via_before: bytes | None, out: list[Effect]
    ) -> Removed | None:
        """Forward one valid request, `hop` being its top Via if that is the usual one of its flow.

        Raises SipError with the answer it deserves instead.
        Returns what its Routes said if it is a spiral: then it belongs to another client of ours (protocol 8.5).
        """
        node = self._node
        method = request.method
        mark = loop_mark(request, CLIENT)
        second_hop = self._check_hops(request, hop, mark, flow)
        home = settle_via(request, key, flow, hop, node, out, mended=via_before is not None)
        removed = self._strip_routes(request, key, flow, out)
        if removed.mark is not None and request.places().route > 0 and self._is_spiral(request):
            return removed
        received = request  # what our own answers are made of
        request = restored(request, flow, node.own, out)
        binding = None if second_hop else self._sender(request, flow)
        target = self._target(removed)
        leaving = self._flow_for(request, target, flow, out)
        spend_hop(request)
        registration = None
        renamed = None
        if method == REGISTER and not second_hop:
            registration = read_registration(request, flow, node)
            renamed = registration.renamed()
            prepare(request, registration, target, node, out)
        recorded = len(out)
        node.repairs.request_in(request, flow, binding, second_hop, renamed, out, leaving)
        if method == ACK:
            self._branches.acknowledge(request, leaving, mark, out)
            return None
        guest = None
        if binding is None and method != REGISTER and received.places().contact > 0:
            guest = self._guest_contact(received, flow)
        # From here on nothing raises: the transaction would be left without an end.
        server = node.layer.open_server(received, key, home, out)
        context = ResponseContext(self._home, node.layer, received, flow, server)
        context.binding, context.guest = binding, guest
        context.registration, context.second_hop = registration, second_hop
        context.sent_by_port = received.via.port if hop is None else hop.port
        if removed.mark is not None and received.to.tag is not None:
            context.marked = node.bindings.by_token(removed.mark.subject)
        # What changes leaves a record.
        context.from_to = changed_lines(received, request) if len(out) > recorded else None
        if via_before is not None:
            context.note_via(via_before)
        self._branches.begin(context, request, target, leaving, mark, out)
        return None

    def _mend_route_set(self, request: Request, key: ServerKey, flow: Flow, out: list[Effect]) -> None:
        """An ACK in a dialog that lost its route set gets it back; of other requests it is recorded."""
        if request.method == ACK:
            restore_routes(request, key, flow, self._node, out)
        elif request.method != REGISTER:
            note_ignored(request, flow, self._node.own, "to-server", out)

    # -- who

    def _check_hops(self, request: Request, hop: Hop | None, mark: bytes, flow: Flow) -> bool:
        """Whether the request passed another proxy before. Raises SipError if it passed here with the same `mark`."""
        plain = hop is not None and request.places().vias == 1
        if not (plain and BRANCH_PREFIX not in request.lines[1]) and has_looped(request, mark):
            raise SipError("the request has been here before", 482, "loop")
        if not plain and request.via_count() > 1:
            return True
        return bool(self._proxies[flow.listener.index]) and self._is_proxy(flow)

    def _is_proxy(self, flow: Flow) -> bool:
        address = ip_address(flow.remote_host.partition("%")[0])
        return any(address in network for network in self._proxies[flow.listener.index])

    def _sender(self, request: Request, flow: Flow) -> Binding | None:
        """The binding that the request comes from (protocol 2.5)."""
        node = self._node
        if not len(node.bindings):
            return None
        aor = node.identity.aor(request.to if request.method == REGISTER else request.from_)
        contact = first_contact(request) if request.places().contact > 0 else None
        binding = node.bindings.sender(flow, aor, contact, False)
        if binding is None and (hides_sender(request) or not node.identity.is_ours(aor)):
            binding = node.bindings.sender(flow, aor, contact, True)
        if binding is not None:
            binding.last_used = node.layer.scene.now
        return binding

    def _guest_contact(self, request: Request, flow: Flow) -> tuple[bytes, bytes, bytes] | None:
        """Token, user and own Contact of a guest, to be remembered once the far side has learned them."""
        try:
            contacts = request.contacts
            if not contacts or not is_nameable(contacts[0]):
                return None
            names = self._node.names
            user = b"anonymous" if names.hides(request) else names.guest_user(request)
        except HeaderError:
            return None
        return (self._node.guests.token(flow), user, contacts[0].addr)

    # -- where

    def _strip_routes(self, request: Request, key: ServerKey, flow: Flow, out: list[Effect]) -> Removed:
        """Take our own Routes off, and out of dialog those that name nobody we may send to (protocol 7.4)."""
        routes = self._routes
        if request.places().route < 0 and request.to.tag is not None:
            self._mend_route_set(request, key, flow, out)
        if request.places().route < 0:
            return NOTHING_REMOVED
        user = request_uri(request).user
        if user is not None and user[:1] == b"r":
            routes.undo_strict(request)
        removed = routes.strip(request)
        if removed.mark is not None and request.places().route > 0:
            note_strict(request, flow, self._node.own, out)
        if removed.mark is not None and not self._is_senders(removed.mark, flow):
            removed.mark = None
        if request.to.tag is None:
            if flow.asked and removed.count == 0:
                routes.strip_asked(request, flow)
            drop_unknown_routes(request, flow, self._node, out)
        return removed

    def _is_senders(self, mark: RouteMark, flow: Flow) -> bool:
        """A Record-Route of ours counts only on a flow of the client that it was made for (protocol 8.3)."""
        subject = mark.subject
        if subject == guest_subject(flow):
            return True
        bindings = self._node.bindings
        binding = bindings.by_token(subject)
        by_udp = flow.listener.transport == UDP
        if binding is None:
            guest = read_subject(subject)  # the same phone by another port of its NAT
            return by_udp and guest is not None and guest.host == flow.remote_host
        if by_udp:
            return binding.flow.remote_host == flow.remote_host
        # A tab that shares its instance with others has its calls on the connection where they were set up.
        return flow.mark == mark.flow_mark or bindings.uses(binding, flow)

    def _is_spiral(self, request: Request) -> bool:
        """Whether the next Route is one of ours for another client in this dialog, and the request is for that one.

        Any other client is reached by way of the server only, which asks for credentials (protocol 1.2).
        """
        top = top_route(request)
        if top is None or request.to.tag is None:
            return False
        try:
            mark = self._routes.mark_of(top.uri, request.call_id)
            if mark is None:
                return False
            token = (request_uri(request).param(b"b") or b"").lower()
            return token in (b"", mark.subject) or self._node.mint.read_guest(token) == mark.subject
        except HeaderError:
            return False

    def _target(self, removed: Removed) -> Target:
        """The server for this request: its dialog's, or the next by choice."""
        targets = self._node.targets
        now = self._node.now
        target = targets.choose(now) if removed.mark is None else targets.of_dialog(removed.mark.target, now)
        if target is None:
            raise SipError("the server's address is not known yet", 503, "no_target")
        if removed.mark is None and target is not targets.all[0]:
            self._node.counts.failovers += 1
        return target

    def _flow_for(self, request: Request, target: Target, flow: Flow, out: list[Effect]) -> Flow:
        """The server-side flow: in dialog to the next Route or Request-URI where that is allowed (protocol 7.2)."""
        node = self._node
        leaving = None
        if request.to.tag is not None and request.method != REGISTER:
            top = top_route(request) if request.places().route > 0 else None
            uri = top.uri if top is not None else request_uri(request)
            if uri.host != target.host or uri.port != target.port:
                leaving = self._followed(uri, top is None, target, request, out)
        if leaving is None:
            leaving = node.targets.flow_to(target, out)
        if leaving is None:
            name = TRANSPORTS[target.address[0]]
            raise SipError(f"no server-side socket speaks {name}", 503, "no_target")
        return leaving

    def _followed(self, uri: Uri, last: bool, target: Target, request: Request, out: list[Effect]) -> Flow | None:
        """The flow to a next hop other than the dialog's target, where that is allowed; else None."""
        node = self._node
        host = plain_host(uri)
        port = port_of(uri)
        if last and self._routes.is_client_address(uri):
            # The Contact that we put in where the server gave none: it means the server itself.
            user = uri.user + b"@" if uri.user else b""
            request.set_uri(b"sip:%b%b" % (user, target.host_port))
        elif host and (host, port) != target.address[1:]:  # a tel: URI names no host
            if node.targets.may_follow(host, port):
                return node.targets.connect((transport_of(uri), host, port), out)
            self._note_misdirected(host, port, request, out)
        return None

    def _note_misdirected(self, host: str, port: int, request: Request, out: list[Effect]) -> None:
        """Count a destination that was not followed, and name the setting that would allow it (protocol 7.3)."""
        node = self._node
        node.counts.misdirected += 1
        if len(node.noted) < 1000 and ("misdirected", host) not in node.noted:
            node.noted.add(("misdirected", host))
            text = (
                "an in-dialog {method} names {host}:{port}, which is no target: it goes to the dialog's target; "
                "if that address is the server's, add it to server.networks"
            )
            fields = {"method": request.kind, "host": host, "port": port, "call_id": request.call_id}
            out.append(Note("info", text, fields))
