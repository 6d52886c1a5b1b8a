"""Bindings in the memory of the process: the core's own tables are all there is, and they end with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from proxy.binding import Binding


class MemoryStore:
    """Has nothing to write, so everything is committed at once."""

    def save(self, bindings: Sequence[Binding], done: Callable[[], None]) -> None:
        done()

    def stop(self) -> None:
        """Nothing is open."""
