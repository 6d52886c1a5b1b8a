"""Processes of the benchmark: start, stop, and what the kernel says they used (Linux, standard library only)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


def spawn(
    argv: Sequence[str], cpu: set[int] | None, log: Path | None = None, cwd: str | Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, on these cores; both output streams go to the log."""
    pinned = [*argv] if cpu is None else ["taskset", "-c", ",".join(map(str, sorted(cpu))), *argv]
    out = subprocess.DEVNULL if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        return subprocess.Popen(
            pinned,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            start_new_session=True,
        )
    finally:
        if log is not None:
            os.close(out)


def stop(process: subprocess.Popen[bytes] | None, grace: float = 3.0) -> None:
    """End a process we started, and its own session only."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        if process is None or process.poll() is not None:
            return
        os.killpg(process.pid, kind)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            continue


def tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it ended while we looked
            children.setdefault(parent, []).append(int(folder.name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children.get(one, [])
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of the process tree: nanoseconds of the scheduler if the kernel keeps them, else clock ticks."""
    total = 0.0
    for one in tree(pid):
        try:
            tasks = list((PROC / str(one) / "task").iterdir())
            total += sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
        except OSError:
            try:
                fields = (PROC / str(one) / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def memory_mb(pid: int) -> tuple[float, float]:
    """Peak resident size (shared memory counted per process) and proportional size of the tree."""
    peak = proportional = 0
    for one in tree(pid):
        try:
            status = (PROC / str(one) / "status").read_text()
            rollup = (PROC / str(one) / "smaps_rollup").read_text()
        except OSError:
            continue
        peak += _kilobytes(r"VmHWM:\s+(\d+)", status)
        proportional += _kilobytes(r"^Pss:\s+(\d+)", rollup)
    return round(peak / 1024, 1), round(proportional / 1024, 1)


def _kilobytes(pattern: str, text: str) -> int:
    found = re.search(pattern, text, re.MULTILINE)
    return int(found[1]) if found else 0


def stolen() -> tuple[float, float]:
    """CPU seconds the hypervisor gave to others so far, and the time of the reading."""
    fields = (PROC / "stat").read_text().split("\n", 1)[0].split()[1:]
    return int(fields[7]) / TICK, time.time()


def udp_bound(port: int) -> bool:
    """Whether some UDP socket is bound to this port."""
    rows = (PROC / "net" / "udp").read_text().splitlines()[1:]
    return any(row.split()[1].endswith(f":{port:04X}") for row in rows)
