"""The benchmark of idle clients with few of them: nobody is lost, no keep-alive missed; so it cannot rot either."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench" / "idle.py"
# What a client costs is not told by so few: what start-up left free takes the first ones, noise is divided by 300.
OPTIONS = "--clients 300 --cut 100 --idle 7 --interval 2 --ping 2 --settle 0 --most 200"


def test_three_hundred_idle_clients_are_kept_and_a_hundred_return():
    """Keep-alives of both kinds and the proxy's own; then RST and FIN at once, and requests for everybody."""
    argv = [sys.executable, str(BENCH), *OPTIONS.split()]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["keep_alives"] >= 300
    assert (figures["reached"], figures["reached_again"]) == (300, 100)
