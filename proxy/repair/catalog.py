"""The catalogue: every rule by name, checked once, and what the administrator chose for each.

The repairs of the core (`repair.inherent`) are known by name too, as far as there is something to choose. It is
handed `plugins.ORDER` (and rules of users); it imports no plugin and runs no rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from proxy.repair.inherent import INHERENT, Inherent
from proxy.repair.rule import MODES, REPAIR, STAGES, Rule, SettingError

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*").fullmatch
RFC: Final = re.compile(r"RFC \d{3,5}( section \d+(\.\d+)*)?(, (RFC \d{3,5} )?section \d+(\.\d+)*)*").fullmatch

# What YAML hands over for one rule: its mode, or a mapping with `mode` and the settings of the rule.
Choice = str | bool | Mapping[str, object]


class Problem:
    """One mistake in what was chosen: the keys that lead to it, and a sentence that says what is wrong."""

    __slots__ = ("path", "text")

    def __init__(self, path: tuple[str, ...], text: str) -> None:
        self.path = path
        self.text = text

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {self.text}"


class CatalogError(ValueError):
    """Rules that cannot be used, or choices that make no sense; `problems` are all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class Catalog:
    """The rules in their order. Raises CatalogError for rules that break the contract."""

    __slots__ = ("_by_name", "_families", "inherent", "rules")

    def __init__(self, order: Sequence[Rule], inherent: Sequence[Inherent] = INHERENT) -> None:
        problems = [problem for rule in order for problem in _flaws(rule)]
        self._by_name: dict[str, Rule] = {}
        for rule in (*order, *inherent):
            if rule.name in self._by_name:
                problems.append(Problem((rule.name,), "two rules have this name; rename one of them"))
            self._by_name[rule.name] = rule
        if problems:
            raise CatalogError(problems)
        self.rules = tuple(order)
        self.inherent = tuple(inherent)
        self._families = _families(self._by_name)

    def rule(self, name: str) -> Rule:
        """The rule of that name; raises KeyError without one."""
        return self._by_name[name]

    def default_modes(self) -> dict[str, str]:
        """The mode of every rule when nobody chose another."""
        return {rule.name: rule.default for rule in (*self.rules, *self.inherent)}

    def modes(self, overrides: Mapping[str, Choice]) -> dict[str, str]:
        """The mode of every rule, given these choices. Raises CatalogError with everything that is wrong in them."""
        return self.choose(overrides)[1]

    def choose(self, *layers: Mapping[str, Choice]) -> tuple[tuple[Rule, ...], dict[str, str]]:
        """The rules with their settings, and the modes of all, the repairs of the core included.

        A key is the name of a rule, or the beginning that several names share (`maxfwd`, `contact-missing`): then the
        choice is for all of them, and a longer key beats a shorter one.
        A later layer beats an earlier one. Raises CatalogError with every mistake.
        """
        problems: list[Problem] = []
        modes = self.default_modes()
        settings: dict[str, dict[str, object]] = {}
        chosen = [(key, layer[key]) for layer in layers for key in sorted(layer, key=lambda k: len(str(k)))]
        for key, choice in chosen:
            concerned = self._concerned(str(key), problems)
            mode, values = _parts(str(key), choice, problems)
            free = [rule for rule in concerned if not isinstance(rule, Inherent) or not rule.fixed]
            if mode is not None and mode != REPAIR and concerned and not free:
                only = concerned[0]
                why = only.fixed if isinstance(only, Inherent) else ""
                problems.append(Problem((str(key),), f"{only.name} cannot be switched off: {why}"))
            for rule in free if mode is not None else concerned:
                if mode is not None:
                    modes[rule.name] = mode
                settings.setdefault(rule.name, {}).update(_checked(str(key), rule, values, problems))
        if problems:
            raise CatalogError(problems)
        return tuple(rule.configured(settings.get(rule.name, {})) for rule in self.rules), modes

    def _concerned(self, key: str, problems: list[Problem]) -> tuple[Rule, ...]:
        rule = self._by_name.get(key)
        if rule is not None:
            return (rule,)
        family = self._families.get(key)
        if family is not None:
            return family
        near = get_close_matches(key, [*self._by_name, *self._families], n=1)
        hint = f"did you mean {near[0]}?" if near else "`sipmend rules` lists them"
        problems.append(Problem((key,), f"there is no repair rule of this name; {hint}"))
        return ()


def _families(by_name: Mapping[str, Rule]) -> dict[str, tuple[Rule, ...]]:
    """Beginnings of names (whole words) that at least two rules share."""
    members: dict[str, list[Rule]] = {}
    for name, rule in by_name.items():
        words = name.split("-")
        for count in range(1, len(words)):
            members.setdefault("-".join(words[:count]), []).append(rule)
    return {key: tuple(rules) for key, rules in members.items() if len(rules) > 1 and key not in by_name}


def _parts(key: str, choice: Choice, problems: list[Problem]) -> tuple[str | None, dict[str, object]]:
    """Mode and settings out of what YAML gives for one rule."""
    if choice is False:  # YAML 1.1 reads a bare `off` so
        return "off", {}
    if isinstance(choice, Mapping):
        values = {str(name): value for name, value in choice.items() if name != "mode"}
        path: tuple[str, ...] = (key, "mode")
        if "mode" not in choice:
            return None, values
        mode = choice["mode"]
        mode = "off" if mode is False else mode
    else:
        mode, path, values = choice, (key,), {}
    if isinstance(mode, str) and mode in MODES:
        return mode, values
    words = ", ".join(MODES)
    near = get_close_matches(mode, MODES, n=1) if isinstance(mode, str) else []
    hint = f"; did you mean {near[0]}?" if near else ""
    problems.append(Problem(path, f"expected {words}, got {mode!r}{hint}"))
    return None, values


def _checked(key: str, rule: Rule, values: Mapping[str, object], problems: list[Problem]) -> dict[str, object]:
    """The settings that the rule takes; what is wrong with the others joins the problems."""
    good: dict[str, object] = {}
    for name, value in values.items():
        try:
            rule.configured({name: value})
        except SettingError as error:
            problems.append(Problem((key, error.name), error.text))
        else:
            good[name] = value
    return good


def _flaws(rule: Rule) -> list[Problem]:
    """How a rule breaks the contract of `proxy.repair.rule`."""
    name = rule.name or type(rule).__name__
    flaws = []
    if _NAME(rule.name) is None:
        flaws.append("`name` must be lower-case words joined by hyphens")
    if RFC(rule.rfc) is None:
        flaws.append(f"`rfc` must read like 'RFC 3261 section 20.10', not {rule.rfc!r}")
    if not rule.summary:
        flaws.append("`summary` is empty; give one line that says what the rule does")
    if not rule.stages or any(stage not in range(len(STAGES)) for stage in rule.stages):
        flaws.append("`stages` must name at least one of the four stages")
    if not rule.touches:
        flaws.append("`touches` must name the headers the rule may edit")
    if rule.default not in MODES:
        flaws.append(f"`default` must be one of {', '.join(MODES)}")
    if not rule.samples:
        flaws.append("`samples` is empty; give at least one message before and after")
    return [Problem((name,), text) for text in flaws]
