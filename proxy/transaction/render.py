"""The page of the transaction tables, rendered from the tables themselves: the documentation cannot be out of date."""

from __future__ import annotations

from collections.abc import Collection

from proxy.transaction import invite_client, invite_server, non_invite_client, non_invite_server
from proxy.transaction.machine import INPUTS, STATES, Table

MACHINES = (
    ("INVITE client", invite_client, "RFC 3261 section 17.1.1, RFC 6026 section 7.2"),
    ("INVITE server", invite_server, "RFC 3261 section 17.2.1, RFC 6026 sections 7.1 and 8.8"),
    ("non-INVITE client", non_invite_client, "RFC 3261 section 17.1.2"),
    ("non-INVITE server", non_invite_server, "RFC 3261 section 17.2.2, RFC 4320 section 4"),
)

_HEAD = """\
# Transactions

Rendered from the tables in `proxy/transaction/`; a test says when this page is out of date. *TU* is the transaction
user: our proxy core. On a reliable transport the timers D, I, J and K take no time: the state is left at once; A, E and
G do not run there. Timer C belongs to the response context (RFC 3261 section 16.6), which hears of it from the INVITE
client transaction.

To write it anew: `python -c "from proxy.transaction.render import render_page; print(render_page(), end='')"`
"""


def render_page() -> str:
    """The whole page, in Markdown."""
    parts = [_HEAD]
    for title, module, rfc in MACHINES:
        parts.append(f"\n## {title}\n\n{rfc}.\n\n")
        parts.append(render_table(module.TABLE))
        parts.append("\nTaken without effect:\n\n" + render_cells(module.IGNORED))
    return "".join(parts)


def render_table(table: Table) -> str:
    """The rows of one machine: state, input, what is done, next state."""
    lines = ["| state | input | action | next state |", "|---|---|---|---|"]
    for (state, given), (action, following) in table.items():
        done = action.__name__.replace("_", " ")
        lines.append(f"| {STATES[state]} | {INPUTS[given]} | {done} | {STATES[following]} |")
    return "\n".join(lines) + "\n"


def render_cells(cells: Collection[tuple[int, int]]) -> str:
    """A list of inputs by state."""
    lines = []
    for state in sorted({state for state, _ in cells}):
        inputs = sorted(given for other, given in cells if other == state)
        lines.append(f"- {STATES[state]}: " + ", ".join(INPUTS[given] for given in inputs) + "\n")
    return "".join(lines)
