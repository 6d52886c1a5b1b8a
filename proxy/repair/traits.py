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
# How lines begin in which no display name wants quotes: there is none, or one that has them.
_PLAIN_FROM: Final = (b"From: <", b'From: "')
_PLAIN_TO: Final = (b"To: <", b'To: "')
_PLAIN_CONTACT: Final = (b"Contact: <", b'Contact: "')
_TAG: Final = b">;tag="
_COMMA: Final = ord(",")
_SEMICOLON: Final = ord(";")
_OPENING: Final = ord("<")
_EQUALS: Final = ord("=")
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
    # `x in line` takes Python three times as long as `line.find(x)` if x is octets, and a third of that if it is one.
    places = message.places()
    lines = message.lines
    traits = HAS_LENGTH if places.content_length > 0 else 0
    if places.limits == 1 and lines[places.max_forwards] in _USUAL_MAX_FORWARDS:
        traits |= ONE_MAX_FORWARDS
    contacts = places.contacts
    plain = contacts == 0
    if contacts == 1:
        line = lines[places.contact]
        if _COMMA not in line:
            plain = line.startswith(_PLAIN_CONTACT) or _is_plain(line)
            if plain or _SEMICOLON not in line or _OPENING in line:
                traits |= ONE_CONTACT
    if plain and places.named:
        plain = _are_plain(lines, places.named)
    if stage == RESPONSE_OUT:
        if plain:
            traits |= PLAIN_NAMES
    elif not places.complete:
        pass
    elif stage == RESPONSE_IN:
        to = lines[places.to]
        if plain and to.find(_TAG) > 0 and to[-1] != _EQUALS:
            traits |= PLAIN_NAMES
    else:
        to = lines[places.to]
        from_ = lines[places.from_]
        if (
            plain and from_.find(_TAG) > 0 and from_[-1] != _EQUALS
            and (from_.startswith(_PLAIN_FROM) or _is_plain(from_)) and (to.startswith(_PLAIN_TO) or _is_plain(to))
        ):  # fmt: skip
            traits |= PLAIN_NAMES
        if stage == REQUEST_IN:
            naming = _namings.get(domain)
            if naming is None:
                naming = _namings[domain] = b"@%b>" % domain, (b"@%b SIP/2.0" % domain, b":%b SIP/2.0" % domain)
            named, endings = naming
            if to.find(named) > 0 and from_.find(named) > 0 and (to.find(_TAG) > 0 or lines[0].endswith(endings)):
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
    return all(_COMMA not in lines[index] and _is_plain(lines[index]) for index in indexes)
