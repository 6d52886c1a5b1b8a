"""The store that keeps nothing beyond the process."""

from __future__ import annotations

from proxy.store.memory import MemoryStore


def test_what_is_saved_is_committed_at_once():
    """A REGISTER answer that waits for its commit must not wait for anything here."""
    done = []
    store = MemoryStore()
    store.save([], lambda: done.append(1))
    assert done == [1]


def test_stopping_leaves_nothing_to_do():
    store = MemoryStore()
    store.stop()
    store.stop()
    done = []
    store.save([], lambda: done.append(1))
    assert done == [1]
