"""Whether a further binding may be kept, and which one gives way to it (protocol 3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proxy.binding import LINGERING, Binding
from proxy.core.settings import CoreSettings


class Room:
    """Whether there is any, and who has to leave for it; `of_aor` tells that the AoR itself has as many as it may."""

    __slots__ = ("leaves", "left", "of_aor")

    def __init__(self, left: bool, leaves: Binding | None, of_aor: bool) -> None:
        self.left = left
        self.leaves = leaves
        self.of_aor = of_aor


def find_room(count: int, own: Sequence[Binding], lingering: Mapping[bytes, Binding], settings: CoreSettings) -> Room:
    """The room for one more where there are `count`, of which the AoR has its `own`.

    Those that linger give way, the oldest first. One stolen password must not keep the clients of all others out, so an
    AoR that has its share has to make room itself.
    """
    if len(own) >= settings.max_bindings_of_aor:
        for binding in own:
            if binding.state == LINGERING:
                return Room(True, binding, True)
        return Room(False, None, True)
    if count < settings.max_bindings:
        return Room(True, None, False)
    for binding in lingering.values():
        return Room(True, binding, False)
    return Room(False, None, False)
