"""From the entries of the section `headers` to the rules that do what they say. Made at start and at each reload."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxy.config.errors import KeyPath
from proxy.config.headers import HeaderChange, HeaderCondition, When
from proxy.own_rules import name_clash
from proxy.pattern import Pattern, Template
from proxy.repair.header_rules import (
    AddHeader,
    Change,
    Condition,
    CopyHeader,
    HeaderRule,
    RemoveHeader,
    RenameHeader,
    SetHeader,
    SubstituteHeader,
)
from proxy.repair.rule import REQUEST_IN, REQUEST_OUT, RESPONSE_IN, RESPONSE_OUT, Rule

_STAGES = {
    ("to_server", "request"): REQUEST_IN,
    ("to_server", "response"): RESPONSE_IN,
    ("to_client", "request"): REQUEST_OUT,
    ("to_client", "response"): RESPONSE_OUT,
}


def declared_rules(changes: Sequence[HeaderChange]) -> tuple[HeaderRule, ...]:
    """The rules, in the order of the file. The entries have no `header_problems`."""
    return tuple(_rule(change) for change in changes)


def declared_modes(changes: Sequence[HeaderChange]) -> dict[str, str]:
    """The mode that each entry has by itself."""
    return {change.name: change.mode for change in changes}


def declared_clashes(changes: Sequence[HeaderChange], own: Sequence[Rule]) -> Iterator[tuple[KeyPath, str]]:
    """Entries whose names are those of rules: of sipmend, or of the administrator's `own` ones."""
    taken = {rule.name for rule in own}
    for index, change in enumerate(changes):
        path: KeyPath = ("headers", index, "name")
        text = name_clash(change.name)
        if change.name in taken:
            text = f"a rule of the section plugins is named {change.name}; rename one of them"
        if text:
            yield path, text


def _rule(change: HeaderChange) -> HeaderRule:
    when = change.when
    return HeaderRule(
        change.name,
        _action(change),
        _stages(when),
        tuple(method.encode() for method in when.method),
        [_condition(one) for one in when.header],
        frozenset(when.profile),
        change.reason or "",
    )


def _stages(when: When) -> tuple[int, ...]:
    return tuple(
        stage
        for (direction, message), stage in _STAGES.items()
        if when.direction in (None, direction) and when.message in (None, message)
    )


def _condition(one: HeaderCondition) -> Condition:
    return Condition(one.name, Pattern(one.pattern) if one.pattern is not None else None, one.absent)


def _action(change: HeaderChange) -> Change:
    given = change.given()
    action, name = change.action, given[change.action]
    pattern = Pattern(given["pattern"]) if "pattern" in given else None
    if action == "remove":
        return RemoveHeader(name, pattern)
    if action == "set":
        return SetHeader(name, given["value"])
    if action == "add":
        return AddHeader(name, given["value"])
    if action == "copy":
        return CopyHeader(name, given["to"])
    if action == "rename":
        return RenameHeader(name, given["to"])
    wanted = Pattern(given["pattern"])
    return SubstituteHeader(name, wanted, Template(given["with"], wanted))
