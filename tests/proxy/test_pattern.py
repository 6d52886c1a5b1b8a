"""Patterns of administrators: Python's answers, in bounded time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.pattern import LONGEST_TEXT, MOST_SETS, MOST_STATES, Pattern, PatternError

PATTERNS = [
    "^Grandstream",
    "linphone.*/4\\.[0-9]+",
    "(SIP\\.js|JsSIP)/0",
    "a{2,3}b?c*$",
    "^$",
    "[^a-c]x",
    "\\d+\\s\\w",
    "\\D\\S\\W",
    "(ab|a)(c|bcd)",
    "a+?b",
    "(?:a|b)*c",
    "",
]


@pytest.mark.parametrize("pattern", PATTERNS)
@given(st.text("abcxGS 0149./\t_-", max_size=12))
def test_finds_what_python_finds(pattern, text):
    octets = text.encode()
    assert Pattern(pattern).found(octets) == bool(re.search(pattern.encode(), octets, re.IGNORECASE))


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", "(.*a){20}", "(a?){25}a{25}", "(x+x+)+y"])
def test_patterns_that_backtrack_for_ever_elsewhere_end(pattern, monkeypatch):
    """The work is counted, and not the time: at most one new set of states for each octet."""
    made = Pattern(pattern)
    steps = 0
    step = Pattern._step

    def counted(self, *arguments):
        nonlocal steps
        steps += 1
        return step(self, *arguments)

    monkeypatch.setattr(Pattern, "_step", counted)
    made.found(b"a" * 5000 + b"!")
    assert steps <= LONGEST_TEXT
    assert len(made._edges) <= MOST_STATES


def test_the_memory_of_a_pattern_is_bounded():
    made = Pattern("(a|b)*a(a|b){11}c")
    for number in range(3000):
        text = bin(number)[2:].replace("0", "a").replace("1", "b").encode()
        assert made.found(text + b"c") == bool(re.search(b"a[ab]{11}c", text + b"c"))
    assert len(made._sets) <= MOST_SETS


def test_only_the_beginning_of_a_text_is_looked_at():
    assert not Pattern("b").found(b"a" * LONGEST_TEXT + b"b")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "no regular expression"),
        ("(a)\\1", "bounded time"),
        ("(?=a)", "bounded time"),
        ("(?<!a)b", "bounded time"),
        ("\\bword", "bounded time"),
        ("a{5000}", "too large"),
        ("((a{99}){99}){99}", "too large"),
        ("(){999999999}", "too large"),
        ("a" * 501, "at most 500"),
    ],
)
def test_what_cannot_be_matched_is_refused(pattern, reason):
    with pytest.raises(PatternError, match=reason):
        Pattern(pattern)
