"""Every module with logic has its test file at the mirrored place: proxy/a.py and tests/proxy/test_a.py."""

from __future__ import annotations

import ast
from collections.abc import Container
from pathlib import PurePosixPath

import architecture
import pytest
from architecture import Source

# Modules tested under another name, and where.
COVERED_ELSEWHERE: dict[str, str] = {
    "proxy.core.outbound": "tests/ladders/test_keep_alive_answers.py",
    "proxy.core.keep_alives": "tests/ladders/test_keepalives_to_clients.py",
    "proxy.core.own_options": "tests/proxy/core/test_health.py",
    # Each of these is one direction through the whole core: a ladder shows it, a unit test could only mock it.
    "proxy.core.to_client": "tests/ladders/test_restoring.py",
    "proxy.core.to_server": "tests/ladders/test_ways_to_server.py",
    "proxy.core.profiles": "tests/ladders/test_profiles.py",
    "proxy.values": "tests/proxy/config/test_config_units.py",
    "proxy.config.pattern": "tests/proxy/config/test_config_profiles.py",
    "proxy.core.way_home": "tests/ladders/test_responses_home.py",
    # What these mend takes place between several messages: a ladder for each row of the catalogue shows it.
    "proxy.core.route_sets": "tests/ladders/test_catalogue_core.py",
    "proxy.core.unknown_routes": "tests/ladders/test_catalogue_core.py",
    "proxy.core.via_defects": "tests/ladders/test_catalogue_core.py",
    # The connections that a port opens: told apart from those it accepts by their beginning only.
    "proxy.transport.outgoing": "tests/proxy/transport/test_stream.py",
}

TESTS = frozenset(
    path.relative_to(architecture.ROOT).as_posix() for path in (architecture.ROOT / "tests").rglob("test_*.py")
)
SOURCES = architecture.read_sources()


def has_logic(source: Source) -> bool:
    """Anything beyond constants, plain value classes (`__init__`, `__repr__`) and protocols."""

    def is_protocol(node: ast.ClassDef) -> bool:
        return any(ast.unparse(parent).partition("[")[0].endswith("Protocol") for parent in node.bases)

    def worth_a_test(node: ast.stmt) -> bool:
        if isinstance(node, ast.ClassDef):
            return not is_protocol(node) and any(worth_a_test(part) for part in node.body)
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        return is_function and node.name not in {"__init__", "__repr__"}

    return any(worth_a_test(node) for node in source.tree.body)


def places_of_tests(name: str) -> list[str]:
    """Where the tests of a module may lie; the longer name is for modules of one name in two packages."""
    *packages, module = name.split(".")
    module = module.strip("_")
    folder = PurePosixPath("tests", *packages)
    return [str(folder / f"test_{module}.py"), str(folder / f"test_{packages[-1]}_{module}.py")]


def lacks_tests(source: Source, tests: Container[str]) -> bool:
    return (
        not source.is_package
        and has_logic(source)
        and not any(place in tests for place in places_of_tests(source.name))
    )


@pytest.mark.parametrize("name", SOURCES)
def test_every_module_with_logic_has_its_test_file(name):
    missing = name not in COVERED_ELSEWHERE and lacks_tests(SOURCES[name], TESTS)
    assert not missing, f"write {places_of_tests(name)[0]}, or name in COVERED_ELSEWHERE what tests it"


def test_exceptions_are_alive():
    """An exception names an existing module without a test file of its own, and existing tests."""
    for name, tests in COVERED_ELSEWHERE.items():
        assert name in SOURCES
        assert lacks_tests(SOURCES[name], TESTS), f"{name} has its own test file by now"
        assert (architecture.ROOT / tests).exists()


@pytest.mark.parametrize(
    "text",
    [
        "def f(): ...",
        "async def f(): ...",
        "class A:\n    def f(self): ...",
        "class A:\n    class B:\n        def f(self): ...",
    ],
)
def test_module_with_logic_and_no_test_file_is_found(text):
    assert lacks_tests(Source.of("proxy.sip.uri", text), frozenset())


def test_module_with_a_test_file_is_not_found():
    source = Source.of("proxy.sip.uri", "def f(): ...")
    assert not lacks_tests(source, {"tests/proxy/sip/test_uri.py"})
    assert not lacks_tests(source, {"tests/proxy/sip/test_sip_uri.py"})
    assert lacks_tests(source, {"tests/proxy/test_uri.py"})


@pytest.mark.parametrize(
    "text",
    [
        "A = 1",
        "class A:\n    def __init__(self): ...\n    def __repr__(self): ...",
        "class A(Protocol[T]):\n    def f(self): ...",
        "class A(typing.Protocol):\n    def f(self): ...",
    ],
)
def test_module_without_logic_needs_none(text):
    assert not lacks_tests(Source.of("proxy.sip.uri", text), frozenset())
