#!/usr/bin/env python3
"""What `make bench` runs: sipmend and Kamailio (`-x fm`) alternately at 1,000 calls/s; medians, ranges, ratios.

Both do the same job on core 0 (client Contact repaired, own Via, Record-Route, transaction-stateful), the load
runs on core 1. Exit code 1 if sipmend needs more than twice Kamailio's CPU per call, or calls failed.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from run import Row, all_rounds, end_cleanly, parser, summary

KAMAILIO = (
    "kamailio -f {cfg:conf/kamailio.cfg.in,CHILDREN=1} -DD -E -x fm -m 2048 -M 8 "
    "-w {workdir} -Y {workdir} -P {workdir}/kamailio.pid"
)
SIPMEND = "{python} -m proxy run -c {cfg:conf/sipmend.yaml.in}"
REFERENCE = "kamailio -x fm"
OURS = "sipmend"
BOUND, AIM = 2.0, 1.6
FIGURES = (
    ("cpu_s_per_1000_calls", "CPU seconds per 1,000 calls"),
    ("p50_ms", "time of a message inside, median, ms"),
    ("p99_ms", "time of a message inside, 99 %, ms"),
    ("rss_mb", "peak memory, MB"),
)


def cell(figures: Row | None) -> str:
    """`median (min - max)`."""
    if figures is None:
        return "-"
    return f"{figures['median']:.3g} ({figures['min']:.3g} - {figures['max']:.3g})"


def table(rows: list[Row], title: str) -> Table:
    """Figures of both, and the ratios within each round."""
    both = {name: summary(rows, name, REFERENCE) for name in (REFERENCE, OURS)}
    shown = Table(title=title, caption="median (range) of the rounds; ratios are taken within each round")
    for column in ("", REFERENCE, OURS, "ratio"):
        shown.add_column(column, justify="left" if not column else "right")
    for key, text in FIGURES:
        ratio = both[OURS].get(key, {}).get("ratio")
        shown.add_row(text, cell(both[REFERENCE].get(key)), cell(both[OURS].get(key)), cell(ratio))
    for key in ("failures", "retransmissions"):
        sums = (str(sum(row.get(key, 0) for row in rows if row["proxy"] == name)) for name in both)
        shown.add_row(f"{key}, all rounds", *sums, "")
    return shown


def verdict(rows: list[Row]) -> list[str]:
    """What is not as it must be, in sentences."""
    found = [f"{row['proxy']}, round {row['round']}: {row['error']}" for row in rows if "error" in row]
    found += [
        f"{row['proxy']}, round {row['round']}: {row['failures']} of {row['calls']} calls failed"
        for row in rows
        if row.get("failures", 0) > 0
    ]
    found += [
        f"{row['proxy']}, round {row['round']}: SIPp did not keep the rate, the figures of this round are void"
        for row in rows
        if not row.get("kept_rate", True)
    ]
    ratio = summary(rows, OURS, REFERENCE).get("cpu_s_per_1000_calls", {}).get("ratio", {}).get("median")
    if ratio is None:
        found.append("no ratio could be taken")
    elif ratio > BOUND:
        found.append(f"CPU per call is {ratio} times Kamailio's: the bound is {BOUND}, the aim {AIM}")
    return found


def main() -> int:
    """Run the rounds, print the table; returns the exit code."""
    options = parser(__doc__).parse_args()
    options.rows = sys.stderr
    screen = Console(width=120 if not sys.stdout.isatty() else None)
    for program, package in (("kamailio", "kamailio"), (options.sipp, "sip-tester")):
        if not shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
            screen.print(f"{program} is not installed: apt-get install -y --no-install-recommends {package}")
            return 2
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent)
    end_cleanly()
    rows = all_rounds(options, [(REFERENCE, KAMAILIO), (OURS, SIPMEND)])
    title = f"{options.scenario}: {options.rate} calls/s over UDP, {options.rounds} rounds, one core each"
    screen.print(table(rows, title))
    complaints = verdict(rows)
    for text in complaints:
        screen.print(text, style="red")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
