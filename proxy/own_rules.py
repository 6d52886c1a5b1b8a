"""The rules that the section `plugins` of the configuration names: loaded, judged, tried and watched.

Made at the start and at each reload, before any of them meets a message. Every mistake is an error with its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from plugins import ORDER
from proxy.config.errors import ConfigError, Origin
from proxy.config.own import OwnRules
from proxy.config.section import PluginSetting
from proxy.repair.catalog import Catalog
from proxy.repair.contract import flaws
from proxy.repair.rule import Rule, SettingError
from proxy.repair.testing import complaints
from proxy.repair.watched import Watched, named
from proxy.rule_source import SourceError, from_entry_point, from_file, from_module

_SHIPPED: Final = Catalog(ORDER)


def load_own_rules(entries: Sequence[PluginSetting | None], origin: Origin) -> tuple[OwnRules, list[ConfigError]]:
    """The rules of the section `plugins`, and every mistake; an entry that is None is wrong already, and left out."""
    rules: list[Rule] = []
    choices: dict[str, Mapping[str, object]] = {}
    errors: list[ConfigError] = []
    owners: dict[str, int] = {}
    for index, entry in enumerate(entries):
        if entry is None:
            continue
        path = ("plugins", index, entry.place)
        try:
            found = _loaded(entry)
            wrong = [text for rule in found for text in _judged(rule)] or _clashes(found, owners)
        except SourceError as error:
            found, wrong = [], [str(error)]
        if not wrong and entry.settings and len(found) > 1:
            names = ", ".join(rule.name for rule in found)
            wrong = [f"has several rules ({names}): write their settings under repair"]
        errors += [origin.error(path, text) for text in wrong]
        if wrong:
            continue
        for rule in found:
            owners[rule.name] = index
            rules.append(Watched(rule))
            choices[rule.name] = {**({} if entry.mode is None else {"mode": entry.mode}), **entry.settings}
            errors += _unsuitable(rules[-1], entry.settings, index, origin)
    return OwnRules(tuple(rules), {name: choice for name, choice in choices.items() if choice}), errors


def _loaded(entry: PluginSetting) -> list[Rule]:
    """The rules of one entry. Raises SourceError."""
    if entry.rule is not None:
        found, what = from_module(entry.rule), entry.rule
    elif entry.path is not None:
        found, what = from_file(entry.path), f"RULES of {entry.path}"
    else:
        found, what = from_entry_point(entry.name or ""), entry.name or ""
    rules = list(_rules(found, what))
    if not rules:
        raise SourceError(f"{what} is empty")
    return rules


def _rules(found: object, what: str) -> Iterator[Rule]:
    if isinstance(found, tuple | list):
        for item in found:
            nested = isinstance(item, tuple | list)
            yield from _no_rule(item, what) if nested else _rules(item, f"an item of {what}")
    elif isinstance(found, type) and issubclass(found, Rule):
        try:
            yield found()
        except Exception as error:  # anybody's code
            raise SourceError(f"{what} cannot be made: {named(error)}") from error
    elif isinstance(found, Rule):
        yield found
    else:
        yield from _no_rule(found, what)


def _no_rule(found: object, what: str) -> Iterable[Rule]:
    kind = "a module" if type(found).__name__ == "module" else f"{type(found).__name__}"
    text = f"{what} is no rule but {kind}: give a subclass or an instance of proxy.repair.rule.Rule, or a tuple of them"
    raise SourceError(text)


def _judged(rule: Rule) -> list[str]:
    """How the rule breaks the contract, or which of its samples do not hold."""
    name = type(rule).__name__
    try:
        found = flaws(rule)
        if not found:
            name = rule.name
            found = complaints(Watched(rule))
    except Exception as error:  # anybody's code: an attribute may be a property
        found = [f"it cannot be examined: {named(error)}"]
    return [f"{name}: {text}" for text in found]


def _clashes(rules: Sequence[Rule], owners: Mapping[str, int]) -> list[str]:
    """Names that somebody else has."""
    found = []
    names = [rule.name for rule in rules]
    for index, name in enumerate(names):
        taken = name_clash(name)
        if name in owners:
            found.append(f"{name}: plugins[{owners[name]}] has a rule of this name already; rename one of them")
        elif name in names[:index]:
            found.append(f"{name}: two rules have this name; rename one of them")
        elif taken:
            found.append(f"{name}: {taken}")
    return found


def name_clash(name: str) -> str:
    """Why nobody's rule may have this name: sipmend has it, or a family of that name; empty if it is free."""
    concerned = _SHIPPED.concerned(name)
    if not concerned:
        return ""
    if concerned[0].name == name:
        return "sipmend has a rule of this name; rename yours"
    return f"it would stand for all rules of sipmend that begin so, like {concerned[0].name}; rename yours"


def _unsuitable(rule: Rule, settings: Mapping[str, object], index: int, origin: Origin) -> list[ConfigError]:
    """The settings that the rule does not take."""
    errors: list[ConfigError] = []
    wanted = dict(settings)
    while wanted:
        try:
            rule.configured(wanted)
        except SettingError as wrong:
            errors.append(origin.error(("plugins", index, "settings", wrong.name), wrong.text))
            if wrong.name not in wanted:
                break
            del wanted[wrong.name]
        else:
            break
    return errors
