"""The traits that keep ordinary messages away from rules (`rule.Rule.unless`): found once per message."""

from __future__ import annotations

import re
from typing import Final

from proxy.repair.rule import (
    HAS_LENGTH,
    NAMES_DOMAIN,
    NO_BODY,
    ONE_CONTACT,
    ONE_MAX_FORWARDS,
    PARSED_CLEANLY,
    PLAIN_NAMES,
    REQUEST_IN,
    RESPONSE_IN,
    RESPONSE_OUT,
)
from proxy.sip.message import Message

# By domain: how a From or To names it, and how a start line ends that does.
_namings: Final[dict[bytes, tuple[bytes, tuple[bytes, bytes]]]] = {}
# How a line goes on behind its name where no display name wants quotes: there is none, or one that has them.
_PLAIN: Final = frozenset((b": <", b': "'))
# > display-name   =  *(token LWS)/ quoted-string   (25.1); what stands before the address in such a line
_PLAIN_HEAD: Final = re.compile(rb"[^:]+:(?:[ \t]*\"|[A-Za-z0-9\-.!%*_+`'~ \t]*\Z)").match
# Such beginnings, as clients and servers write few of them; bounded in entries and in octets, and forgotten when full.
_ENTRIES: Final = 2048
_LONGEST: Final = 128
_plain_heads: Final[set[bytes]] = set()
_USUAL_MAX_FORWARDS: Final = frozenset(b"Max-Forwards: %d" % hops for hops in range(256))


def traits_of(message: Message, domain: bytes, stage: int) -> int:
    """The traits of a message at that stage, which keep it away from rules; see `rule.Rule.unless`.

    One that is not looked for at a stage is absent: a rule that names it is met then.
    """
    places = message.places()
    lines = message.lines
    traits = HAS_LENGTH if places.content_length > 0 else 0
    if places.limits == 1 and lines[places.max_forwards] in _USUAL_MAX_FORWARDS:
        traits |= ONE_MAX_FORWARDS
    contacts = places.contacts
    plain = contacts == 0
    if contacts == 1:
        line = lines[places.contact]
        if b";" not in line or (b"<" in line and b"," not in line):
            traits |= ONE_CONTACT
        plain = b"," not in line and (line[7:10] in _PLAIN or _is_plain(line))
    if plain and places.named:
        plain = _are_plain(lines, places.named)
    if stage == RESPONSE_OUT:
        if plain:
            traits |= PLAIN_NAMES
    elif not places.complete:
        pass
    elif stage == RESPONSE_IN:
        if plain and b">;tag=" in lines[places.to]:
            traits |= PLAIN_NAMES
    else:
        to, from_ = lines[places.to], lines[places.from_]
        if (
            plain and b">;tag=" in from_ and from_[-1:] != b"="
            and (from_[4:7] in _PLAIN or _is_plain(from_)) and (to[2:5] in _PLAIN or _is_plain(to))
        ):  # fmt: skip
            traits |= PLAIN_NAMES
        if stage == REQUEST_IN:
            naming = _namings.get(domain)
            if naming is None:
                naming = _namings[domain] = b"@%b>" % domain, (b"@%b SIP/2.0" % domain, b":%b SIP/2.0" % domain)
            named, endings = naming
            if named in to and named in from_ and (b";tag=" in to or lines[0].endswith(endings)):
                traits |= NAMES_DOMAIN
    if not message.body:
        traits |= NO_BODY
    return traits if message.oddities else traits | PARSED_CLEANLY


def _is_plain(line: bytes) -> bool:
    """Whether the name before the address is made of tokens, stands in quotes, or is absent."""
    end = line.find(b"<")
    head = line[:end]
    if end < 0 or head in _plain_heads:
        return end >= 0
    if _PLAIN_HEAD(head) is None:
        return False
    if end <= _LONGEST:
        if len(_plain_heads) >= _ENTRIES:
            _plain_heads.clear()
        _plain_heads.add(head)
    return True


def _are_plain(lines: list[bytes], indexes: tuple[int, ...]) -> bool:
    """Whether each of these lines has one address, and no name that wants quotes."""
    return all(b"," not in lines[index] and _is_plain(lines[index]) for index in indexes)
