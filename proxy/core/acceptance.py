"""A 2xx to REGISTER (RFC 3261 section 10.2.4, RFC 3327; protocol 3 and 5.3): what it makes of the bindings it lists.

Only the bindings that it lists change, and those that the client asked to remove. The client sees its own Contacts.
"""

from __future__ import annotations

import re

from proxy.binding import REGISTERED, Binding
from proxy.core.field_values import has_option, seconds, with_expires
from proxy.core.identity import contact_key
from proxy.core.node import Node
from proxy.core.registration import Named, Registration
from proxy.effects import Effect, Record
from proxy.repair.rule import REPAIR
from proxy.sip.address import NameAddr, parse_name_addr
from proxy.sip.errors import HeaderError
from proxy.sip.message import Response, line_value
from proxy.sip.params import split_list
from proxy.sip.registry import CONTACT, EXPIRES, PATH, REGISTER, REQUIRE

# Registrars that count down while answering grant a second less than they were asked for (protocol 5.3).
_ROUNDING = 2
# The user part of a Path of ours: the token of a binding. A `pbx` of somebody else is none.
_OWN_PATH = re.compile(rb"<sip:pb[a-z0-9]{16}@").match
# What a 2xx changed, for the store: nothing that it does not know; how long the binding lives or what describes it;
# where its client is reached. Only the answer that tells the client of the last one waits for the disk (protocol 3.5).
NOTHING, ITS_LIFE, ITS_PLACE = 0, 1, 2
# The store is given a later expiry than the registrar granted, by once more the time granted and this (seconds). So a
# refresh writes only when that is used up: a phone that refreshes every 30 s for 60 s writes every eleven minutes, a
# browser with an hour every second or third time. It matters after a restart alone, and there it errs to the side that
# does no harm: a client that vanished counts as registered a while longer, but the registrar, who knows better, sends
# it nothing.
LEEWAY = 600
_RULE = "restore-contact"
_RFC = "RFC 3261 section 10.2.4"


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
        named.binding = node.bindings.current(named.binding)
        expires = granted.get(named.binding.token, -1)
        if expires > 0:
            changed = _commit(named, registration, expires, outbound, node)
            urgent = urgent or changed == ITS_PLACE
            if changed:
                stored.append(named.binding)
        elif named.asked == 0 and expires <= 0 and node.bindings.by_token(named.binding.token) is named.binding:
            node.bindings.linger(named.binding, node.now)
            stored.append(named.binding)
            urgent = True
    if registration.star:
        for binding in node.bindings.of_aor(registration.aor):
            node.bindings.linger(binding, node.now)
            stored.append(binding)
            urgent = True
    return stored, urgent


def _commit(named: Named, registration: Registration, expires: int, outbound: bool, node: Node) -> int:
    """Make the binding what the server has accepted. Returns what the store has to learn of it."""
    binding = named.binding
    changed = NOTHING
    if (
        binding.call_id != registration.call_id
        or binding.user_agent != registration.user_agent
        or binding.outbound != outbound
        or binding.stored_until < node.now + expires
    ):
        changed = ITS_LIFE
    if (
        binding.state != REGISTERED
        or binding.flow.key != registration.flow.key
        or binding.contact != named.addr
        or binding.auth_user != registration.auth_user
    ):
        changed = ITS_PLACE
    flow = binding.flow
    if flow.number and flow.key != registration.flow.key and binding.contact != named.addr:
        # Two tabs of one instance: the call of the other one is still there (protocol 8.4).
        flow.former = (binding.token, binding.contact)
        registration.flow.former = None
    binding.contact = named.addr
    if not node.bindings.commit(binding, registration.flow):
        node.counts.dropped["bindings_full"] += 1
        return NOTHING
    binding.contact_key = contact_key(parse_name_addr(b"<%b>" % binding.contact).uri)
    binding.expires_at = node.now + expires
    if binding.refreshed:
        binding.interval = node.now - binding.refreshed
    binding.refreshed = node.now
    if changed:
        binding.stored_until = binding.expires_at + expires + LEEWAY
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


def _record(registration: Registration, before: bytes | None, after: bytes, response: Response, reason: str) -> Record:
    call_id, flow = response.call_id, registration.flow
    return Record(_RULE, REPAIR, "Contact", before, after, reason, _RFC, REGISTER, call_id, flow, "to-client")
