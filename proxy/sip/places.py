"""Where the headers of a message stand: found once for all messages whose names come in the same order.

A client writes its requests by a few patterns; to look for the names in each one again costs more than all parsing.
"""

from __future__ import annotations

from typing import Final

from proxy.sip.registry import (
    CALL_ID,
    CONTACT,
    CONTENT_LENGTH,
    CSEQ,
    DIVERSION,
    FROM,
    MAX_BREADTH,
    MAX_FORWARDS,
    P_ASSERTED_IDENTITY,
    P_PREFERRED_IDENTITY,
    PRIVACY,
    PROXY_AUTHORIZATION,
    PROXY_REQUIRE,
    REFER_TO,
    REMOTE_PARTY_ID,
    REPLY_TO,
    ROUTE,
    TO,
    USER_AGENT,
    VIA,
)

# How many patterns are remembered, and the longest worth it (headers, octets of names): clients choose them.
_ENTRIES: Final = 2048
_LONGEST: Final = 100
_WIDEST: Final = 2000

# What decides about the way of a request besides its dialog (RFC 5393 section 4.2.1).
_LOOP_HEADERS: Final = (ROUTE, PROXY_REQUIRE, PROXY_AUTHORIZATION)

# Headers with a name before an address, besides From, To and Contact. Not Referred-By, which may be signed (RFC 3892).
NAMED: Final = (P_ASSERTED_IDENTITY, P_PREFERRED_IDENTITY, REMOTE_PARTY_ID, REPLY_TO, REFER_TO, DIVERSION)


class Places:
    """The index of the first line of each of these headers, -1 without one; and how many lines there are of some.

    `complete` says that From, To, Call-ID and CSeq stand there once each; `deciding` are the lines, besides these, by
    which a loop is known; `breadths` those of Max-Breadth, usually none; `named` those of the headers in NAMED.
    """

    __slots__ = (
        "agent",
        "breadths",
        "call_id",
        "complete",
        "contact",
        "contacts",
        "content_length",
        "cseq",
        "deciding",
        "from_",
        "lengths",
        "limits",
        "max_forwards",
        "named",
        "privacy",
        "proxy_require",
        "route",
        "to",
        "via",
        "vias",
    )

    def __init__(self, names: list[bytes]) -> None:
        self.agent = _first(names, USER_AGENT)
        self.via = _first(names, VIA)
        self.vias = names.count(VIA)
        self.from_ = _first(names, FROM)
        self.to = _first(names, TO)
        self.call_id = _first(names, CALL_ID)
        self.cseq = _first(names, CSEQ)
        self.complete = names.count(FROM) == names.count(TO) == names.count(CALL_ID) == names.count(CSEQ) == 1
        self.contact = _first(names, CONTACT)
        self.contacts = names.count(CONTACT)
        self.max_forwards = _first(names, MAX_FORWARDS)
        self.limits = names.count(MAX_FORWARDS)
        self.content_length = _first(names, CONTENT_LENGTH)
        self.lengths = names.count(CONTENT_LENGTH)
        self.privacy = _first(names, PRIVACY)
        self.proxy_require = _first(names, PROXY_REQUIRE)
        self.route = _first(names, ROUTE)
        self.breadths = tuple([i for i, name in enumerate(names) if name == MAX_BREADTH])
        self.named = tuple([i for i, name in enumerate(names) if name in NAMED])
        self.deciding = tuple([i for name in _LOOP_HEADERS for i, other in enumerate(names) if other == name])


_known: dict[tuple[bytes, ...], Places] = {}


def places_of(names: list[bytes]) -> Places:
    """The places of these canonical names; shared, nobody changes it."""
    key = tuple(names)
    places = _known.get(key)
    if places is None:
        places = Places(names)
        if len(names) <= _LONGEST and sum([len(name) for name in names]) <= _WIDEST:
            if len(_known) >= _ENTRIES:
                _known.clear()
            _known[key] = places
    return places


def _first(names: list[bytes], name: bytes) -> int:
    return names.index(name) if name in names else -1
