#!/usr/bin/env python3
"""What `make bench` runs: sipmend and Kamailio (`-x fm`) alternately at 1,000 calls/s; medians, ranges, ratios.

With `--compiled DIRECTORY`, an environment made by `make compile`, the compiled build of sipmend takes part too.
All do the same job on core 0 (client Contact repaired, own Via, Record-Route, transaction-stateful), the load
runs on core 1. Exit code 1 if calls failed, or if sipmend (its compiled build, where that takes part) needs more than
twice Kamailio's CPU per call.
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
# Without PYTHONPATH, which names the sources.
SIPMEND_COMPILED = "env -u PYTHONPATH {command} run -c {{cfg:conf/sipmend.yaml.in}}"
REFERENCE = "kamailio -x fm"
OURS = "sipmend"
OURS_COMPILED = "sipmend compiled"
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


def table(rows: list[Row], names: list[str], title: str) -> Table:
    """Figures of all, and the ratios to the first within each round."""
    found = {name: summary(rows, name, REFERENCE) for name in names}
    shown = Table(title=title, caption="median (range) of the rounds; ratios are taken within each round")
    shown.add_column("")
    for name in names:
        shown.add_column(name, justify="right")
        if name != REFERENCE:
            shown.add_column("ratio", justify="right")
    for key, text in FIGURES:
        cells = []
        for name in names:
            figures = found[name].get(key)
            cells.append(cell(figures))
            if name != REFERENCE:
                cells.append(cell((figures or {}).get("ratio")))
        shown.add_row(text, *cells)
    for key in ("failures", "retransmissions"):
        cells = []
        for name in names:
            cells.append(str(sum(row.get(key, 0) for row in rows if row["proxy"] == name)))
            if name != REFERENCE:
                cells.append("")
        shown.add_row(f"{key}, all rounds", *cells)
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
    judged = OURS_COMPILED if any(row["proxy"] == OURS_COMPILED for row in rows) else OURS
    ratio = summary(rows, judged, REFERENCE).get("cpu_s_per_1000_calls", {}).get("ratio", {}).get("median")
    if ratio is None:
        found.append("no ratio could be taken")
    elif ratio > BOUND:
        found.append(f"CPU per call of {judged} is {ratio} times Kamailio's: the bound is {BOUND}, the aim {AIM}")
    return found


def main() -> int:
    """Run the rounds, print the table; returns the exit code."""
    arguments = parser(__doc__)
    arguments.add_argument("--compiled", metavar="DIRECTORY", type=Path, help="environment of the compiled build")
    options = arguments.parse_args()
    options.rows = sys.stderr
    screen = Console(width=120 if not sys.stdout.isatty() else None)
    for program, package in (("kamailio", "kamailio"), (options.sipp, "sip-tester")):
        if not shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
            screen.print(f"{program} is not installed: apt-get install -y --no-install-recommends {package}")
            return 2
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent)
    end_cleanly()
    proxies = [(REFERENCE, KAMAILIO), (OURS, SIPMEND)]
    if options.compiled and (options.compiled / "bin" / "sipmend").exists():
        command = (options.compiled / "bin" / "sipmend").absolute()
        proxies.append((OURS_COMPILED, SIPMEND_COMPILED.format(command=command)))
    elif options.compiled:
        screen.print(f"no compiled build in {options.compiled} (make compile): it is left out")
    rows = all_rounds(options, proxies)
    title = f"{options.scenario}: {options.rate} calls/s over UDP, {options.rounds} rounds, one core each"
    screen.print(table(rows, [name for name, _ in proxies], title))
    complaints = verdict(rows)
    for text in complaints:
        screen.print(text, style="red")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
