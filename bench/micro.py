#!/usr/bin/env python3
"""What `make bench-micro` runs: microseconds per message in the pure core, and memory per waiting transaction.

6,000 calls of seven messages (42,000 datagrams) at 1,000 calls/s of virtual time; see hot_loop.py. Nothing is
sent. It resolves about 0.1 microseconds on a quiet machine; what the sockets cost is on top of it. Then the same calls
by a caller whose messages need no repair, with no rule, ten and all: what rules cost those who do not need them.
With `--compiled DIRECTORY` it runs in that environment, where `make compile` put the compiled build.
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

from plugins import ORDER
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


# Above this share of a message's cost the rules are too dear for those who do not need them.
MOST_SHARE = 0.10


def rule_sets() -> dict[str, dict[str, str]]:
    """Which rules are on: no one, the first ten, those that are by default, and all (what is off by default reports).

    The server of the benchmark is at a loopback address, which one of the rules would find: that one stays off.
    """
    off = {rule.name: "off" for rule in ORDER}
    ten = {rule.name: "off" for rule in ORDER[10:]}
    every = {rule.name: "report" for rule in ORDER if rule.default == "off" and rule.name != "contact-private-server"}
    return {"no rule": off, "10 rules": ten, "default": {}, "all": every}


def rules_table(number_of_calls: int, rounds: int) -> tuple[Table, float]:
    """What rules cost messages that need no repair, by kind; and the share of all rules in the whole."""
    waves = Ends().record(number_of_calls, registered=False)
    sets = rule_sets()
    timings: dict[str, list[Timing]] = {name: [] for name in sets}
    for _ in range(rounds):
        for name, repair in sets.items():  # in turns, so that what else the machine does meets all of them
            timings[name].append(play(waves, repair, registered=False))
    if any(timing.repairs for each in timings.values() for timing in each):
        raise RuntimeError("a rule found something in messages that need no repair")
    table = Table(title=f"messages that need no repair, microseconds with so many of {len(ORDER)} rules")
    for column in ("message", *sets, "all / no rule"):
        table.add_column(column, justify="left" if column == "message" else "right")
    counts = [sum(len(wave.messages) for wave in waves if wave.kind == kind) for kind in range(len(KINDS))]
    for kind, name in enumerate(KINDS):
        costs = [[timing.seconds[kind] / counts[kind] * MICRO for timing in each] for each in timings.values()]
        table.add_row(name, *(f"{statistics.median(each):.2f}" for each in costs), ratio(costs[0], costs[-1]))
    table.add_section()
    means = [[sum(timing.seconds) / sum(counts) * MICRO for timing in each] for each in timings.values()]
    table.add_row("average", *(f"{statistics.median(each):.2f}" for each in means), ratio(means[0], means[-1]))
    shares = [1 - none / every for none, every in zip(means[0], means[-1], strict=True)]
    return table, statistics.median(shares)


def ratio(base: list[float], costs: list[float]) -> str:
    """Median and range of the ratios of each round."""
    median, spread = shown([cost / one for cost, one in zip(costs, base, strict=True)])
    return f"{median} ({spread})"


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
    """Record, play the rounds, print; exit code 1 if transactions are left over, or the rules are too dear."""
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
    table, share = rules_table(options.calls, options.rounds)
    screen.print(table)
    screen.print(f"rules that find nothing take {share:.1%} of a message's cost; {MOST_SHARE:.0%} are the most wanted")
    left = max(timing.left for timing in timings)
    if left:
        screen.print(f"{left} transactions never ended", style="red")
    return 1 if left or share > MOST_SHARE else 0


if __name__ == "__main__":
    sys.exit(main())
