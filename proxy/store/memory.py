"""Bindings in the memory of the process: the core's own tables are all there is, and they end with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, succeed

from proxy.binding import Binding
from proxy.store.row import Row


class MemoryStore:
    """Has nothing to write, so everything is committed at once."""

    def __init__(self) -> None:
        self.results: dict[str, int] = {}

    def load(self) -> Deferred[list[Row]]:
        return succeed([])

    def save(self, bindings: Sequence[Binding], done: Callable[[], None] | None) -> None:
        if done is not None:
            done()

    def waiting(self) -> int:
        return 0

    def stop(self) -> None:
        """Nothing is open."""
