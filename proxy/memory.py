"""How the process treats its memory: the cycle collector must not stop calls."""

from __future__ import annotations

import gc
from typing import Final

# Few objects are made per message and none in cycles: collect seldom, and never look at what start-up made.
GC_THRESHOLDS: Final = (10_000, 20, 100)


def settle_memory() -> None:
    """Collect what start-up left, and look at the rest no more: it lives as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
