"""REGISTER on its way to the server (RFC 3261 section 10, RFC 3327; protocol 2 to 6): which bindings it names.

Nothing changes before a 2xx; what that makes of them is in `core.acceptance`.
"""

from __future__ import annotations

from proxy.binding import REGISTERED, Binding
from proxy.core.field_values import has_option, seconds, username, with_expires, with_instance
from proxy.core.identity import user_of
from proxy.core.node import Node
from proxy.core.own_repairs import OwnRepairs
from proxy.core.targets import Target
from proxy.effects import Effect
from proxy.flow import Flow
from proxy.repair.inherent import EXPIRES_MAX, PAGE_INSTANCE
from proxy.sip.address import NameAddr
from proxy.sip.contact import contacts_at, is_token, splice
from proxy.sip.errors import HeaderError, SipError
from proxy.sip.message import Request
from proxy.sip.registry import CONTACT, EXPIRES, PATH, SUPPORTED, USER_AGENT

DEFAULT_EXPIRES = 3600  # RFC 3261 section 10.2.1.1 leaves it to the registrar; this is the usual value
# The User-Agent is kept to know a page's successor; nobody needs more of it.
_MOST_OF_AGENT = 200


class Named:
    """One own Contact of a REGISTER: its binding, its addr-spec as the client wrote it, the expires it asked for."""

    __slots__ = ("addr", "asked", "binding")

    def __init__(self, binding: Binding, addr: bytes, asked: int) -> None:
        self.binding = binding
        self.addr = addr
        self.asked = asked


class Registration:
    """A REGISTER on its way: what has to be known again when its answer comes."""

    __slots__ = ("aor", "auth_user", "call_id", "flow", "named", "star", "supports_path", "user_agent")

    def __init__(self, request: Request, flow: Flow, aor: bytes) -> None:
        self.flow = flow
        self.aor = aor
        self.call_id = request.call_id
        self.auth_user = username(request)
        self.user_agent = (request.value(USER_AGENT) or b"")[:_MOST_OF_AGENT]
        self.named: list[Named] = []
        self.star = False
        self.supports_path = any(has_option(value, b"path") for value in request.values(SUPPORTED))

    def renamed(self) -> dict[bytes, bytes]:
        """Each own Contact and the URI that stands for it towards the server."""
        return {named.addr: named.binding.shown for named in self.named if named.binding.shown}

    def winners(self) -> list[Named]:
        """One Contact per binding: the one with the largest expires (protocol 4.6)."""
        best: dict[bytes, Named] = {}
        for named in self.named:
            known = best.get(named.binding.token)
            if known is None or named.asked > known.asked:
                best[named.binding.token] = named
        return list(best.values())


def read_registration(request: Request, flow: Flow, node: Node) -> Registration:
    """What a REGISTER of a client asks for.

    Raises SipError: 503 when there is no room for a new binding, 400 where a Contact cannot be read. No binding could
    be made of that one, and a server that reads it otherwise would be led past us.
    """
    aor = node.identity.aor(request.to)
    registration = Registration(request, flow, aor)
    default = seconds(request.value(EXPIRES), DEFAULT_EXPIRES)
    for contact in request.contacts:
        if contact.addr == b"*":
            registration.star = True
            continue
        contact.uri  # noqa: B018  # raises where it cannot be read
        if is_nameable(contact):
            asked = seconds(contact.param(b"expires"), default)
            binding = _binding_of(contact, asked, registration, flow, node)
            registration.named.append(Named(binding, contact.addr, asked))
    return registration


def is_nameable(contact: NameAddr) -> bool:
    """Whether a Contact is one that we may put our own in the place of (protocol 4.4)."""
    try:
        uri = contact.uri
    except HeaderError:
        return False
    return uri.scheme in (b"sip", b"sips") and uri.param(b"gr") is None and not is_token(uri.param(b"b"))


def _binding_of(contact: NameAddr, asked: int, registration: Registration, flow: Flow, node: Node) -> Binding:
    instance = contact.param(b"+sip.instance") or b""
    reg_id = seconds(contact.param(b"reg-id"), 0) if instance else 0
    binding = node.bindings.find_or_make(
        registration.aor,
        user_of(registration.aor),
        instance,
        reg_id,
        contact.addr,
        flow,
        registration.call_id,
        node.now,
        registration.user_agent if asked else b"",
    )
    for named in registration.named:
        if named.binding.token == binding.token:
            if named.asked or named.binding is binding:
                return named.binding  # two Contacts that are one binding (protocol 4.6)
            named.binding = binding  # of the two, the client takes the first away
    if binding.state != REGISTERED and not binding.shown:
        room = node.bindings.room_for(registration.aor)
        if room.of_aor and not room.left:
            raise SipError("too many clients of this address-of-record", 503, "bindings_of_aor_full")
        if not room.left:
            raise SipError("no room for another binding", 503, "bindings_full")
        if not flow.leaves_contact:
            binding.shown = node.names.of_binding(binding)
    return binding


