"""The repair rules in the one order in which they meet a message: framing, hop identity, routing, addresses, policy."""

from plugins import (
    alert_info,
    contact_duplicate,
    contact_missing,
    contact_no_brackets,
    contact_ob,
    contact_of_server,
    contact_unparsable,
    contact_unreachable,
    content_length,
    display_unquoted,
    from_no_tag,
    maxfwd,
    sdp_private_address,
    server_domain,
    subscribe_accepted,
    to_tag_in_register,
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
    *from_no_tag.RULES,
    *to_tag_in_register.RULES,
    *display_unquoted.RULES,
    *contact_missing.RULES,
    *contact_unparsable.RULES,
    *contact_unreachable.RULES,
    *contact_duplicate.RULES,
    *contact_no_brackets.RULES,
    *contact_ob.RULES,
    *contact_of_server.RULES,
    # policy headers
    *alert_info.RULES,
    *subscribe_accepted.RULES,
    # bodies
    *sdp_private_address.RULES,
)
