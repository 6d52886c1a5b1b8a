"""The word in the configuration, and the store it means."""

from __future__ import annotations

from twisted.internet.task import Clock

from proxy.store.choice import make_store
from proxy.store.memory import MemoryStore
from proxy.store.sqlite import SqliteStore


def test_words(tmp_path):
    notes = []
    assert isinstance(make_store("memory", Clock(), notes.append), MemoryStore)
    store = make_store(f"sqlite:{tmp_path}/a:b.db", Clock(), notes.append)
    assert isinstance(store, SqliteStore)
    assert store._path == tmp_path / "a:b.db"
