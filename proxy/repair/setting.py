"""What an administrator may choose about a rule: a class for each kind of value, which reads it and says what is wrong.

Values come from YAML as plain Python values, at the start and at each reload; no message passes here.
"""

from __future__ import annotations

import re
from typing import Any, Final

from proxy.values import format_duration, parse_duration, shown

# What settings say goes into headers and into the log.
LONGEST_TEXT: Final = 200
MOST_WORDS: Final = 1000


class SettingError(ValueError):
    """A setting that a rule does not have, or a value it does not take; `name` is the setting."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name
        self.text = text


class Setting:
    """One of several words, of which the first is the default.

    `name` is the key in YAML, `summary` says what the setting does, `kind` is what documentation says of its values,
    `default` its value where nobody chose.
    """

    def __init__(self, name: str, choices: tuple[str, ...], summary: str) -> None:
        self.name = name
        self.choices = choices
        self.summary = summary
        self.default: Any = choices[0]
        self.kind = ", ".join(f"`{choice}`" for choice in choices)

    @property
    def written(self) -> str:
        """The default as it stands in YAML."""
        return str(self.default)

    def read(self, value: object) -> Any:
        """The value that the rule gets. Raises SettingError."""
        if not isinstance(value, str) or value not in self.choices:
            raise SettingError(self.name, f"expected one of {', '.join(self.choices)}, got {value!r}")
        return value


class _OpenSetting(Setting):
    """A setting whose values cannot be listed."""

    def __init__(self, name: str, default: object, summary: str, kind: str) -> None:
        self.name = name
        self.choices = ()
        self.summary = summary
        self.default = default
        self.kind = kind


class TextSetting(_OpenSetting):
    """A text of at most 200 printable characters; with `pattern` (a regular expression) one that fits it as a whole."""

    def __init__(self, name: str, default: str, summary: str, pattern: str = "") -> None:
        super().__init__(name, default, summary, f"a text like `{pattern}`" if pattern else "a text")
        self.pattern = pattern
        self._fits = re.compile(pattern).fullmatch if pattern else None

    @property
    def written(self) -> str:
        return f'"{self.default}"'

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            quotes = ": put it in quotes" if isinstance(value, int | float) else ""
            raise SettingError(self.name, f"should be text, not {shown(value)}{quotes}")
        if len(value) > LONGEST_TEXT or not value.isprintable():
            raise SettingError(self.name, f"should be at most {LONGEST_TEXT} printable characters")
        if self._fits is not None and self._fits(value) is None:
            raise SettingError(self.name, f"should fit {self.pattern}, and {shown(value)} does not")
        return value


class NumberSetting(_OpenSetting):
    """A whole number from `least` to `most`."""

    def __init__(self, name: str, default: int, summary: str, least: int, most: int) -> None:
        super().__init__(name, default, summary, f"a whole number from {least} to {most}")
        self.least = least
        self.most = most

    def read(self, value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]{1,15}", value):
            value = int(value)  # from the environment
        if isinstance(value, bool) or not isinstance(value, int):
            raise SettingError(self.name, f"should be a whole number, not {shown(value)}")
        if not self.least <= value <= self.most:
            raise SettingError(self.name, f"should be from {self.least} to {self.most}, not {value}")
        return value


class SwitchSetting(_OpenSetting):
    """`yes` or `no`, also written `on`, `off`, `true`, `false`; the rule gets a bool."""

    WORDS: Final = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}

    def __init__(self, name: str, default: bool, summary: str) -> None:
        super().__init__(name, default, summary, "`yes` or `no`")

    @property
    def written(self) -> str:
        return "yes" if self.default else "no"

    def read(self, value: object) -> bool:
        found = self.WORDS.get(value.lower()) if isinstance(value, str) else value
        if not isinstance(found, bool):
            raise SettingError(self.name, f"should be yes or no, not {shown(value)}")
        return found


class DurationSetting(_OpenSetting):
    """A duration with its unit (`500ms`, `30s`, `5m`, `12h`, `1d`); the rule gets seconds. Bounds are seconds too."""

    def __init__(self, name: str, default: float, summary: str, least: float = 0.0, most: float = 31_536_000.0) -> None:
        kind = f"a duration from {format_duration(least)} to {format_duration(most)}"
        super().__init__(name, default, summary, kind)
        self.least = least
        self.most = most

    @property
    def written(self) -> str:
        return format_duration(self.default)

    def read(self, value: object) -> float:
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            raise SettingError(self.name, str(error)) from error
        if not self.least <= seconds <= self.most:
            bounds = f"from {format_duration(self.least)} to {format_duration(self.most)}"
            raise SettingError(self.name, f"should be {bounds}, not {shown(value)}")
        return seconds


class WordsSetting(_OpenSetting):
    """A list of texts, each of at most 200 printable characters; the rule gets a tuple. One text is a list of one."""

    def __init__(self, name: str, default: tuple[str, ...], summary: str) -> None:
        super().__init__(name, default, summary, "a list of texts")

    @property
    def written(self) -> str:
        return f"[{', '.join(self.default)}]"

    def read(self, value: object) -> tuple[str, ...]:
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list | tuple) or len(value) > MOST_WORDS:
            raise SettingError(self.name, f"should be a list of at most {MOST_WORDS} texts, not {shown(value)}")
        one = TextSetting(self.name, "", "")
        return tuple(one.read(item) for item in value)
