"""The traits that keep ordinary messages away from rules (`rule.Rule.unless`): found once per message."""

from __future__ import annotations

from typing import Final

from proxy.repair.rule import (
    HAS_LENGTH,
    NAMES_DOMAIN,
    NO_BODY,
    ONE_CONTACT,
    ONE_MAX_FORWARDS,
    PARSED_CLEANLY,
    PLAIN_NAMES,
)
from proxy.sip.message import Message

# By domain: how a From or To names it, and how a start line ends that does.
_namings: Final[dict[bytes, tuple[bytes, tuple[bytes, bytes]]]] = {}
# How lines begin in which no name before the address could want quotes; one in quotes has them.
_PLAIN_FROM: Final = (b"From: <", b'From: "')
_PLAIN_TO: Final = (b"To: <", b'To: "')
_PLAIN_CONTACT: Final = (b"Contact: <", b'Contact: "')
_USUAL_MAX_FORWARDS: Final = frozenset(b"Max-Forwards: %d" % hops for hops in range(256))


def traits_of(message: Message, domain: bytes) -> int:
    """The traits of a message that keep it away from rules; see `rule.Rule.unless`."""
    places = message.places()
    lines = message.lines
    traits = HAS_LENGTH if places.content_length > 0 else 0
    if places.limits == 1 and lines[places.max_forwards] in _USUAL_MAX_FORWARDS:
        traits |= ONE_MAX_FORWARDS
    if places.contacts == 1:
        line = lines[places.contact]
        if b";" not in line or (b"<" in line and b"," not in line):
            traits |= ONE_CONTACT
    if places.complete:
        naming = _namings.get(domain)
        if naming is None:
            naming = _namings[domain] = b"@%b>" % domain, (b"@%b SIP/2.0" % domain, b":%b SIP/2.0" % domain)
        named, endings = naming
        to, from_ = lines[places.to], lines[places.from_]
        if named in to and named in from_ and (b";tag=" in to or lines[0].endswith(endings)):
            traits |= NAMES_DOMAIN
        if (
            from_.startswith(_PLAIN_FROM) and to.startswith(_PLAIN_TO)
            and b">;tag=" in from_ and from_[-1:] != b"="
            and (b">;tag=" in to or not lines[0].startswith(b"SIP/2.0 "))
            and (not places.contacts or (places.contacts == 1 and lines[places.contact].startswith(_PLAIN_CONTACT)))
            and (not places.named or _are_plain(lines, places.named))
        ):  # fmt: skip
            traits |= PLAIN_NAMES
    if not message.body:
        traits |= NO_BODY
    return traits if message.oddities else traits | PARSED_CLEANLY


def _are_plain(lines: list[bytes], indexes: tuple[int, ...]) -> bool:
    """Whether these lines have one address each, with a name in quotes or none before it."""
    for index in indexes:
        line = lines[index]
        if b"," in line or line.partition(b":")[2].lstrip()[:1] not in (b"<", b'"'):
            return False
    return True
