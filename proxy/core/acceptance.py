"""A 2xx to REGISTER (RFC 3261 section 10.2.4, RFC 3327; protocol 3 and 5.3): what it makes of the bindings it lists.

Only the bindings that it lists change, and those that the client asked to remove. The client sees its own Contacts.
"""

from __future__ import annotations

import re

from proxy.binding import REGISTERED, Binding
from proxy.core.field_values import has_option, seconds, with_expires, with_instance
from proxy.core.identity import contact_key
from proxy.core.node import Node
from proxy.core.registration import Named, Registration
from proxy.effects import Effect
from proxy.repair.inherent import CONTACT_FOREIGN, EXPIRES_MISSING, EXPIRES_SHRINK, RESTORE_CONTACT, Inherent
from proxy.repair.rule import OFF, REPAIR, REPORT
from proxy.sip.address import NameAddr, parse_name_addr
from proxy.sip.errors import HeaderError
from proxy.sip.message import Response, line_value
from proxy.sip.params import split_list
from proxy.sip.registry import CONTACT, EXPIRES, PATH, REQUIRE

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
_REASONS = {
    RESTORE_CONTACT.name: "the client knows itself by its own Contact only",
    EXPIRES_MISSING.name: "the Contact came without expires, and some clients take that for no registration at all",
    EXPIRES_SHRINK.name: "the registrar grants a little less each time, and the client would follow it down",
}


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
    if node.on_registered is not None:
        node.on_registered(binding)
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
        repair = RESTORE_CONTACT
        foreign: list[bytes] = []
        for element in split_list(value):
            try:
                contact = parse_name_addr(element)
                named = _recognise(contact, registration, node)
            except HeaderError:
                continue
            if named is None:
                foreign.append(element)
                continue
            expires = seconds(contact.param(b"expires"), header if header >= 0 else named.asked)
            granted[named.binding.token] = expires
            own = contact.with_addr(named.addr)
            shown, shrunk = expires, 0 < named.asked - expires <= _ROUNDING
            if shrunk and _is_wanted(EXPIRES_SHRINK, line, registration, response, node, out):
                shown = named.asked
                repair = EXPIRES_SHRINK
            if contact.param(b"expires") is not None:
                own = with_expires(own, shown)
            elif _is_wanted(EXPIRES_MISSING, line, registration, response, node, out):
                own = with_expires(own, shown)
                repair = EXPIRES_MISSING
            if named.binding.shown_instance:
                own = with_instance(own, named.binding.instance)
            restored = restored.replace(element, own, 1)
        if restored != unfolded:
            response.replace(index, restored)
            node.own.record(
                repair, response, registration.flow, "to-client", line, restored, _REASONS[repair.name], out
            )
        if foreign and node.own.mode(CONTACT_FOREIGN, registration.flow) != OFF:
            _hide(foreign, index, registration, response, node, out)
    if not indexes:
        _insert_own(registration, response, header, granted, node, out)
    else:
        _drop_empty(response)
    return granted


def _is_wanted(
    repair: Inherent, line: bytes, registration: Registration, response: Response, node: Node, out: list[Effect]
) -> bool:
    """Whether this defect of a Contact line is to be mended; recorded where it is to be reported only."""
    mode = node.own.mode(repair, registration.flow)
    if mode == REPORT:
        reason = _REASONS[repair.name]
        node.own.record(repair, response, registration.flow, "to-client", line, None, reason, out, reported=True)
    return mode == REPAIR


def _hide(
    foreign: list[bytes], index: int, registration: Registration, response: Response, node: Node, out: list[Effect]
) -> None:
    """Take the Contacts of others out of a line, for clients that take them for their own or stumble over them."""
    line = response.lines[index]
    reported = node.own.mode(CONTACT_FOREIGN, registration.flow) == REPORT
    kept = [element for element in split_list(line_value(line)) if element not in foreign]
    after = b"Contact: " + b", ".join(kept) if kept else None
    if not reported:
        response.replace(index, after or b"Contact:")
    reason = "the registrar lists Contacts of other clients"
    node.own.record(CONTACT_FOREIGN, response, registration.flow, "to-client", line, after, reason, out, reported)


def _drop_empty(response: Response) -> None:
    """Lines whose Contacts were all of others go altogether."""
    for index in reversed(response.indexes(CONTACT)):
        if response.lines[index] == b"Contact:":
            response.remove(index)


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
    registration: Registration,
    response: Response,
    header: int,
    granted: dict[bytes, int],
    node: Node,
    out: list[Effect],
) -> None:
    """A 2xx without any Contact to a REGISTER with Contacts: insert them, lest the client think itself gone."""
    for named in registration.winners():
        if named.asked > 0 and not registration.star:
            expires = header if header >= 0 else named.asked
            granted[named.binding.token] = expires
            line = b"Contact: <%b>;expires=%d" % (named.addr, expires)
            response.append(CONTACT, line)
            reason = "the server's 2xx lists no Contact, although it accepted one"
            node.own.record(RESTORE_CONTACT, response, registration.flow, "to-client", None, line, reason, out)


def _remove_path(response: Response) -> None:
    """Our Path is none of the business of a client that did not ask for it (RFC 3327 section 5.3)."""
    for index in reversed(response.indexes(PATH)):
        elements = split_list(line_value(response.lines[index]))
        kept = [element for element in elements if not _OWN_PATH(element)]
        if not kept:
            response.remove(index)
        elif len(kept) != len(elements):
            response.replace(index, b"Path: " + b", ".join(kept))
