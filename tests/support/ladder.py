"""The ladder: a call flow written as in RFC 3665, played with the real core in virtual time.

    assert Ladder(world) >> alice.sends("INVITE sip:bob@example.com") << k.gets("INVITE", branch="{B1}") \\
        >> k.sends(180) << alice.gets(180) >> after(3.5) << nothing

`>>` goes into the core, `<<` comes out. What comes out must be asserted before anything else goes in, and when the
ladder ends; only records of repairs and commits to the store may pass unasserted. Values may hold placeholders
(`{B1}`), bound where they first fit. Header fields are compared where they are named; `unchanged` sees to the rest.
A ladder is played when it is asserted; one that never is raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import zip_longest

from tests.support.steps import After, Does, MismatchError, Noted, Nothing, Recorded, Step, Stored, Stores
from tests.support.world import World

nothing = Nothing()
WIDTH = 60


def after(seconds: float) -> Step:
    """Virtual time passes, deadline by deadline."""
    return After(seconds)


def does(action: Callable[[World], object], what: str) -> Step:
    """Call something with the world."""
    return Does(action, what)


def stored() -> Step:
    """The store commits what it held longest."""
    return Stored()


def note(pattern: str) -> Step:
    """The operator's log gets a line that contains the pattern."""
    return Noted(pattern)


def record(rule: str, header: str | None = None, before: str | None = None, after: str | None = None) -> Step:
    """A repair was recorded."""
    return Recorded(rule, header, before, after)


def stores(*aors: str, waiting: bool | None = None) -> Step:
    """The store was given bindings of these AoRs."""
    return Stores(aors, waiting)


class Ladder:
    """Steps in their order; true when the core does as they say, else it raises AssertionError with both ladders."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.steps: list[Step] = []
        self.played = False

    def __rshift__(self, step: Step | Iterable[Step]) -> Ladder:
        """Something goes in; a list of steps (a part of a flow) may hold both directions."""
        return self._add(step, ">>")

    def __lshift__(self, step: Step) -> Ladder:
        """Something comes out."""
        return self._add(step, "<<")

    def _add(self, step: Step | Iterable[Step], direction: str) -> Ladder:
        if isinstance(step, Step):
            if step.direction != direction:
                self.played = True  # it never will be, and this is the error to see
                raise TypeError(f"write {step.direction} before `{step}`")
            self.steps.append(step)
        else:
            self.steps.extend(step)
        return self

    def __bool__(self) -> bool:
        self.played = True
        world = self.world
        world.started = world.now
        happened: list[list[str]] = [[] for _ in self.steps]
        for number, step in enumerate(self.steps):
            try:
                if step.direction == ">>" and world.due:
                    raise MismatchError("there is output that nobody asserted")
                before = list(world.outputs)
                step.play(world)
                happened[number] = self._outcome(step, before)
            except MismatchError as mismatch:
                raise AssertionError(self._picture(number, str(mismatch), happened)) from None
        if world.due:
            raise AssertionError(self._picture(len(self.steps), "there is output that nobody asserted", happened))
        world.outputs.clear()
        return True

    def __del__(self) -> None:
        if not getattr(self, "played", True):
            raise AssertionError("a ladder was never asserted: write `assert Ladder(...) ...`")

    # -- the picture

    def _outcome(self, step: Step, before: list[object]) -> list[str]:
        """What a step did, for the right column."""
        world = self.world
        if step.direction == ">>":
            return [self._at(world.now, f">> {step}")]
        gone = [output for output in before if output not in world.outputs]
        return [self._at(output.time, world.describe(output)) for output in gone]  # type: ignore[attr-defined]  # Output

    def _at(self, time: float, text: str) -> str:
        return f"{time - self.world.started:9.3f}  {text}"

    def _picture(self, failed: int, reason: str, happened: list[list[str]]) -> str:
        lines = [reason, "", f"{'expected':{WIDTH}}  what happened"]
        for number, step in enumerate(self.steps):
            expected = [f"{step.direction} {step}"]
            actual = happened[number] if number < failed else []
            if number == failed:
                actual = self._rest()
            mark = "=>" if number == failed else "  "
            for left, right in zip_longest(expected, actual, fillvalue=""):
                lines.append(f"{mark} {left:{WIDTH - 3}.{WIDTH - 3}}  {right}".rstrip())
                mark = "  "
        if failed == len(self.steps):
            lines += [f"{'':{WIDTH}}  {line}" for line in self._rest()]
        return "\n".join(lines)

    def _rest(self) -> list[str]:
        return [self._at(output.time, self.world.describe(output)) for output in self.world.outputs]
