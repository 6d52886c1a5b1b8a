"""YAML text -> plain data, with the line and column of every key and value, and `${NAME}` expanded.

Scalars follow the core schema of YAML 1.2: `on`, `off`, `yes` and `no` are words, `10:30` and `010` are no
surprises. Must not know the models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from proxy.config.errors import ConfigError, KeyPath, Origin, Place, did_you_mean

_STR_TAG = "tag:yaml.org,2002:str"
_PLAIN_TAGS = {_STR_TAG, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "True": True, "false": False, "False": False}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}\Z")
_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<inner>[^}]*)(?P<end>\}?)")
_NAME = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?\Z", re.DOTALL)


class _LiteralLoader(yaml.SafeLoader):
    """Composes nodes without typing any scalar: a tag other than the plain ones was written by hand."""

    yaml_implicit_resolvers: dict[str, Any] = {}


class Source:
    """One configuration text, read: `data` (plain values), `origin` (places), `errors` (all found so far).

    `broken` holds the paths whose value is unknown because of one of the errors.
    """

    def __init__(self, file: str, text: str, environ: Mapping[str, str]) -> None:
        self.origin = Origin(file)
        self.errors: list[ConfigError] = []
        self.broken: set[KeyPath] = set()
        self.data: dict[str, Any] = {}
        self._environ = environ
        self._open: set[int] = set()
        root = self._compose(text)
        if root is None:
            return
        value = self._value(root, ())
        if isinstance(value, dict):
            self.data = value
        elif value is not None:
            self._fail((), "the file should be a mapping of keys such as server and listen")
            self.broken.add(())

    def _compose(self, text: str) -> yaml.Node | None:
        try:
            # The loader makes nodes only and constructs no objects.
            return yaml.compose(text, Loader=_LiteralLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
            detail = " ".join(part for part in (error.context, error.problem) if part)
            self._fail_at(place, f"not YAML: {detail}{_yaml_hint(text, place)}")
        except yaml.reader.ReaderError as error:
            before = text[: error.position]
            place = Place(before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1)
            self._fail_at(place, f"not YAML: the character U+{ord(text[error.position]):04X} is not allowed")
        except RecursionError:
            self._fail_at(Place(1, 1), "not usable: nested too deeply")
        self.broken.add(())
        return None

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        """The plain value of the node; its place and those of all that it holds are noted."""
        self.origin.values[path] = _place(node)
        if node.tag not in _PLAIN_TAGS:
            self._fail(path, f"the tag {node.tag} is not supported here: write the plain value")
            self.broken.add(path)
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            self._fail(path, "the alias contains itself")
            self.broken.add(path)
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
            return self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = _place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._fail_at(place, "a key should be one word", path)
                continue
            key = key_node.value
            inner = (*path, key)
            if key == "<<" and key_node.style is None:
                self._fail_at(place, "merge keys are not supported: write the keys out", path)
            elif inner in self.origin.keys:
                first = self.origin.keys[inner].line
                self._fail_at(place, f"this key is given twice, first on line {first}: keep one", inner)
            else:
                self.origin.keys[inner] = place
                value = self._value(value_node, inner)
                # `limits:` with nothing but comments below it is the same as no `limits:`.
                if value is not None:
                    found[key] = value
        return found

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        self.origin.scalars.add(path)
        text = self._expand(node.value, path) if "${" in node.value else node.value
        return text if node.style is not None else _typed(text)

    def _expand(self, text: str, path: KeyPath) -> str:
        """The text with `${NAME}` and `${NAME:-default}` replaced; `$${` stands for a literal `${`."""

        def replacement(match: re.Match[str]) -> str:
            if match["inner"] is None:
                return "${"
            name = _NAME.match(match["inner"])
            if name is None or not match["end"]:
                self._fail(path, f"{match[0]} should be ${{NAME}} or ${{NAME:-default}} (write $${{ for a plain ${{)")
            elif name["default"] is not None:
                return self._environ.get(name["name"]) or name["default"][2:]
            elif name["name"] in self._environ:
                return self._environ[name["name"]]
            else:
                hint = did_you_mean(name["name"], self._environ)
                advice = f"set it, or write ${{{name['name']}:-default}}{hint}"
                self._fail(path, f"the environment has no {name['name']}: {advice}")
            self.broken.add(path)
            return ""

        return _REFERENCE.sub(replacement, text)

    def _fail(self, path: KeyPath, text: str) -> None:
        self.errors.append(self.origin.error(path, text))

    def _fail_at(self, place: Place, text: str, path: KeyPath = ()) -> None:
        self.errors.append(Origin(self.origin.file, values={path: place}).error(path, text))


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _typed(text: str) -> Any:
    """A plain (unquoted) scalar by the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text


def _yaml_hint(text: str, place: Place) -> str:
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    if "\t" in line:
        return " (the line has a tab: indent with spaces)"
    if "${" in line:
        return ' (inside { } and [ ] a reference needs quotes: "${NAME}")'
    return ""
