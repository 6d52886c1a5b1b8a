"""What a store of bindings offers. The core decides what is kept; a store only keeps it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from proxy.binding import Binding


class Store(Protocol):
    """Keeps bindings for longer than a socket, or than a process."""

    def save(self, bindings: Sequence[Binding], done: Callable[[], None]) -> None:
        """Commit the bindings (one that is gone is deleted), then call `done`."""

    def stop(self) -> None:
        """Finish what is under way and close."""
