"""The store that keeps nothing beyond the process."""

from __future__ import annotations

from kept_clients import client

from proxy.store.memory import MemoryStore


def test_what_is_saved_is_committed_at_once():
    """A REGISTER answer that waits for its commit must not wait for anything here."""
    done = []
    store = MemoryStore()
    store.save([client()], lambda: done.append(1))
    store.save([client()], None)
    assert done == [1]
    assert (store.waiting(), store.results) == (0, {})


def test_nothing_is_there_at_the_start():
    loaded = []
    MemoryStore().load().addCallback(loaded.append)
    assert loaded == [[]]


def test_stopping_leaves_nothing_to_do():
    store = MemoryStore()
    store.stop()
    store.stop()
    done = []
    store.save([], lambda: done.append(1))
    assert done == [1]
