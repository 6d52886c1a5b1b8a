"""Patterns of administrators: Python's answers, in linear time; and what is put in the place of a match."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.pattern import LONGEST_PATTERN, Pattern, PatternError, Template

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
    "\\ba",
    "",
]


@pytest.mark.parametrize("pattern", PATTERNS)
@given(st.text("abcxGS 0149./\t_-", max_size=12))
def test_finds_what_python_finds(pattern, text):
    octets = text.encode()
    assert Pattern(pattern).found(octets) == bool(re.search(pattern.encode(), octets, re.IGNORECASE))


@pytest.mark.parametrize("pattern", ["(ab|a)(c|b)?", "a+?(b)", "(a)|(b)", "b*", "(?i)X"])
@given(st.text("abxX", max_size=12))
def test_replaces_what_python_replaces(pattern, text):
    made = Pattern(pattern)
    groups = "".join(f"[\\{number}]" for number in range(made.groups + 1))
    python = re.sub(r"\\(\d)", r"\\g<\1>", groups)
    expected = re.sub(pattern.encode(), python.encode(), text.encode(), flags=re.IGNORECASE)
    assert made.replaced(text.encode(), Template(groups, made)) == expected


# With a machine that backtracks none of these would ever end.
@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", "(.*a){20}c", "(a?){25}a{25}b", "(x+x+)+y"])
def test_patterns_that_backtrack_for_ever_elsewhere_end(pattern):
    assert not Pattern(pattern).found(b"a" * 20000 + b"!")
    assert not Pattern(pattern).found(b"x" * 20000 + b"!")


def test_letters_are_equal_in_either_case_and_octets_that_are_no_text_match_nothing():
    assert Pattern("grün").found("GRÜN".encode())
    assert not Pattern("a.b").found(b"a\xffb")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("x", b"x@new"),
        ("\\1@old", b"joe@old@new"),
        ("<\\0>", b"<joe.x>@new"),
        ("\\\\1", b"\\1@new"),
        ("", b"@new"),
        ("é\\2", "éx@new".encode()),
    ],
)
def test_a_template_takes_groups(template, expected):
    pattern = Pattern("([^.@]*)\\.(x)|(never)")
    assert pattern.replaced(b"joe.x@new", Template(template, pattern)) == expected


def test_a_group_without_part_in_the_match_is_empty():
    pattern = Pattern("a|(b)")
    assert pattern.replaced(b"a", Template("[\\1]", pattern)) == b"[]"


@pytest.mark.parametrize(
    ("template", "reason"),
    [("\\2", "the pattern has one group"), ("\\n", "may follow a backslash"), ("x\\", "may follow"), ("\\²", "follow")],
)
def test_a_template_that_makes_no_sense_is_refused(template, reason):
    with pytest.raises(PatternError, match=reason):
        Template(template, Pattern("(a)"))


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing"),
        ("(a)\\1", "invalid escape"),
        ("(?=a)", "invalid perl operator"),
        ("(?<!a)b", "invalid"),
        ("a{5000}", "invalid repetition"),
        ("((a{99}){99}){99}", "repetition"),
        ("(){999999999}", "invalid repetition"),
        ("\ud800", "surrogates"),
        ("a" * (LONGEST_PATTERN + 1), "at most 500"),
    ],
)
def test_what_cannot_be_matched_is_refused(pattern, reason):
    with pytest.raises(PatternError, match=reason):
        Pattern(pattern)
