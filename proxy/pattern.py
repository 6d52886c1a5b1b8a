"""Regular expressions of administrators, matched in linear time whatever the pattern and the text are.

The syntax is Python's, parsed by Python; what needs backtracking (references, look-around, conditions) is refused. The
match follows all ways at once, so that no pattern takes longer than its size times the length of the text.
"""

from __future__ import annotations

import re
from re import _parser as sre  # type: ignore[attr-defined]
from typing import Any, Final

LONGEST_TEXT: Final = 256  # octets of a header that are looked at
LONGEST_PATTERN: Final = 500
MOST_STATES: Final = 500
MOST_SETS: Final = 500

_ANY: Final = frozenset(range(256)) - {10}
_START: Final = -1
_END: Final = -2


class PatternError(ValueError):
    """A pattern that cannot be used; the text says why."""


class Pattern:
    """Finds a pattern anywhere in a text, letters of either case being equal. Raises PatternError if it cannot.

    `backwards` makes one that fits texts whose octets come in reverse order.
    """

    __slots__ = ("_accepts", "_backwards", "_edges", "_jumps", "_last", "_numbers", "_sets", "_steps", "text")

    def __init__(self, text: str, backwards: bool = False) -> None:
        self.text = text
        self._backwards = backwards
        if len(text) > LONGEST_PATTERN:
            raise PatternError(f"should be at most {LONGEST_PATTERN} characters long")
        try:
            tree = sre.parse(text.encode(), re.IGNORECASE)
        except (re.error, OverflowError, RecursionError) as error:
            raise PatternError(f"is no regular expression: {error}") from error
        # By state: the octets that lead on (to the next state), and the states reached without one.
        self._edges: list[frozenset[int]] = []
        self._jumps: list[list[tuple[int, int]]] = []
        first = self._state()
        try:
            self._last = self._sequence(list(tree), first)
        except RecursionError:
            raise PatternError("has too many groups within groups") from None
        self._begin()

    def found(self, text: bytes) -> bool:
        """Whether the first octets of the text (256 of them) hold a match."""
        state = 0
        if self._accepts[0]:
            return True
        for octet in text[:LONGEST_TEXT].lower():
            after = self._steps[state].get(octet)
            state = self._step(state, octet) if after is None else after
            if self._accepts[state]:
                return True
        return self._last in self._closed(self._sets[state], state == 0, True)

    def _begin(self) -> None:
        """The automaton whose states are sets of states: made as far as texts lead, and begun anew when it is large."""
        first = self._closed(frozenset((0,)), True, False)
        self._sets = [first]
        self._steps: list[dict[int, int]] = [{}]
        self._accepts = [self._last in first]
        self._numbers = {first: 0}

    def _step(self, state: int, octet: int) -> int:
        edges = self._edges
        reached = frozenset([one + 1 for one in self._sets[state] if octet in edges[one]]) | {0}
        after = self._closed(reached, False, False)
        number = self._numbers.get(after)
        if number is None or number == 0:
            if len(self._sets) >= MOST_SETS:
                self._begin()
                state = -1
            number = len(self._sets)
            self._sets.append(after)
            self._steps.append({})
            self._accepts.append(self._last in after)
            self._numbers[after] = number
        if state >= 0:
            self._steps[state][octet] = number
        return number

    def _closed(self, states: frozenset[int], at_start: bool, at_end: bool) -> frozenset[int]:
        """The states, and all that are reached from them without an octet."""
        found: set[int] = set()
        waiting = list(states)
        while waiting:
            one = waiting.pop()
            if one in found:
                continue
            found.add(one)
            for target, condition in self._jumps[one]:
                if condition == 0 or (at_start if condition == _START else at_end):
                    waiting.append(target)
        return frozenset(found)

    def _state(self) -> int:
        if len(self._edges) >= MOST_STATES:
            raise PatternError("is too large: its repetitions make too many states")
        self._edges.append(frozenset())
        self._jumps.append([])
        return len(self._edges) - 1

    def _octets(self, octets: frozenset[int], state: int) -> int:
        """One octet of these; the state after it. An edge leads to the next number, so it gets a state of its own."""
        own = self._state()
        self._jumps[state].append((own, 0))
        self._edges[own] = octets
        return self._state()

    def _sequence(self, items: list[Any], state: int) -> int:
        for operation, value in reversed(items) if self._backwards else items:
            state = self._one(str(operation), value, state)
        return state

    def _one(self, operation: str, value: Any, state: int) -> int:
        if operation == "LITERAL":
            return self._octets(frozenset((_lower(value),)), state)
        if operation == "NOT_LITERAL":
            return self._octets(frozenset(range(256)) - {_lower(value)}, state)
        if operation == "ANY":
            return self._octets(_ANY, state)
        if operation == "IN":
            return self._octets(_set(value), state)
        if operation == "AT" and str(value) in ("AT_BEGINNING", "AT_BEGINNING_STRING", "AT_END", "AT_END_STRING"):
            after = self._state()
            first = ("BEGINNING" in str(value)) is not self._backwards
            self._jumps[state].append((after, _START if first else _END))
            return after
        if operation == "SUBPATTERN" and not value[1] and not value[2]:
            return self._sequence(list(value[3]), state)
        if operation == "BRANCH":
            ends = []
            for branch in value[1]:
                start = self._state()
                self._jumps[state].append((start, 0))
                ends.append(self._sequence(list(branch), start))
            return self._join(ends)
        if operation in ("MAX_REPEAT", "MIN_REPEAT"):
            return self._repeat(value[0], value[1], list(value[2]), state)
        raise PatternError("uses what cannot be matched in bounded time: references, look-around, \\b or inline flags")

    def _repeat(self, least: int, most: Any, items: list[Any], state: int) -> int:
        for _ in range(least):
            self._state()  # so that repetitions of nothing come to the bound too
            state = self._sequence(items, state)
        if most is sre.MAXREPEAT:
            start = self._state()
            self._jumps[state].append((start, 0))
            self._jumps[self._sequence(items, start)].append((start, 0))
            return self._join([start])
        ends = [state]
        for _ in range(most - least):
            self._state()
            state = self._sequence(items, state)
            ends.append(state)
        return self._join(ends)

    def _join(self, ends: list[int]) -> int:
        after = self._state()
        for end in ends:
            self._jumps[end].append((after, 0))
        return after


def _lower(octet: int) -> int:
    return octet + 32 if 65 <= octet <= 90 else octet


def _set(items: list[Any]) -> frozenset[int]:
    """The octets of a set such as `[^a-z0-9]`, in lower case."""
    octets: set[int] = set()
    negated = False
    for operation, value in items:
        kind = str(operation)
        if kind == "NEGATE":
            negated = True
        elif kind == "LITERAL":
            octets.add(_lower(value))
        elif kind == "RANGE":
            octets.update(_lower(octet) for octet in range(value[0], value[1] + 1))
        else:
            octets.update(_lower(octet) for octet in range(256) if _in_category(str(value), octet))
    return frozenset(range(256)) - octets if negated else frozenset(octets)


def _in_category(category: str, octet: int) -> bool:
    one = bytes((octet,))
    name = category.removeprefix("CATEGORY_")
    wanted = not name.startswith("NOT_")
    kind = name.removeprefix("NOT_")
    if kind == "DIGIT":
        return one.isdigit() is wanted
    if kind == "SPACE":
        return one.isspace() is wanted
    return (one.isalnum() or one == b"_") is wanted
