"""What the configuration can say and this version cannot do: one row each. A finished feature deletes its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel

from proxy.config.errors import KeyPath

Row = tuple[KeyPath, Callable[[Any], bool], str]


def _starts(*prefixes: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value.startswith(prefixes)


# (key, `*` for every item; is the value one that needs the feature; what the administrator reads)
ROWS: tuple[Row, ...] = (
    (
        ("server", "targets", "*", "weight"),
        lambda weight: weight != 1,
        "sharing calls by weight is not available in this version; targets are tried by priority and order",
    ),
    (("server", "in_dialog"), lambda word: word == "follow", "`follow` is not available in this version; use server"),
    (("store",), _starts("redis:", "rediss:"), "Redis is not available in this version; use sqlite:PATH"),
)


def unavailable(config: BaseModel) -> Iterator[tuple[KeyPath, str]]:
    """Each setting that asks for a feature of a later version: its key and what to do instead."""
    for pattern, found, text in ROWS:
        for path, value in _values(config, pattern):
            if found(value):
                yield path, text.format(value=value)


def _values(node: Any, pattern: KeyPath, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    if not pattern:
        yield path, node
    elif pattern[0] == "*":
        for index, item in enumerate(node):
            yield from _values(item, pattern[1:], (*path, index))
    else:
        yield from _values(getattr(node, str(pattern[0])), pattern[1:], (*path, pattern[0]))
