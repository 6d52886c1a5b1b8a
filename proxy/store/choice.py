"""Which store the configuration asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from proxy.effects import Note
from proxy.store.contract import Store
from proxy.store.memory import MemoryStore
from proxy.store.sqlite import SqliteStore


def make_store(setting: str, reactor: Any, note: Callable[[Note], None]) -> Store:
    """The store that `memory` or `sqlite:PATH` names."""
    kind, _, path = setting.partition(":")
    return SqliteStore(Path(path), reactor, note) if kind == "sqlite" else MemoryStore()
