"""The page of bad input and attacks: each row with a test that is there and a reason that is counted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.named_tests import is_test

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| what comes |")
]
SOURCES = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "proxy").rglob("*.py"))
ATTACKS = "tests/ladders/test_attacks.py"


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_row(row):
    what, becomes, counted, shown = row
    assert what
    assert becomes
    tests = re.findall(r"`([^`]+)`", shown)
    assert tests
    assert [name for name in tests if not is_test(name)] == []
    reasons = [] if counted == "-" else re.findall(r"`([a-z0-9_]+)`", counted)
    assert bool(reasons) == (counted != "-")
    assert [reason for reason in reasons if f'"{reason}"' not in SOURCES] == []


def test_no_attack_is_left_out():
    """Whoever writes a test for one more adds it to the page."""
    tree = (ROOT / ATTACKS).read_text(encoding="utf-8")
    tests = re.findall(r"^def (test_\w+)", tree, re.MULTILINE)
    assert len(tests) > 15
    assert [name for name in tests if f"`{ATTACKS}::{name}`" not in PAGE] == []
