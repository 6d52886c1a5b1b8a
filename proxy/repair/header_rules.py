"""Rules that do what the section `headers` of the configuration says: set, add, remove, copy, rename, substitute.

They come after all other rules, and are met, counted, recorded and guarded like these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from proxy.pattern import Pattern, Template
from proxy.repair.rule import REPAIR, Context, Edit, Finding, Insert, Remove, Replace, Rule
from proxy.sip.message import Message, line_value
from proxy.sip.registry import (
    AUTHORIZATION,
    CALL_ID,
    CANON,
    CONTACT,
    CONTENT_LENGTH,
    CSEQ,
    DATE,
    EXPIRES,
    FLOW_TIMER,
    FROM,
    IDENTITY,
    MAX_BREADTH,
    MAX_FORWARDS,
    PATH,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    PROXY_REQUIRE,
    RECORD_ROUTE,
    ROUTE,
    SERVICE_ROUTE,
    SPELLINGS,
    TO,
    VIA,
    WWW_AUTHENTICATE,
)

_ROUTING: Final = "the proxy writes it itself, and messages find their way by it"
_DIALOG: Final = "both sides know their dialogs and transactions by it"
_DIGEST: Final = "digest authentication would fail, and secrets come into logs"
_SIGNATURE: Final = "an Identity header signs it (RFC 8224)"
_OWNED: Final = {
    VIA: _ROUTING,
    ROUTE: _ROUTING,
    RECORD_ROUTE: _ROUTING,
    PATH: _ROUTING,
    SERVICE_ROUTE: _ROUTING,
    MAX_FORWARDS: "the proxy counts it; see the rules maxfwd-missing and maxfwd-bad",
    MAX_BREADTH: "the proxy counts it",
    CONTENT_LENGTH: "the proxy writes it; see the rules that begin with clen",
    CONTACT: "the rules that begin with contact make it usable; see also `contact` of listeners and profiles",
    FROM: _DIALOG + "; see the rules server-domain, display-unquoted and from-no-tag",
    TO: _DIALOG + "; see the rules server-domain, display-unquoted and to-tag-in-register",
    CALL_ID: _DIALOG,
    CSEQ: _DIALOG,
    b"rseq": _DIALOG,
    b"rack": _DIALOG,
    EXPIRES: "the proxy keeps account of registrations by it; see `expires_max` of profiles",
    FLOW_TIMER: "the proxy writes it; see `flow_timer` of listeners",
    PROXY_REQUIRE: "it asks something of this proxy, which answers it before any rule",
    AUTHORIZATION: _DIGEST,
    PROXY_AUTHORIZATION: _DIGEST,
    WWW_AUTHENTICATE: _DIGEST,
    PROXY_AUTHENTICATE: _DIGEST,
    b"authentication-info": _DIGEST,
    IDENTITY: _SIGNATURE,
    DATE: _SIGNATURE,
}

CREDENTIALS: Final = frozenset((AUTHORIZATION, PROXY_AUTHORIZATION))


def canonical(name: str) -> bytes:
    """The name as lines have it: lower case, no compact form."""
    spelled = name.encode()
    return CANON.get(spelled, CANON.get(spelled.lower(), spelled.lower()))


def owned(name: bytes) -> str:
    """Why no entry of `headers` may change the header of that canonical name; empty if it may."""
    return _OWNED.get(name, "")


class Change(Protocol):
    """What an entry does to the lines of a message."""

    touches: tuple[bytes, ...]
    summary: str

    def edits(self, message: Message) -> list[Edit]:
        """What is to be done; nothing where it is done already."""


class Condition:
    """A header that must be there (or, with `absent`, not), with a pattern in one of its values if one is given."""

    __slots__ = ("_absent", "_name", "_pattern")

    def __init__(self, name: str, pattern: Pattern | None = None, absent: bool = False) -> None:
        self._name = canonical(name)
        self._pattern = pattern
        self._absent = absent

    def holds(self, message: Message) -> bool:
        """Whether it is so in this message."""
        return bool(_fitting(message, self._name, self._pattern)) != self._absent


class HeaderRule(Rule):
    """One entry of the section `headers`; `profiles` are those whose clients it is for, empty for all clients."""

    rfc = "RFC 3261 section 7.3"
    never_off = True
    no_source = "the section `headers` of the configuration wants it"

    def __init__(
        self,
        name: str,
        change: Change,
        stages: tuple[int, ...],
        methods: tuple[bytes, ...] = (),
        conditions: Sequence[Condition] = (),
        profiles: frozenset[str] = frozenset(),
        reason: str = "",
    ) -> None:
        self.name = name
        self.stages = stages
        self.methods = methods
        self.default = REPAIR
        self.touches = change.touches
        self.summary = reason or f"{change.summary}, as the configuration says"
        self.profiles = profiles
        self._change = change
        self._conditions = tuple(conditions)

    def applies(self, message: Message, context: Context) -> Finding | None:
        """What is still to be done to this message, if it is meant."""
        for condition in self._conditions:
            if not condition.holds(message):
                return None
        edits = self._change.edits(message)
        return _Planned(self.summary, edits) if edits else None

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        return finding.edits if isinstance(finding, _Planned) else []


class _Planned(Finding):
    """A finding with what is to be done."""

    __slots__ = ("edits",)

    def __init__(self, reason: str, edits: list[Edit]) -> None:
        first = edits[0]
        super().__init__(reason, first.line if isinstance(first, Replace | Remove) else -1)
        self.edits = edits


class SetHeader:
    """The header has one line, with that value."""

    def __init__(self, name: str, value: str) -> None:
        self._name = canonical(name)
        self._spelled = _spelled(name)
        self._value = value.encode()
        self.touches: tuple[bytes, ...] = (self._name,)
        self.summary = f"{name} is set"

    def edits(self, message: Message) -> list[Edit]:
        return _written(message, self._name, [self._value], self._spelled)


class AddHeader:
    """The header has a line with that value, besides those it has."""

    def __init__(self, name: str, value: str) -> None:
        self._name = canonical(name)
        self._value = value.encode()
        self._text = b"%b: %b" % (_spelled(name), self._value)
        self.touches: tuple[bytes, ...] = (self._name,)
        self.summary = f"{name} is added"

    def edits(self, message: Message) -> list[Edit]:
        lines = message.indexes(self._name)
        if any(line_value(message.lines[index]) == self._value for index in lines):
            return []
        return [Insert(lines[-1] + 1 if lines else len(message.lines), self._name, self._text)]


class RemoveHeader:
    """The lines of the header go, or those in whose value the pattern is found."""

    def __init__(self, name: str, pattern: Pattern | None = None) -> None:
        self._name = canonical(name)
        self._pattern = pattern
        self.touches: tuple[bytes, ...] = (self._name,)
        self.summary = f"{name} is removed"

    def edits(self, message: Message) -> list[Edit]:
        return [Remove(index) for index in _fitting(message, self._name, self._pattern)]


class CopyHeader:
    """Another header has the same values as this one, if this one is there."""

    def __init__(self, name: str, to: str) -> None:
        self._name = canonical(name)
        self._to = canonical(to)
        self._spelled = _spelled(to)
        self.touches: tuple[bytes, ...] = (self._to,)
        self.summary = f"{name} is copied to {to}"

    def edits(self, message: Message) -> list[Edit]:
        values = [line_value(message.lines[index]) for index in message.indexes(self._name)]
        return _written(message, self._to, values, self._spelled) if values else []


class RenameHeader:
    """The lines of the header have another name."""

    def __init__(self, name: str, to: str) -> None:
        self._name = canonical(name)
        self._to = canonical(to)
        self._spelled = _spelled(to)
        self.touches: tuple[bytes, ...] = (self._name, self._to)
        self.summary = f"{name} is renamed to {to}"

    def edits(self, message: Message) -> list[Edit]:
        found: list[Edit] = []
        for index in message.indexes(self._name):
            text = b"%b: %b" % (self._spelled, line_value(message.lines[index]))
            found += [Insert(index, self._to, text), Remove(index)]
        return found


class SubstituteHeader:
    """In the values of the header what fits a pattern is replaced; a line that is left empty goes."""

    def __init__(self, name: str, pattern: Pattern, template: Template) -> None:
        self._name = canonical(name)
        self._pattern = pattern
        self._template = template
        self.touches: tuple[bytes, ...] = (self._name,)
        self.summary = f"{name} is rewritten"

    def edits(self, message: Message) -> list[Edit]:
        found: list[Edit] = []
        for index in message.indexes(self._name):
            line = message.lines[index]
            value = line_value(line)
            after = self._pattern.replaced(value, self._template).strip()
            if after == value:
                continue
            if not after:
                found.append(Remove(index))
            else:
                found.append(Replace(index, b"%b: %b" % (line[: line.index(b":")].rstrip(), after)))
        return found


def _fitting(message: Message, name: bytes, pattern: Pattern | None) -> list[int]:
    """The lines of that name, with the pattern in their values if one is given."""
    lines = message.indexes(name)
    if pattern is None:
        return lines
    return [index for index in lines if pattern.found(line_value(message.lines[index]))]


def _spelled(name: str) -> bytes:
    """The name as a line begins with it: as the standards spell it, else as the administrator does."""
    return SPELLINGS.get(canonical(name), name.encode())


def _written(message: Message, name: bytes, values: Sequence[bytes], spelled: bytes) -> list[Edit]:
    """What makes the lines of that name have these values, in this order."""
    lines = message.indexes(name)
    end = lines[-1] + 1 if lines else len(message.lines)
    found: list[Edit] = []
    for place, value in enumerate(values):
        text = b"%b: %b" % (spelled, value)
        if place >= len(lines):
            found.append(Insert(end, name, text))
        elif line_value(message.lines[lines[place]]) != value:
            found.append(Replace(lines[place], text))
    return [*found, *(Remove(index) for index in lines[len(values) :])]
