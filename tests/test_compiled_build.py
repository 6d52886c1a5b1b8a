"""The compiled build is compiled, pure Python is pure, and rules of users work with both.

`make test` runs this file twice: with the sources, and with SIPMEND_TESTED=compiled in the environment that has the
compiled build. The lists of modules are those of setup.py.
"""

from __future__ import annotations

import ast
import importlib
import os
import runpy
from collections import defaultdict
from pathlib import Path

import pytest
from architecture import PURE

from proxy.counts import Counts
from proxy.effects import Record
from proxy.repair.catalog import Catalog
from proxy.repair.pipeline import Pipeline
from proxy.repair.rule import REPAIR, REQUEST_IN, Context, Edit, Finding, Replace, Rule, Sample
from proxy.repair.sample import NETWORKS, sample_context, sample_flow, sample_message
from proxy.sip.message import Message

ROOT = Path(__file__).resolve().parent.parent
SETUP = runpy.run_path(str(ROOT / "setup.py"), run_name="setup")
BACKEND = runpy.run_path(str(ROOT / "scripts" / "build_backend.py"), run_name="build_backend")
COMPILED = SETUP["compiled_modules"]()
SUFFIX = ".so" if os.environ.get("SIPMEND_TESTED") == "compiled" else ".py"
MESSAGE = """\
MESSAGE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKa
From: <sip:alice@example.com>;tag=1
To: <sip:bob@example.com>
Call-ID: c1
CSeq: 1 MESSAGE
Subject: HELLO

"""


class QuietSubject(Rule):
    """What an administrator may write: a class with attributes of its own in place of those of `Rule`."""

    name = "subject-shouts"
    rfc = "RFC 3261 section 20.36"
    summary = "Subjects in capitals become lower case."
    stages = (REQUEST_IN,)
    methods = (b"MESSAGE",)
    touches = (b"subject",)
    default = REPAIR
    samples = (Sample(MESSAGE, MESSAGE.replace("Subject: HELLO", "subject: hello")),)

    def applies(self, message: Message, context: Context) -> Finding | None:
        line = message.index(b"subject")
        return Finding("the subject shouts", line) if message.lines[line].endswith(b"HELLO") else None

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        return [Replace(finding.line, message.lines[finding.line].lower())]


def module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def file_of(path: str) -> str:
    return str(importlib.import_module(module(path)).__file__)


@pytest.mark.parametrize("path", COMPILED)
def test_build_under_test_is_what_it_is_said_to_be(path):
    """Tests of the sources never load a compiled module that was left behind, and those of the build always do."""
    assert file_of(path).endswith(SUFFIX)


@pytest.mark.parametrize("path", [*SETUP["INTERPRETED"], "plugins/maxfwd.py", "proxy/driver.py"])
def test_rest_is_interpreted_in_both(path):
    assert file_of(path).endswith(".py")


def test_all_of_the_pure_zone_is_compiled_but_plugins_and_named_modules():
    """A new module is compiled without being named anywhere."""
    pure = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "proxy").rglob("*.py")
        # What reads captures is on no message's way through the proxy.
        if not path.is_relative_to(ROOT / "proxy" / "capture")
        and any(f"{module(path.relative_to(ROOT).as_posix())}.".startswith(f"{name}.") for name in PURE)
        and ast.parse(path.read_text()).body
    }
    assert set(COMPILED) | set(SETUP["INTERPRETED"]) == pure
    assert not set(COMPILED) & set(SETUP["INTERPRETED"])


@pytest.mark.parametrize("path", COMPILED)
def test_no_name_is_bound_to_errors_of_two_types(path):
    """mypyc gives a name the type of its first `except`, and raises TypeError at the second; mypy finds nothing."""
    for function in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(function, ast.FunctionDef):
            kinds = defaultdict(set)
            for caught in ast.walk(function):
                if isinstance(caught, ast.ExceptHandler) and caught.name and caught.type:
                    kinds[caught.name].add(ast.unparse(caught.type))
            assert [name for name, types in kinds.items() if len(types) > 1] == [], f"{path}: {function.name}"


@pytest.mark.parametrize("path", COMPILED)
def test_no_error_has_defaults_in_its_class_body(path):
    """mypyc drops them where a class derives from Exception."""
    for kind in ast.walk(ast.parse((ROOT / path).read_text())):
        parents = [ast.unparse(parent) for parent in kind.bases] if isinstance(kind, ast.ClassDef) else []
        if any(parent.endswith(("Error", "Exception")) for parent in parents):
            values = [ast.unparse(node) for node in kind.body if isinstance(node, ast.Assign | ast.AnnAssign)]
            assert values == [], f"{path}: {kind.name}; set them in __init__, or name the module in INTERPRETED"


def test_rule_of_a_user_finds_and_repairs():
    """An interpreted subclass of `Rule` meets the messages of compiled code, with its own name, stages and methods."""
    catalog = Catalog((QuietSubject(),))
    message = sample_message(MESSAGE)
    counts = Counts(1)
    out: list[object] = []
    pipeline = Pipeline(catalog.rules, {"subject-shouts": REPAIR}, counts, NETWORKS)
    flow = sample_flow("udp:198.51.100.7:5060")
    pipeline.run(REQUEST_IN, b"MESSAGE", message, sample_context(message, flow, False), out)
    assert b"subject: hello\r\n" in message.octets()
    records = [effect for effect in out if isinstance(effect, Record)]
    assert [(record.rule, record.reason) for record in records] == [("subject-shouts", "the subject shouts")]


def test_rule_of_a_user_is_kept_from_other_methods():
    """`methods` of the subclass counts, not the empty one of `Rule`."""
    message = sample_message(MESSAGE.replace("MESSAGE", "OPTIONS"))
    before = message.octets()
    out: list[object] = []
    pipeline = Pipeline((QuietSubject(),), {"subject-shouts": REPAIR}, Counts(1), NETWORKS)
    flow = sample_flow("udp:198.51.100.7:5060")
    pipeline.run(REQUEST_IN, b"OPTIONS", message, sample_context(message, flow, False), out)
    assert (message.octets(), out) == (before, [])


class TestBuildBackend:
    @pytest.fixture
    def compile_wanted(self, monkeypatch):
        monkeypatch.setenv("SIPMEND_COMPILE", "1")

    def test_compiled_build_needs_mypy(self, compile_wanted):
        assert any(name.startswith("mypy") for name in BACKEND["get_requires_for_build_wheel"]())

    def test_compiled_modules_never_come_to_lie_beside_the_sources(self, compile_wanted):
        with pytest.raises(SystemExit, match="editable"):
            BACKEND["get_requires_for_build_editable"]()
        with pytest.raises(SystemExit, match="editable"):
            BACKEND["build_editable"]("somewhere")

    def test_pure_build_needs_no_mypy(self, monkeypatch):
        """Neither asked for nor imported."""
        monkeypatch.delenv("SIPMEND_COMPILE", raising=False)
        assert runpy.run_path(str(ROOT / "setup.py"), run_name="setup")["COMPILE"] is False
        assert "mypycify" not in runpy.run_path(str(ROOT / "setup.py"), run_name="setup")
