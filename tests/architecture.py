"""The rules of the house about modules, as functions from parsed sources to complaints; no test in here.

`test_architecture.py` applies them to the tree and proves on small sources that each of them can fail.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PURE = (
    "proxy.sip",
    "proxy.transaction",
    "proxy.repair",
    "proxy.core",
    "proxy.events",
    "proxy.effects",
    "proxy.flow",
    "proxy.binding",
    "proxy.counts",
    "proxy.pattern",
    "proxy.values",
    "proxy.stun",
    "proxy.capture",
    "plugins",
)

BANNED_IN_PURE = frozenset(
    {
        *("twisted", "zope", "asyncio", "socket", "threading"),
        *("os", "time", "random", "secrets"),
        *("logging", "prometheus_client", "yaml", "dns"),
    }
)

BANNED_IN_CLASS_NAMES = (
    "Manager",
    "Handler",
    "Processor",
    "Engine",
    "Component",
    "Util",
    "Helper",
    "Base",
    "Info",
)

EVENT_NAMES = frozenset({"event", "effect"})

# Plain values and tables that everybody speaks in: to know them is not to depend on another part.
VOCABULARY = (
    "proxy.flow",
    "proxy.events",
    "proxy.effects",
    "proxy.binding",
    "proxy.counts",
    "proxy.pattern",
    "proxy.values",
    "proxy.sip.registry",
    "proxy.sip.errors",
)

LONGEST_MODULE = 500
WANTED_MODULE = 300
LONGEST_FUNCTION = 50
WIDEST_FAN_OUT = 8


@dataclass(frozen=True)
class Source:
    """One module: its dotted name, whether it is a package's `__init__`, its text and its syntax tree."""

    name: str
    text: str
    tree: ast.Module
    is_package: bool = False

    @classmethod
    def of(cls, name: str, text: str, is_package: bool = False) -> Source:
        return cls(name, text, ast.parse(text), is_package)

    @property
    def lines(self) -> int:
        return self.text.count("\n")


def read_sources(packages: Sequence[str] = ("proxy", "plugins")) -> dict[str, Source]:
    """Every module of the packages, by dotted name."""
    found = {}
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            found[name] = Source.of(name, path.read_text(encoding="utf-8"), is_package)
    return found


