"""REGISTER (RFC 3261 section 10, RFC 3327; protocol 2 to 6): which bindings it names, and what a 2xx makes of them.

Nothing changes before a 2xx, and then only the bindings that the 2xx lists or that the client asked to remove.
"""

from __future__ import annotations

import re

from proxy.binding import REGISTERED, Binding
from proxy.core.field_values import has_option, seconds, username, with_expires
from proxy.core.identity import contact_key, user_of
from proxy.core.node import Node
from proxy.core.targets import Target
from proxy.effects import Effect, Record
from proxy.flow import Flow
from proxy.repair.rule import REPAIR
from proxy.sip.address import NameAddr, parse_name_addr
from proxy.sip.contact import is_token
from proxy.sip.errors import HeaderError, SipError
from proxy.sip.message import Request, Response, line_value
from proxy.sip.params import split_list
from proxy.sip.registry import CONTACT, EXPIRES, PATH, REGISTER, REQUIRE, SUPPORTED, USER_AGENT

DEFAULT_EXPIRES = 3600  # RFC 3261 section 10.2.1.1 leaves it to the registrar; this is the usual value
# Registrars that count down while answering grant a second less than they were asked for (protocol 5.3).
_ROUNDING = 2
# The user part of a Path of ours: the token of a binding. A `pbx` of somebody else is none.
_OWN_PATH = re.compile(rb"<sip:pb[a-z0-9]{16}@").match
_RULE = "restore-contact"
_RFC = "RFC 3261 section 10.2.4"


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
        self.user_agent = request.value(USER_AGENT) or b""
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
            binding = _binding_of(contact, registration, flow, node)
            asked = seconds(contact.param(b"expires"), default)
            registration.named.append(Named(binding, contact.addr, asked))
    return registration


def is_nameable(contact: NameAddr) -> bool:
    """Whether a Contact is one that we may put our own in the place of (protocol 4.4)."""
    try:
        uri = contact.uri
    except HeaderError:
        return False
    return uri.scheme in (b"sip", b"sips") and uri.param(b"gr") is None and not is_token(uri.param(b"b"))


def _binding_of(contact: NameAddr, registration: Registration, flow: Flow, node: Node) -> Binding:
    instance = contact.param(b"+sip.instance") or b""
    reg_id = seconds(contact.param(b"reg-id"), 0) if instance else 0
    binding = node.bindings.find_or_make(
        registration.aor, user_of(registration.aor), instance, reg_id, contact.addr, flow, registration.call_id
    )
    for named in registration.named:
        if named.binding.token == binding.token:
            return named.binding  # two Contacts that are one binding (protocol 4.6)
    if binding.state != REGISTERED and not binding.shown:
        if not node.bindings.has_room():
            raise SipError("no room for another binding", 503, "bindings_full")
        if flow.listener.contact_policy != "leave":
            binding.shown = node.names.of_binding(binding)
    return binding


def add_path(request: Request, registration: Registration, target: Target | None, node: Node) -> None:
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


def accept(registration: Registration, response: Response, node: Node, out: list[Effect]) -> tuple[list[Binding], bool]:
    """Take over a 2xx: restore the client's Contacts in it and commit what it lists.

    Returns the bindings to store, and whether the answer must wait for that (protocol 3.5).
    """
    header = seconds(response.value(EXPIRES), -1)
    granted = _restore(registration, response, header, node, out)
    if not registration.supports_path:
        _remove_path(response)
    # RFC 5626 section 6: a registrar that keeps flows says `Require: outbound`.
    outbound = any(has_option(value, b"outbound") for value in response.values(REQUIRE))
    stored: list[Binding] = []
    urgent = False
    for named in registration.winners():
        # Another REGISTER of the same client may have been accepted while this one was on its way.
        named.binding = node.bindings.by_token(named.binding.token) or named.binding
        expires = granted.get(named.binding.token, -1)
        if expires > 0:
            urgent = _commit(named, registration, expires, outbound, node) or urgent
            if named.binding.state == REGISTERED:
                stored.append(named.binding)
        elif named.asked == 0 and expires <= 0 and node.bindings.by_token(named.binding.token) is not None:
            node.bindings.linger(named.binding, node.now)
            stored.append(named.binding)
            urgent = True
    if registration.star:
        for binding in node.bindings.of_aor(registration.aor):
            node.bindings.linger(binding, node.now)
            stored.append(binding)
            urgent = True
    return stored, urgent


