"""Room for one more binding: all clients have theirs, and each AoR its share."""

from __future__ import annotations

import pytest
from parts import ALICE

from proxy.binding import LINGERING, REGISTERED, Binding
from proxy.core.room import find_room
from proxy.core.settings import CoreSettings


def some(*states):
    made = []
    for number, state in enumerate(states):
        binding = Binding(b"b%d" % number, b"sip:alice@example.com", b"alice", b"", 0, b"sip:a@h", ALICE)
        binding.state = state
        made.append(binding)
    return made


@pytest.mark.parametrize(
    ("count", "own", "left", "leaves", "of_aor"),
    [
        (2, (REGISTERED,), True, None, False),
        (3, (REGISTERED,), True, b"other", False),
        (2, (REGISTERED, REGISTERED), False, None, True),
        (2, (REGISTERED, LINGERING), True, b"b1", True),
        (3, (LINGERING, LINGERING), True, b"b0", True),
    ],
)
def test_room(count, own, left, leaves, of_aor):
    [other] = some(LINGERING)
    other.token = b"other"
    settings = CoreSettings(b"example.com", (), max_bindings=3, max_bindings_of_aor=2)
    room = find_room(count, some(*own), {b"other": other}, settings)
    assert (room.left, room.leaves and room.leaves.token, room.of_aor) == (left, leaves, of_aor)


def test_nobody_leaves_where_all_are_registered():
    room = find_room(3, (), {}, CoreSettings(b"example.com", (), max_bindings=3))
    assert (room.left, room.leaves, room.of_aor) == (False, None, False)
