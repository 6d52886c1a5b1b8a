"""What the core mends by itself, as data: the same demands as on rules."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import plugins
from proxy.repair.catalog import Catalog, CatalogError
from proxy.repair.contract import RFC
from proxy.repair.inherent import BOTH, INHERENT, TO_CLIENT, TO_SERVER
from proxy.repair.render import rules_page
from proxy.repair.rule import OFF, REPAIR, REPORT

CORE = Path(__file__).parents[3] / "proxy" / "core"
each = pytest.mark.parametrize("row", INHERENT, ids=lambda row: row.name)


@each
def test_row_is_complete(row):
    assert RFC(row.rfc)
    assert row.summary.endswith(".")
    assert "\n" not in row.summary
    assert row.direction in (BOTH, TO_SERVER, TO_CLIENT)
    assert all(url.startswith("https://github.com/") for url in row.source)
    assert not row.fixed or row.default == REPAIR
    assert row.header or row.fixed  # what leaves no record and has no choice is not to be switched off


@each
def test_row_is_on_the_page(row):
    assert f"\n| `{row.name}` | " in rules_page(plugins.ORDER)


@each
def test_modes_may_be_chosen_where_that_makes_sense(row):
    catalog = Catalog(plugins.ORDER)
    assert catalog.modes({row.name: REPAIR})[row.name] == REPAIR
    for mode in (OFF, REPORT):
        if row.fixed:
            with pytest.raises(CatalogError, match="cannot be switched off") as refused:
                catalog.modes({row.name: mode})
            assert row.fixed in str(refused.value)
        else:
            assert catalog.modes({row.name: mode})[row.name] == mode


def test_a_beginning_is_for_those_that_may_change():
    modes = Catalog(plugins.ORDER).modes({"rr": OFF})
    assert modes["rr-lost-in-2xx"] == OFF
    assert modes["rr-no-lr"] == REPAIR


def test_every_row_with_a_header_is_recorded_somewhere_in_the_core():
    """And nothing else is: the core records by these rows only."""
    used = set()
    for path in CORE.glob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "proxy.repair.inherent":
                used |= {alias.name for alias in node.names}
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Record":
                assert path.name == "own_repairs.py"
    source = ast.parse((CORE.parent / "repair" / "inherent.py").read_text())
    names = {
        node.target.id: node.value.args[0].value
        for node in source.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name) and node.value.func.id == "Inherent"
    }  # fmt: skip
    assert {names[name] for name in used if name in names} == {row.name for row in INHERENT if row.header}
