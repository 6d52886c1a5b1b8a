"""Where bindings live: what the driver and the service ask of a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from twisted.internet.defer import Deferred

from proxy.binding import Binding
from proxy.store.row import Row

# How a binding given to a store ended: `store_writes_total{result}`.
WRITTEN: Final = "written"
FAILED: Final = "failed"  # the disk refused; it is tried again
SKIPPED: Final = "skipped"  # more waited already than the queue holds
LATE: Final = "late"  # the disk took so long that an answer went without it


class StoreError(Exception):
    """The store cannot be used; the text is one line for the administrator: what, where, what to do."""


class Store(Protocol):
    """Keeps bindings for longer than a socket, or than a process. `results` counts bindings by how they ended."""

    results: dict[str, int]

    def load(self) -> Deferred[list[Row]]:
        """Open the store; what it keeps. Called once, before `save`. Fails with StoreError."""

    def save(self, bindings: Sequence[Binding], done: Callable[[], None] | None) -> None:
        """Commit the bindings as they are now (one that is gone is deleted), then call `done`.

        A store that cannot write calls it all the same: clients do not wait for a broken disk.
        """

    def waiting(self) -> int:
        """How many bindings wait to be written."""

    def stop(self) -> None:
        """Write what waits, and close. Blocks for as long as that takes, a few seconds at the most."""
