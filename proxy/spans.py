"""Where a pattern of an administrator stands in a text: found in linear time, with an automaton that is made at start.

`proxy.pattern` makes its automaton while texts come, which is well for what is remembered. Here every message may bring
another text: so the whole automaton is made before, and a pattern is refused whose automaton is too large.
"""

from __future__ import annotations

from typing import Final

from proxy.pattern import MOST_SETS, Pattern, PatternError

_DEAD: Final = 0


class Spans:
    """Finds the first match of a pattern in a text, and of those that begin there the longest.

    Letters of either case are equal. Each octet of a text costs two look-ups at most. Raises PatternError for what
    `Pattern` refuses, for repetitions that want to be short, and for automata of more than `MOST_SETS` states.
    """

    __slots__ = ("_ahead", "_back", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._back = _Table(text, backwards=True)
        self._ahead = _Table(text, backwards=False)

    def found(self, text: bytes) -> bool:
        """Whether the text holds a match."""
        return self._back.farthest(text[::-1]) >= 0

    def span(self, text: bytes) -> tuple[int, int] | None:
        """Where the match begins and ends; None without one."""
        # Read from its end, the text shows the last place where a match may begin: the first one as it is written.
        length = self._back.farthest(text[::-1])
        if length < 0:
            return None
        start = len(text) - length
        return start, start + self._ahead.farthest(text[start:], start == 0)


class _Table(Pattern):
    """The whole automaton of a pattern: backwards it may begin anywhere, forwards at the first octet only."""

    __slots__ = ("_at_end", "_classes", "_fits", "_rows")

    def __init__(self, text: str, backwards: bool) -> None:
        super().__init__(text, backwards)
        groups = self._groups()
        self._classes = bytes(groups)
        samples = [groups.index(number) for number in range(max(groups) + 1)]
        first = self._closed(frozenset((0,)), True, False)
        later = self._closed(frozenset((0,)), False, False)
        # States 1 and 2 are where a text begins, and where a match begins that is not at the beginning of the text.
        sets: list[frozenset[int]] = [frozenset(), first, later]
        numbers = {sets[_DEAD]: _DEAD, later: 2}
        self._rows: list[list[int]] = [[_DEAD] * len(samples)]
        if backwards:
            self._rows = []
        for state in sets:
            if len(self._rows) == len(sets):
                break
            self._rows += [self._row(one, samples, sets, numbers) for one in sets[len(self._rows) :][:1]]
            del state
        self._fits = [self._last in one for one in sets]
        self._at_end = [self._last in self._closed(one, number == 1, True) for number, one in enumerate(sets)]
