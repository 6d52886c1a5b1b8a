"""Mistakes in a configuration file, each with its place, and the map from keys to places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

KeyPath = tuple[str | int, ...]


def key_text(path: KeyPath) -> str:
    """The path as an administrator writes it: `listen[0].port`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like this one (upper and lower case are alike), if one is near at all."""
    names = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), list(names), n=1, cutoff=0.6)
    return names[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`, did you mean X` where a known word is near, else nothing."""
    near = nearest(word, known)
    return f", did you mean {near}" if near is not None else ""


@dataclass(frozen=True, slots=True, order=True)
class ConfigError:
    """One mistake: where it is (line and column count from 1), which key, and what is wrong with it."""

    file: str
    line: int
    column: int
    key: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        return where + (f"{self.key}: {self.text}" if self.key else self.text)


class ConfigErrors(Exception):  # noqa: N818  it holds several errors and is named for that
    """The file cannot be used; `errors` holds every mistake found, in the order of the file."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors = sorted(set(errors))
        super().__init__("\n".join(str(error) for error in self.errors))


@dataclass(frozen=True, slots=True)
class Place:
    """A line and a column, both counted from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Origin:
    """Where each key and each value of a configuration stood in its file.

    A configuration that was not read from a file has an empty origin: its errors then name line 1, column 1.
    All origins are equal, so that equal settings are equal wherever they stood.
    """

    file: str = field(default="configuration", compare=False)
    keys: dict[KeyPath, Place] = field(default_factory=dict, compare=False)
    values: dict[KeyPath, Place] = field(default_factory=dict, compare=False)
    scalars: set[KeyPath] = field(default_factory=set, compare=False)

    def error(self, path: KeyPath, text: str, at_key: bool = False) -> ConfigError:
        """The mistake at the value of `path`, or at its key; the nearest enclosing place if it is not in the file.

        Where a short form was written (one URI for a whole listener), the path ends at what was written.
        """
        for length in range(len(path)):
            if path[:length] in self.scalars:
                path = path[:length]
                break
        place = self._place(path, at_key)
        return ConfigError(self.file, place.line, place.column, key_text(path), text)

    def _place(self, path: KeyPath, at_key: bool) -> Place:
        first, second = (self.keys, self.values) if at_key else (self.values, self.keys)
        found = first.get(path) or second.get(path)
        while found is None and path:
            path = path[:-1]
            # A key that is missing is reported where the mapping that should hold it is named.
            found = self.keys.get(path) or self.values.get(path)
        return found or Place(1, 1)
