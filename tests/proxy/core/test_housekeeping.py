"""Housekeeping runs while there is something to expire, and costs nothing else."""

from __future__ import annotations

import pytest
from parts import ALICE, node

from proxy.binding import GONE, LINGERING
from proxy.core.housekeeping import PERIOD, Housekeeping
from proxy.effects import StoreBindings


class Play:
    def __init__(self, **more) -> None:
        self.node = node(**more)
        self.keeper = Housekeeping(self.node)
        self.wheel = self.node.layer.scene.wheel

    def run(self, until: float) -> list[tuple[float, list]]:
        """The rounds run until then: time, and the bindings handed to the store."""
        rounds = []
        while (deadline := self.wheel.next_deadline()) is not None and deadline <= until:
            out: list = []
            self.node.layer.tick(deadline, out)
            rounds.append((deadline, [effect.bindings for effect in out if isinstance(effect, StoreBindings)]))
        self.node.layer.scene.now = until
        return rounds


@pytest.fixture
def play() -> Play:
    return Play(linger=50.0, guest_ttl=40.0)


def test_idle_without_anything_to_look_at(play):
    play.keeper.arm()
    assert play.wheel.entries == 0


def test_one_entry_however_often_it_is_armed(play):
    play.node.guests.remember(b"t", b"u", b"c", 0.0)
    for _ in range(3):
        play.keeper.arm()
    assert play.wheel.entries == 1


def test_bindings_run_out_and_are_stored(play):
    binding = play.node.bindings.find_or_make(b"a@example.com", b"a", b"", 0, b"sip:a@h", ALICE, b"r1")
    play.node.bindings.commit(binding, ALICE)
    binding.expires_at = 45.0
    play.keeper.arm()
    assert play.run(59.0) == [(PERIOD, [])]
    assert play.run(60.0) == [(60.0, [[binding]])]
    assert binding.state == LINGERING
    assert play.run(500.0) == [(90.0, []), (120.0, [[binding]])]
    assert binding.state == GONE
    assert play.wheel.entries == 0


def test_guests_are_forgotten_and_it_begins_again(play):
    play.node.guests.remember(b"t", b"u", b"c", 0.0)
    play.keeper.arm()
    assert [time for time, _ in play.run(500.0)] == [30.0, 60.0]
    assert len(play.node.guests) == 0
    play.node.guests.remember(b"t", b"u", b"c", 500.0)
    play.keeper.arm()
    assert play.wheel.next_deadline() == 530.0