def _commit(named: Named, registration: Registration, expires: int, outbound: bool, node: Node) -> bool:
    """Make the binding what the server has accepted. True if more than its expiry changed."""
    binding = named.binding
    changed = (
        binding.state != REGISTERED
        or binding.flow.key != registration.flow.key
        or binding.contact != named.addr
        or binding.auth_user != registration.auth_user
    )
    binding.contact = named.addr
    if not node.bindings.commit(binding, registration.flow):
        node.counts.dropped["bindings_full"] += 1
        return False
    binding.contact_key = contact_key(parse_name_addr(b"<%b>" % binding.contact).uri)
    binding.refreshed = node.now
    binding.expires_at = node.now + expires
    binding.last_used = node.now
    binding.call_id = registration.call_id
    binding.outbound = outbound
    binding.auth_user = registration.auth_user
    binding.user_agent = registration.user_agent
    return changed


def _restore(
    registration: Registration, response: Response, header: int, node: Node, out: list[Effect]
) -> dict[bytes, int]:
    """Put the client's own Contacts back into the list of a 2xx; returns the granted expires by token."""
    granted: dict[bytes, int] = {}
    indexes = response.indexes(CONTACT)
    for index in indexes:
        line = response.lines[index]
        value = line_value(line)
        # An element that is folded is not found in its line: then the line is written anew.
        unfolded = b"%b: %b" % (line.partition(b":")[0], value) if b"\n" in line else line
        restored = unfolded
        for element in split_list(value):
            try:
                contact = parse_name_addr(element)
                named = _recognise(contact, registration, node)
            except HeaderError:
                continue
            if named is None:
                continue
            expires = seconds(contact.param(b"expires"), header if header >= 0 else named.asked)
            granted[named.binding.token] = expires
            shown = named.asked if 0 <= named.asked - expires <= _ROUNDING else expires
            restored = restored.replace(element, with_expires(contact.with_addr(named.addr), shown), 1)
        if restored != unfolded:
            response.replace(index, restored)
            reason = "the client knows itself by its own Contact only"
            out.append(_record(registration, line, restored, response, reason))
    if not indexes:
        _insert_own(registration, response, header, granted, out)
    return granted


def _recognise(contact: NameAddr, registration: Registration, node: Node) -> Named | None:
    """Which of the client's Contacts this element of the 2xx stands for; None for one of somebody else."""
    uri = contact.uri
    token = uri.param(b"b")
    if token is None:
        token = contact.param(b"b")  # a server that writes the URI without angle brackets
    if token is not None:
        token = token.lower()
        for named in registration.winners():
            if named.binding.token == token:
                return named
        binding = node.bindings.by_token(token)
        if binding is not None and binding.aor == registration.aor and binding.flow.key == registration.flow.key:
            return Named(binding, binding.contact, -_ROUNDING - 1)
        return None
    for named in registration.named:
        if not named.binding.shown and uri.equals(parse_name_addr(b"<%b>" % named.addr).uri):
            return named
    return None


def _insert_own(
    registration: Registration, response: Response, header: int, granted: dict[bytes, int], out: list[Effect]
) -> None:
    """A 2xx without any Contact to a REGISTER with Contacts: insert them, lest the client think itself gone."""
    for named in registration.winners():
        if named.asked > 0 and not registration.star:
            expires = header if header >= 0 else named.asked
            granted[named.binding.token] = expires
            line = b"Contact: <%b>;expires=%d" % (named.addr, expires)
            response.append(CONTACT, line)
            reason = "the server's 2xx lists no Contact, although it accepted one"
            out.append(_record(registration, None, line, response, reason))


def _remove_path(response: Response) -> None:
    """Our Path is none of the business of a client that did not ask for it (RFC 3327 section 5.3)."""
    for index in reversed(response.indexes(PATH)):
        elements = split_list(line_value(response.lines[index]))
        kept = [element for element in elements if not _OWN_PATH(element)]
        if not kept:
            response.remove(index)
        elif len(kept) != len(elements):
            response.replace(index, b"Path: " + b", ".join(kept))


def _record(
    registration: Registration, before: bytes | None, after: bytes, response: Response, reason: str
) -> Record:
    call_id, flow = response.call_id, registration.flow
    return Record(_RULE, REPAIR, "Contact", before, after, reason, _RFC, REGISTER, call_id, flow, "to-client")
