"""What becomes of the bindings of an earlier run: in the tables again, or gone if their time ran out meanwhile.

A client over UDP is reached again at once; one on a connection when it is back and registers (protocol 3.3). Guests and
transactions are not kept: they begin anew.
"""

from __future__ import annotations

from proxy.binding import GONE, LINGERING, REGISTERED, Binding
from proxy.core.identity import contact_key, user_of
from proxy.core.node import Node
from proxy.effects import Effect, Note, StoreBindings
from proxy.sip.address import parse_name_addr
from proxy.sip.errors import HeaderError


def take_back(bindings: list[Binding], node: Node, out: list[Effect]) -> None:
    """Take over what the store kept, the one longest unused first; it is told of those that are gone."""
    gone: list[Binding] = []
    kept = 0
    # Where not all fit, those used last do.
    too_many = len(bindings) - node.settings.max_bindings
    for index, binding in enumerate(bindings):
        if index >= too_many and not _is_over(binding, node) and node.bindings.take_back(binding):
            kept += 1
            if binding.state == REGISTERED and node.on_registered is not None:
                node.on_registered(binding)
        else:
            binding.state = GONE
            gone.append(binding)
    if gone:
        out.append(StoreBindings(gone, 0))
    if bindings:
        text = "{kept} clients of the earlier run are known again, {gone} are gone for good"
        out.append(Note("info", text, {"kept": kept, "gone": len(gone)}))


def _is_over(binding: Binding, node: Node) -> bool:
    """Complete what the store does not keep; true if the binding has had its time, or cannot be read."""
    now = node.now
    try:
        binding.contact_key = contact_key(parse_name_addr(b"<%b>" % binding.contact).uri)
    except HeaderError:
        return True
    binding.aor = node.identity.renewed(binding.aor)
    binding.user = user_of(binding.aor)
    if binding.shown:
        # Our address on the server side may be another one than it was.
        binding.shown = node.names.of_binding(binding)
    if binding.state == REGISTERED and binding.expires_at <= now:
        binding.state = LINGERING
        binding.last_used = max(binding.last_used, binding.expires_at)
    if binding.state == LINGERING:
        if binding.last_used + node.settings.linger <= now:
            return True
        # Its last use may be later than the store knows: the time begins again.
        binding.last_used = now
    node.profiles.recall(binding.flow, binding.user_agent, binding.aor)
    if binding.flow.open:
        # As alive as it was: else its address would count as deserted before it had a chance to say something.
        binding.flow.heard = now
    return False
