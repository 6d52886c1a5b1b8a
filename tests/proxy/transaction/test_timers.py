"""The timers' values, and a wheel that is never early and less than 50 ms late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.transaction.timers import GRID, NEVER, TRYING_DELAY, Timers, Wheel


def test_values_of_table_4():
    timers = Timers()
    assert (timers.t1, timers.t2, timers.t4) == (0.5, 4.0, 5.0)
    assert timers.long == 32.0  # > Timer B, F, H, J: 64*T1; L and M (RFC 6026 section 7) likewise
    assert timers.d == 32.0
    # > Timer C MUST be larger than 3 minutes. (16.6 step 11)
    assert timers.c > 180.0


@pytest.mark.parametrize(("t1", "d"), [(0.1, 32.0), (0.5, 32.0), (1.0, 64.0)])
def test_timer_d_is_at_least_32_seconds(t1, d):
    """> with a value of at least 32 seconds for unreliable transports (17.1.1.2)"""
    timers = Timers(t1=t1)
    assert timers.d == d
    assert timers.long == 64 * t1


@pytest.mark.parametrize(("t1", "t2", "late"), [(0.5, 4.0, 3.5), (0.5, 3.0, 3.5), (1.0, 4.0, 3.0), (2.0, 1.0, 2.0)])
def test_late_100_comes_when_timer_e_is_first_set_to_t2(t1, t2, late):
    """RFC 4320 section 4.1: E runs at T1, 2*T1, 4*T1 ... until the next interval would reach T2."""
    assert Timers(t1=t1, t2=t2).late_trying == late


def test_trying_within_200_ms_on_the_grid():
    assert TRYING_DELAY + 1 / GRID <= 0.2 + 1e-9


class Item:
    """Is due at the deadlines given, one after the other."""

    def __init__(self, *deadlines: float) -> None:
        self.deadlines = list(deadlines)
        self.ran: list[tuple[float, float]] = []
        self.asked = 0
        self.queued = NEVER

    def run_due(self, now, out):
        self.asked += 1
        while self.deadlines and self.deadlines[0] <= now + 1e-6:
            self.ran.append((self.deadlines.pop(0), now))
        return self.deadlines[0] if self.deadlines else NEVER


def run(wheel: Wheel, until: float = 1e9) -> None:
    while (deadline := wheel.next_deadline()) is not None and deadline <= until:
        wheel.tick(deadline, [])


def test_empty_wheel_has_no_deadline():
    wheel = Wheel()
    assert wheel.next_deadline() is None
    wheel.tick(100.0, [])
    assert wheel.entries == 0


def test_runs_at_its_slot_and_is_gone():
    wheel = Wheel()
    item = Item(0.5)
    wheel.push(item, 0.5)
    assert (wheel.entries, item.queued, wheel.next_deadline()) == (1, 0.5, 0.5)
    wheel.tick(0.4999, [])
    assert item.asked == 0
    wheel.tick(0.5, [])
    assert item.ran == [(0.5, 0.5)]
    assert (wheel.entries, item.queued, wheel.next_deadline()) == (0, NEVER, None)


def test_between_two_slots_the_later_one_counts():
    wheel = Wheel()
    item = Item(0.501)
    wheel.push(item, 0.501)
    assert wheel.next_deadline() == pytest.approx(0.55)


def test_enters_again_what_has_a_next_deadline():
    wheel = Wheel()
    item = Item(0.5, 1.5, 3.5)
    wheel.push(item, 0.5)
    run(wheel)
    assert [now for _, now in item.ran] == [0.5, 1.5, 3.5]
    assert item.asked == 3
    assert wheel.entries == 0


def test_entry_that_an_earlier_one_replaced_is_not_asked():
    """One entry counts: a transaction armed for a later time first is asked at the earlier time, and once."""
    wheel = Wheel()
    item = Item(0.5, 33.0)
    wheel.push(item, 32.0)
    wheel.push(item, 0.5)
    run(wheel, until=32.5)
    assert item.asked == 1
    assert wheel.entries == 1
    run(wheel)
    assert item.asked == 2
    assert wheel.entries == 0


def test_twice_in_one_slot_is_asked_once():
    wheel = Wheel()
    item = Item(1.0, 2.0)
    wheel.push(item, 1.0)
    wheel.push(item, 0.99)
    run(wheel)
    assert item.asked == 2
    assert wheel.entries == 0


def test_late_tick_runs_everything_in_order():
    wheel = Wheel()
    ran: list[str] = []

    class Named(Item):
        def run_due(self, now, out):
            ran.append(str(self.deadlines[0]))
            return super().run_due(now, out)

    for deadline in (3.0, 1.0, 2.0):
        wheel.push(Named(deadline), deadline)
    wheel.tick(10.0, [])
    assert ran == ["1.0", "2.0", "3.0"]


def test_what_is_armed_while_running_for_now_runs_now():
    wheel = Wheel()
    second = Item(1.0)

    class First(Item):
        def run_due(self, now, out):
            wheel.push(second, 1.0)
            return super().run_due(now, out)

    wheel.push(First(1.0), 1.0)
    wheel.tick(1.0, [])
    assert second.ran == [(1.0, 1.0)]


def test_item_that_is_asked_needs_no_entry_for_what_it_arms():
    """It is marked as entered for a time before all others; what it answers is entered."""
    wheel = Wheel()
    seen = []

    class Asked(Item):
        def run_due(self, now, out):
            seen.append(self.queued)
            return super().run_due(now, out)

    item = Asked(1.0, 1.5)
    wheel.push(item, 1.0)
    run(wheel)
    assert seen == [0.0, 0.0]
    assert item.queued == NEVER
    assert wheel.entries == 0


def test_item_that_raises_takes_no_other_with_it():
    """A bug in one transaction must not stop the timers of the rest; an entry that no longer counts stays out."""
    wheel = Wheel()

    class Broken(Item):
        def run_due(self, now, out):
            raise RuntimeError

    late, stale = Item(1.0), Item(0.5)
    wheel.push(stale, 1.0)
    wheel.push(stale, 0.5)
    wheel.tick(0.5, [])
    broken = Broken(1.0)
    wheel.push(broken, 1.0)
    wheel.push(late, 1.0)
    wheel.push(stale, 1.0)
    stale.queued = NEVER
    with pytest.raises(RuntimeError):
        wheel.tick(1.0, [])
    run(wheel)
    assert late.ran == [(1.0, 1.0)]
    assert stale.ran == [(0.5, 0.5)]
    assert wheel.entries == 0


@given(st.lists(st.floats(min_value=0.0, max_value=200.0), min_size=1, max_size=30))
def test_never_early_and_less_than_50_ms_late(deadlines):
    wheel = Wheel()
    items = [Item(deadline) for deadline in deadlines]
    for item, deadline in zip(items, deadlines, strict=True):
        wheel.push(item, deadline)
    run(wheel)
    for item, deadline in zip(items, deadlines, strict=True):
        ((_, now),) = item.ran
        assert deadline - 1e-6 <= now < deadline + 1 / GRID
    assert wheel.entries == 0
    assert wheel.next_deadline() is None
