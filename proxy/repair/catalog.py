"""The catalogue: every rule by name, checked once, and what the administrator chose for each.

The repairs of the core (`repair.inherent`) are known by name too, as far as there is something to choose. It is
handed `plugins.ORDER` (and rules of users); it imports no plugin and runs no rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from proxy.repair.contract import flaws
from proxy.repair.inherent import INHERENT, Inherent
from proxy.repair.rule import MODES, REPAIR, Rule, SettingError

# What YAML hands over for one rule: its mode, or a mapping with `mode` and the settings of the rule.
Choice = str | bool | Mapping[str, object]


class Problem:
    """One mistake in what was chosen: the keys that lead to it, and a sentence that says what is wrong.

    `layer` is the number of the layer that it stands in; `unknown` tells that the mistake is a name nobody has.
    """

    __slots__ = ("layer", "path", "text", "unknown")

    def __init__(self, path: tuple[str, ...], text: str, layer: int = 0, unknown: bool = False) -> None:
        self.path = path
        self.text = text
        self.layer = layer
        self.unknown = unknown

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {self.text}"


class CatalogError(ValueError):
    """Rules that cannot be used, or choices that make no sense; `problems` are all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class Catalog:
    """The rules in their order, then those `declared` in the configuration, which are made here and not judged.

    Raises CatalogError for rules that break the contract.
    """

    __slots__ = ("_by_name", "_families", "inherent", "rules")

    def __init__(
        self, order: Sequence[Rule], inherent: Sequence[Inherent] = INHERENT, declared: Sequence[Rule] = ()
    ) -> None:
        problems = [
            Problem((str(getattr(rule, "name", "")) or type(rule).__name__,), text)
            for rule in order
            for text in flaws(rule)
        ]
        self._by_name: dict[str, Rule] = {}
        for rule in (*order, *inherent, *declared):
            if rule.name in self._by_name:
                problems.append(Problem((rule.name,), "two rules have this name; rename one of them"))
            self._by_name[rule.name] = rule
        if problems:
            raise CatalogError(problems)
        self.rules = (*order, *declared)
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
        choice = _Choice(self)
        for number, layer in enumerate(layers):
            choice.layer = number
            for key in sorted(layer, key=lambda k: len(str(k))):
                choice.take(str(key), layer[key])
        if choice.problems:
            raise CatalogError(choice.problems)
        return tuple(choice.rules.get(rule.name, rule) for rule in self.rules), choice.modes

    def concerned(self, key: str) -> tuple[Rule, ...]:
        """The rule of that name, or all whose names begin so; none for an unknown one."""
        rule = self._by_name.get(key)
        return (rule,) if rule is not None else self._families.get(key, ())

    def hint(self, key: str) -> str:
        """What somebody who wrote this name may have meant."""
        near = get_close_matches(key, [*self._by_name, *self._families], n=1)
        return f"did you mean {near[0]}?" if near else "`sipmend rules` lists them"


class _Choice:
    """What was chosen so far: the rules with settings of theirs, all modes, and every mistake."""

    __slots__ = ("_catalog", "_settings", "layer", "modes", "problems", "rules")

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._settings: dict[str, dict[str, object]] = {}
        self.layer = 0
        self.modes = catalog.default_modes()
        self.problems: list[Problem] = []
        self.rules: dict[str, Rule] = {}

    def take(self, key: str, choice: Choice) -> None:
        """One key of a layer, over what earlier ones said."""
        concerned = self._catalog.concerned(key)
        if not concerned:
            text = f"there is no repair rule of this name; {self._catalog.hint(key)}"
            self.problems.append(Problem((key,), text, self.layer, True))
        mode, values = self._parts(key, choice)
        free = [rule for rule in concerned if not isinstance(rule, Inherent) or not rule.fixed]
        if mode is not None and mode != REPAIR and concerned and not free:
            only = concerned[0]
            why = only.fixed if isinstance(only, Inherent) else ""
            self._complain((key,), f"{only.name} cannot be switched off: {why}")
        for rule in free if mode is not None else concerned:
            if mode is not None:
                self.modes[rule.name] = mode
            if values:
                self._configure(key, rule, values)

    def _complain(self, path: tuple[str, ...], text: str) -> None:
        self.problems.append(Problem(path, text, self.layer))

    def _parts(self, key: str, choice: Choice) -> tuple[str | None, dict[str, object]]:
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
        self._complain(path, f"expected {words}, got {mode!r}{hint}")
        return None, values

    def _configure(self, key: str, rule: Rule, values: Mapping[str, object]) -> None:
        """Take over the settings; each that the rule does not take is a mistake, and the rest is tried without it."""
        wanted = dict(values)
        while wanted:
            merged = {**self._settings.get(rule.name, {}), **wanted}
            try:
                self.rules[rule.name] = rule.configured(merged)
            except SettingError as error:
                name = error.name
                self._complain((key, name) if name in values else (key,), error.text)
                if name not in wanted:
                    return
                del wanted[name]
            else:
                self._settings[rule.name] = merged
                return


def _families(by_name: Mapping[str, Rule]) -> dict[str, tuple[Rule, ...]]:
    """Beginnings of names (whole words) that at least two rules share."""
    members: dict[str, list[Rule]] = {}
    for name, rule in by_name.items():
        words = name.split("-")
        for count in range(1, len(words)):
            members.setdefault("-".join(words[:count]), []).append(rule)
    return {key: tuple(rules) for key, rules in members.items() if len(rules) > 1 and key not in by_name}
