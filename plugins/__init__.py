"""The repair rules in the one order in which they meet a message: framing, hop identity, routing, addresses, policy."""

from plugins import content_length, maxfwd
from proxy.repair.rule import Rule

ORDER: tuple[Rule, ...] = (
    *content_length.RULES,
    *maxfwd.RULES,
)
