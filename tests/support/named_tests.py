"""The tests that pages name: read from their files, not imported."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def names_in(path: str) -> frozenset[str]:
    """The tests of one file, as pytest names them (`tests/a.py::test_b`); none where there is no such file."""
    file = ROOT / path
    if not path.startswith("tests/") or not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(f"{path}::{name}" for name in _tests(tree.body, ""))


def is_test(name: str) -> bool:
    """Whether there is a test of that name."""
    return name in names_in(name.partition("::")[0])


def _tests(body: list[ast.stmt], prefix: str) -> list[str]:
    found = []
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            found.append(prefix + node.name)
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            found += _tests(node.body, f"{node.name}::")
    return found
