"""The repair rules in the one order in which they meet a message: framing, hop identity, routing, addresses, policy."""

from plugins import (
    contact_duplicate,
    contact_missing,
    contact_no_brackets,
    contact_unparsable,
    contact_unreachable,
    content_length,
    maxfwd,
    sdp_private_address,
    server_domain,
    via_missing,
)
from proxy.repair.rule import Rule

ORDER: tuple[Rule, ...] = (
    # framing
    *content_length.RULES,
    # the hop
    *via_missing.RULES,
    # routing
    *maxfwd.RULES,
    # addresses
    *server_domain.RULES,
    *contact_missing.RULES,
    *contact_unparsable.RULES,
    *contact_unreachable.RULES,
    *contact_duplicate.RULES,
    *contact_no_brackets.RULES,
    # bodies
    *sdp_private_address.RULES,
)
