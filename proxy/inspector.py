"""The ring of the latest repairs, for whoever looks into the running proxy."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from proxy.effects import Record

SIZE = 1000


class Inspector:
    """Keeps the last records."""

    def __init__(self, size: int = SIZE) -> None:
        self._ring: deque[Record] = deque(maxlen=size)
        self.add = self._ring.append

    def __iter__(self) -> Iterator[Record]:
        return iter(self._ring)

    def __len__(self) -> int:
        return len(self._ring)