def prepare(request: Request, registration: Registration, target: Target | None, node: Node, out: list[Effect]) -> None:
    """Make a REGISTER what the server is to see, apart from the URIs in Contact: those are the rules' business."""
    if registration.flow.profile.expires_max:
        _cap_expires(request, registration, node.own, out)
    _show_instances(request, registration, node.own, out)
    _add_path(request, registration, target, node)


def _cap_expires(request: Request, registration: Registration, own: OwnRepairs, out: list[Effect]) -> None:
    """Let a client of this profile be registered for so long and no longer (protocol 3.4).

    What the server grants is what the client is shown: it refreshes by that (RFC 3261 section 10.2.4).
    """
    profile = registration.flow.profile
    most = profile.expires_max
    reason = f"the profile {profile.name} lets a registration last {most} s at most"

    changed: list[tuple[str, bytes | None, bytes]] = []
    bare = False
    for at in request.indexes(CONTACT):
        changes = []
        for contact in contacts_at(request, at):
            asked = contact.param(b"expires")
            bare = bare or (asked is None and contact.addr != b"*")
            if asked is not None and seconds(asked, DEFAULT_EXPIRES) > most:
                changes.append((contact.raw, with_expires(contact.raw, most)))
        if changes:
            line = request.lines[at]
            request.replace(at, splice(line, changes))
            changed.append(("Contact", line, request.lines[at]))
    header = seconds(request.value(EXPIRES), -1)
    if header > most or (bare and header < 0):
        index = request.index(EXPIRES)
        capped = b"Expires: %d" % most
        changed.append(("Expires", request.lines[index] if index > 0 else None, capped))
        if index > 0:
            request.replace(index, capped)
        else:
            request.append(EXPIRES, capped)
    flow = registration.flow
    for name, before, after in changed:
        own.record(EXPIRES_MAX, request, flow, "to-server", before, after, reason, out, header=name)
    for named in registration.named:
        named.asked = min(named.asked, most)


def _show_instances(request: Request, registration: Registration, own: OwnRepairs, out: list[Effect]) -> None:
    """Name each client by the +sip.instance that the server has for it (protocol 3.4)."""
    others = {
        (named.addr, named.binding.instance): named.binding.shown_instance
        for named in registration.named
        if named.binding.shown_instance
    }
    if not others:
        return
    for index in request.indexes(CONTACT):
        line = request.lines[index]
        changes = []
        for contact in contacts_at(request, index):
            instance = others.get((contact.addr, contact.param(b"+sip.instance") or b""))
            changes.append((contact.raw, with_instance(contact.raw, instance) if instance else contact.raw))
        if any(old != new for old, new in changes):
            changed = splice(line, changes)
            request.replace(index, changed)
            reason = "this page follows one that was closed or loaded again, and the server is to see the same device"
            own.record(PAGE_INSTANCE, request, registration.flow, "to-server", line, changed, reason, out)


def _add_path(request: Request, registration: Registration, target: Target | None, node: Node) -> None:
    """Put our Path in, with `Supported: path`, never `Require` (RFC 3327 section 5.1; protocol 6)."""
    if not registration.named or node.settings.path == "off" or (target is not None and target.path_refused):
        return
    binding = registration.named[0].binding
    listener = node.server_side
    outbound = b";ob" if binding.instance and binding.reg_id else b""
    line = b"Path: <sip:p%b@%b;transport=%b;lr%b>" % (binding.token, listener.sent_by, listener.uri_transport, outbound)
    index = request.index(PATH)
    request.insert(index if index > 0 else request.index(CONTACT), PATH, line)
    if not registration.supports_path:
        index = request.index(SUPPORTED)
        if index > 0:
            line = request.lines[index].rstrip(b" \t,")
            request.replace(index, line + (b" path" if line.endswith(b":") else b", path"))
        else:
            request.append(SUPPORTED, b"Supported: path")
