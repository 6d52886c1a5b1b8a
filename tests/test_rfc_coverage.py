"""The page of what is supported: each row well-formed and once, each named test there, each "no" with its reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.named_tests import is_test, names_in

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "rfc-coverage.md"
TABLES = (
    "RFC 3261 section 16",
    "RFC 3261 section 17",
    "RFC 3261 section 18",
    "RFC 3327",
    "RFC 3581",
    "RFC 4320",
    "RFC 5393",
    "RFC 5626",
    "RFC 6223",
    "RFC 5658",
    "RFC 5922",
    "RFC 5923",
    "RFC 6026",
    "RFC 7118",
    "RFC 8489",
)
HEADING = "| section | sentence | supported | shown by |\n|---|---|---|---|\n"
SECTION = re.compile(r"\d+(\.\d+)*( step \d+)?").fullmatch
SUPPORTED = re.compile(r"yes|(no|not yet): \S.{9,}").fullmatch
TESTS = re.compile(r"`[^`]+`(<br>`[^`]+`)*").fullmatch


class Row:
    """One line of a table: its cells, and the names of the tests in the last of them."""

    def __init__(self, table: str, line: str) -> None:
        self.table = table
        self.line = line
        self.cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        self.tests = re.findall(r"`([^`]+)`", self.cells[-1])


def read_page(text: str) -> list[Row]:
    """All rows below the headings of second level."""
    rows = []
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, rest = part.partition("\n")
        lines = [line for line in rest.partition(HEADING)[2].splitlines() if line]
        rows += [Row(title, line) for line in lines]
    return rows


def complaints_about(row: Row) -> list[str]:
    """What is wrong with one row."""
    if not row.line.startswith("| ") or not row.line.endswith(" |") or len(row.cells) != 4:
        return [f"not four cells: {row.line}"]
    section, sentence, supported, shown = row.cells
    found = []
    if not SECTION(section):
        found.append(f"no section: {section}")
    if not 3 <= len(sentence) <= 130:
        found.append(f"a few words, not {len(sentence)} characters: {sentence}")
    if not SUPPORTED(supported):
        found.append(f"neither yes, nor no or not yet with a reason: {supported}")
    if shown != "-" and not TESTS(shown):
        found.append(f"no names of tests: {shown}")
    if supported == "yes" and shown == "-":
        found.append(f"yes without a test: {row.line}")
    return found + [f"no such test: {name}" for name in row.tests if not is_test(name)]


ROWS = read_page(PAGE.read_text(encoding="utf-8"))


def test_every_rfc_has_its_table():
    titles = list(dict.fromkeys(row.table for row in ROWS))
    assert len(titles) == len(TABLES)
    assert all(title.startswith(table) for title, table in zip(titles, TABLES, strict=True))


def test_tables_are_as_long_as_the_sections():
    """A page that lost its rows would pass all other tests."""
    assert sum(row.table.startswith("RFC 3261") for row in ROWS) >= 150


@pytest.mark.parametrize("table", TABLES)
def test_rows(table):
    rows = [row for row in ROWS if row.table.startswith(table)]
    assert [complaint for row in rows for complaint in complaints_about(row)] == []


def test_no_sentence_stands_there_twice():
    seen: set[tuple[str, ...]] = set()
    twice = []
    for row in ROWS:
        key = (row.table, *row.cells[:2])
        if key in seen:
            twice.append(row.line)
        seen.add(key)
    assert twice == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("| 16.1 | a rule | yes | `tests/test_rfc_coverage.py::test_rows` |", None),
        ("| 16.6 step 4 | a rule | no: the reason for it | - |", None),
        ("| 16.1 | a rule | yes |", "not four cells"),
        ("| sixteen | a rule | no: the reason for it | - |", "no section"),
        ("| 16.1 | a rule | maybe | - |", "neither yes"),
        ("| 16.1 | a rule | no | - |", "neither yes"),
        ("| 16.1 | a rule | not yet: why | - |", "neither yes"),
        ("| 16.1 | a rule | yes | - |", "yes without a test"),
        ("| 16.1 | a rule | yes | test_rows |", "no names of tests"),
        ("| 16.1 | a rule | yes | `tests/test_rfc_coverage.py::test_nowhere` |", "no such test"),
        ("| 16.1 | a rule | yes | `tests/no_such_file.py::test_rows` |", "no such test"),
        ("| 16.1 | a rule | yes | `tests/test_rfc_coverage.py::complaints_about` |", "no such test"),
        ("| 16.1 | " + "words " * 30 + "| no: the reason for it | - |", "a few words"),
    ],
)
def test_what_is_wrong_is_found(line, complaint):
    found = complaints_about(Row("a table", line))
    assert found == [] if complaint is None else any(text.startswith(complaint) for text in found)


def test_tests_in_classes_are_found():
    path = "tests/proxy/core/test_response_context.py"
    assert f"{path}::TestFinal::test_best_of_several" in names_in(path)
    assert f"{path}::test_best_of_several" not in names_in(path)