def is_under(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def imported_names(source: Source) -> Iterator[tuple[str, int]]:
    """Each imported module with its line; `from a import b` yields `a` and `a.b`, as b may be a module."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            parent = absolute_name(source, node)
            yield parent, node.lineno
            for alias in node.names:
                yield f"{parent}.{alias.name}", node.lineno


def absolute_name(source: Source, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = source.name.split(".")
    parts = parts[: len(parts) - node.level + source.is_package]
    return ".".join(parts + ([node.module] if node.module else []))


def project_imports(source: Source, modules: Iterable[str]) -> dict[str, int]:
    """The modules of the project that this one imports, each with a line; the most specific name counts."""
    known = frozenset(modules)
    found: dict[str, int] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in known:
                    found.setdefault(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            parent = absolute_name(source, node)
            for alias in node.names:
                name = f"{parent}.{alias.name}"
                name = name if name in known else parent
                if name in known:
                    found.setdefault(name, node.lineno)
    found.pop(source.name, None)
    return found


def banned_imports(source: Source) -> list[str]:
    """The pure zone has no framework, socket, clock, randomness or logger."""
    if not is_under(source.name, PURE):
        return []
    hits = {
        (name.partition(".")[0], line)
        for name, line in imported_names(source)
        if name.partition(".")[0] in BANNED_IN_PURE
    }
    return [f"{source.name}:{line}: the pure zone must not import {top}" for top, line in sorted(hits)]


def layer_of(name: str, layers: Iterable[str]) -> str | None:
    """The most specific layer that a module belongs to; the root package is a layer of its own, without its modules."""
    fitting = [layer for layer in layers if name == layer or (layer != "proxy" and is_under(name, [layer]))]
    return max(fitting, key=len) if fitting else None


def layer_breaches(source: Source, modules: Iterable[str], may_import: Mapping[str, Sequence[str]]) -> list[str]:
    """Imports that go against the one direction: each layer names what it may import, besides itself."""
    layer = layer_of(source.name, may_import)
    if layer is None:
        return [f"{source.name}: belongs to no layer; add it to the table of layers in test_architecture.py"]
    if "*" in may_import[layer]:
        return []
    return [
        f"{source.name}:{line}: {layer} must not import {target}"
        for target, line in sorted(project_imports(source, modules).items())
        if target != "proxy" and not is_under(target, [*may_import[layer], layer])
    ]


def forbidden_importers(source: Source, modules: Iterable[str], only: Mapping[str, Sequence[str]]) -> list[str]:
    """Imports of a module that only some may import (`config`, `__main__`, other plugins)."""
    return [
        f"{source.name}:{line}: {target} may be imported by {', '.join(importers) or 'nobody'} only"
        for target, line in sorted(project_imports(source, modules).items())
        for guarded, importers in only.items()
        if is_under(target, [guarded]) and not is_under(source.name, [*importers, guarded])
    ]


def import_cycles(sources: Mapping[str, Source]) -> list[str]:
    """Each way from a module back to itself along imports, found once."""
    graph = {name: sorted(project_imports(source, sources)) for name, source in sources.items()}
    done: set[str] = set()
    found: list[str] = []

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            found.append(" -> ".join([*path[path.index(name) :], name]))
            return
        if name in done:
            return
        for target in graph[name]:
            visit(target, [*path, name])
        done.add(name)

    for name in sorted(graph):
        visit(name, [])
    return found


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imports_in_functions(source: Source) -> list[str]:
    lines = {
        node.lineno
        for function in functions(source)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    return [f"{source.name}:{line}: import inside a function" for line in sorted(lines)]


def logic_in_packages(source: Source) -> list[str]:
    """`__init__.py` holds a docstring, imports and constants only."""
    if not source.is_package:
        return []
    return [
        f"{source.name}:{node.lineno}: {type(node).__name__} in __init__.py"
        for node in source.tree.body
        if not (
            isinstance(node, ast.Import | ast.ImportFrom)
            or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
            or (isinstance(node, ast.Assign | ast.AnnAssign) and is_constant(node.value))
        )
    ]


def is_constant(value: ast.expr | None) -> bool:
    """A literal, or names and calls-free collections of them: nothing that does work at import."""
    working = (ast.Call, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Await)
    return value is None or not any(isinstance(node, working) for node in ast.walk(value))


def reactor_imports(source: Source, allowed: Iterable[str] = ("proxy.__main__",)) -> list[str]:
    """Importing the reactor installs it, for the whole process: done once, at the very top."""
    if source.name in allowed:
        return []
    lines = {line for name, line in imported_names(source) if is_under(name, ["twisted.internet.reactor"])}
    return [f"{source.name}:{line}: imports the reactor" for line in sorted(lines)]


def long_modules(source: Source, exceptions: Mapping[str, str]) -> list[str]:
    if source.lines > LONGEST_MODULE:
        return [f"{source.name}: {source.lines} lines, {LONGEST_MODULE} at the most; split it"]
    if source.lines > WANTED_MODULE and source.name not in exceptions:
        return [f"{source.name}: {source.lines} lines, {WANTED_MODULE} wanted; split it or give a reason"]
    return []


def long_functions(source: Source) -> list[str]:
    return [
        f"{source.name}:{node.lineno}: {node.name} has {length} lines, {LONGEST_FUNCTION} at the most"
        for node in functions(source)
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]


def vague_class_names(source: Source) -> list[str]:
    return [
        f"{source.name}:{node.lineno}: class {node.name} says {word}: name what it is"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
        for word in BANNED_IN_CLASS_NAMES
        if word in words_of(node.name)
    ]


def words_of(name: str) -> set[str]:
    """The words of a CapWords name, each also without a plural's s: `SIPUtils` -> SIP, Utils, Util."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+", name)
    return {*words, *(word.removesuffix("s") for word in words)}


def assignments_to_events(source: Source) -> list[str]:
    """Events and effects are told once and read many times: nobody writes `event.x = ...`."""
    complaints = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.Delete):
            targets = node.targets
        else:
            continue
        complaints += [
            f"{source.name}:{part.lineno}: assigns to {part.value.id}.{part.attr}"
            for target in targets
            for part in ast.walk(target)
            if isinstance(part, ast.Attribute)
            and not isinstance(part.ctx, ast.Load)
            and isinstance(part.value, ast.Name)
            and part.value.id in EVENT_NAMES
        ]
    return complaints


def wide_modules(source: Source, modules: Iterable[str], exceptions: Mapping[str, str]) -> list[str]:
    """A module that needs more than a few others knows too much, unless joining them is its one task."""
    if source.is_package or source.name in exceptions:
        return []
    targets = project_imports(source, modules).keys() - set(VOCABULARY)
    if len(targets) <= WIDEST_FAN_OUT:
        return []
    return [f"{source.name}: imports {len(targets)} modules of ours, {WIDEST_FAN_OUT} at the most"]


def stale_exceptions(sources: Mapping[str, Source], tables: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Exceptions for modules that no longer exist, or without a reason."""
    return [
        f"{table}: {name}: {'no such module' if name not in sources else 'gives no reason'}"
        for table, entries in tables.items()
        for name, reason in entries.items()
        if name not in sources or not reason.strip()
    ]
