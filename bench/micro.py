#!/usr/bin/env python3
"""What `make bench-micro` runs: microseconds per message in the pure core, and memory per waiting transaction.

6,000 calls of seven messages (42,000 datagrams) at 1,000 calls/s of virtual time; see hot_loop.py. Nothing is
sent. It resolves about 0.1 microseconds on a quiet machine; what the sockets cost is on top of it. With
`--compiled DIRECTORY` it runs in that environment, where `make compile` put the compiled build.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from pathlib import Path

# Behind what is installed: a compiled build comes before the sources.
sys.path.append(str(Path(__file__).resolve().parent.parent))

from hot_loop import KINDS, Ends, Timing, Wave, play
from rich.console import Console
from rich.table import Table

from proxy.core import proxy_core

MICRO = 1e6


def per_message(timings: list[Timing], waves: list[Wave]) -> Table:
    """Microseconds by kind of message: the median and the range of the rounds."""
    build = "pure Python" if str(proxy_core.__file__).endswith(".py") else "compiled"
    table = Table(title=f"core alone, {build}, microseconds per message")
    for column in ("message", "median", "range", "sends"):
        table.add_column(column, justify="left" if column == "message" else "right")
    counts = [sum(len(wave.messages) for wave in waves if wave.kind == kind) for kind in range(len(KINDS))]
    for kind, name in enumerate(KINDS):
        costs = [timing.seconds[kind] / counts[kind] * MICRO for timing in timings]
        sends = timings[0].sent[kind] / counts[kind]
        table.add_row(name, *shown(costs), f"{sends:g}")
    total = sum(counts)
    table.add_section()
    means = [sum(timing.seconds) / total * MICRO for timing in timings]
    table.add_row("average of the seven", *shown(means), "")
    table.add_row("tick, shared out", *shown([timing.ticking / total * MICRO for timing in timings]), "")
    table.add_row("ending, shared out", *shown([timing.draining / total * MICRO for timing in timings]), "")
    return table


def shown(values: list[float]) -> tuple[str, str]:
    """Median and range."""
    return f"{statistics.median(values):.2f}", f"{min(values):.2f} - {max(values):.2f}"


def memory(first: Timing) -> Table:
    """What a transaction costs that only waits for retransmissions; of the first round, where memory is fresh."""
    table = Table(title="transactions that wait for their last timer")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_row("transactions alive after the last call", f"{first.transactions}")
    table.add_row("resident octets each", f"{first.bytes_each:.0f}")
    table.add_row("objects the collector tracks, each", f"{first.objects_each:.2f}")
    table.add_row("garbage only the collector could free", f"{first.garbage}")
    table.add_row("transactions left 45 s later", f"{first.left}")
    return table


def main() -> int:
    """Record, play the rounds, print; exit code 1 if transactions are left over."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--calls", type=int, default=6000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--compiled", metavar="DIRECTORY", type=Path, help="run in that environment instead")
    options = arguments.parse_args()
    if options.compiled:
        python = str(options.compiled / "bin" / "python")
        numbers = ["--calls", str(options.calls), "--rounds", str(options.rounds)]
        os.execv(python, [python, __file__, *numbers])
    ends = Ends()
    waves = ends.record(options.calls)
    # The recorder's core stays alive: memory it gave back would hide what the first round takes.
    timings = [play(waves) for _ in range(options.rounds)]
    del ends
    screen = Console(width=100 if not sys.stdout.isatty() else None)
    screen.print(per_message(timings, waves))
    screen.print(memory(timings[0]))
    left = max(timing.left for timing in timings)
    if left:
        screen.print(f"{left} transactions never ended", style="red")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
