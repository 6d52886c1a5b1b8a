"""The page of the tables is up to date and names every row."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.transaction.machine import CALLING, PROCEEDING, R1XX, R2XX, TERMINATED, TIMER_A, nothing
from proxy.transaction.render import MACHINES, render_cells, render_page, render_table

PAGE = Path(__file__).resolve().parents[3] / "docs" / "transactions.md"


def test_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == render_page(), "render it anew; the page says how"


@pytest.mark.parametrize(("title", "module"), [(title, module) for title, module, _ in MACHINES])
def test_page_shows_every_row(title, module):
    section = render_page().partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(rows) == len(module.TABLE) + 1


def test_rows_read_as_sentences():
    table = {(CALLING, TIMER_A): (render_table, CALLING), (PROCEEDING, R2XX): (nothing, TERMINATED)}
    assert render_table(table) == (
        "| state | input | action | next state |\n"
        "|---|---|---|---|\n"
        "| Calling | Timer A | render table | Calling |\n"
        "| Proceeding | 2xx | nothing | Terminated |\n"
    )


def test_ignored_inputs_by_state():
    assert render_cells({(PROCEEDING, R2XX), (CALLING, R1XX), (PROCEEDING, R1XX)}) == (
        "- Calling: 1xx\n- Proceeding: 1xx, 2xx\n"
    )
