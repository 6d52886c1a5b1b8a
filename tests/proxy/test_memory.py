"""The collector looks at nothing that start-up made, and seldom at the rest."""

from __future__ import annotations

import gc

from proxy.memory import GC_THRESHOLDS, settle_memory


def test_memory_is_settled_for_a_long_life(monkeypatch):
    done = []
    monkeypatch.setattr(gc, "freeze", lambda: done.append("freeze"))
    monkeypatch.setattr(gc, "collect", lambda: done.append("collect"))
    monkeypatch.setattr(gc, "set_threshold", lambda *values: done.append(values))
    settle_memory()
    assert done == ["collect", "freeze", GC_THRESHOLDS]
