"""What entries of `headers` make of messages: only the headers they name, and nothing the second time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.pattern import Pattern, Template
from proxy.repair import guard
from proxy.repair.edits import apply_edits
from proxy.repair.header_rules import (
    AddHeader,
    Condition,
    CopyHeader,
    HeaderRule,
    RemoveHeader,
    RenameHeader,
    SetHeader,
    SubstituteHeader,
    canonical,
    owned,
)
from proxy.repair.rule import REQUEST_IN
from proxy.sip.parser import parse_message

PATTERN = Pattern("b+")
CHANGES = [
    SetHeader("X-A", "new"),
    SetHeader("s", "grün"),
    AddHeader("X-A", "b"),
    RemoveHeader("x-a"),
    RemoveHeader("X-A", PATTERN),
    CopyHeader("X-A", "X-B"),
    CopyHeader("X-A", "Subject"),
    RenameHeader("X-A", "X-B"),
    SubstituteHeader("X-A", PATTERN, Template("[\\0]", PATTERN)),
    SubstituteHeader("Subject", PATTERN, Template("", PATTERN)),
]
TWICE = [change for change in CHANGES if change is not CHANGES[8]]  # brackets around brackets

lines = st.lists(
    st.tuples(st.sampled_from(["X-A", "x-a", "X-B", "Subject", "s", "X-Other"]), st.text("abc ü;,", max_size=6)),
    max_size=8,
)


def message(pairs):
    head = [
        "MESSAGE sip:bob@example.com SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        "From: <sip:a@example.com>;tag=1",
        "To: <sip:b@example.com>",
        "Call-ID: 1",
        "CSeq: 1 MESSAGE",
        *(f"{name}: {value}" for name, value in pairs),
        "Content-Length: 0",
    ]
    return parse_message("\r\n".join([*head, "", ""]).encode())


def carried_out(change, one):
    rule = HeaderRule("test", change, (REQUEST_IN,))
    edits = change.edits(one)
    guard.check(edits, rule, one)
    apply_edits(edits, one)
    return edits


@given(lines, st.sampled_from(CHANGES))
def test_only_what_it_names_changes_and_the_result_can_be_read(pairs, change):
    one = message(pairs)
    before = [(n, line) for n, line in zip(one.names, one.lines, strict=True) if n not in change.touches]
    carried_out(change, one)
    again = parse_message(one.octets())
    assert [(n, line) for n, line in zip(again.names, again.lines, strict=True) if n not in change.touches] == before


@given(lines, st.sampled_from(TWICE))
def test_done_twice_it_changes_nothing_more(pairs, change):
    one = message(pairs)
    carried_out(change, one)
    assert change.edits(one) == []


@given(lines)
def test_set_leaves_one_line(pairs):
    one = message(pairs)
    carried_out(SetHeader("X-A", "new"), one)
    assert one.values(b"x-a") == [b"new"]


@given(lines)
def test_copy_makes_the_same_lines(pairs):
    one = message(pairs)
    values, others = one.values(b"x-a"), one.values(b"x-b")
    carried_out(CopyHeader("X-A", "X-B"), one)
    assert one.values(b"x-b") == (values or others)
    assert one.values(b"x-a") == values


@given(lines)
def test_rename_keeps_values_and_their_order(pairs):
    one = message([pair for pair in pairs if pair[0] != "X-B"])
    values = one.values(b"x-a")
    carried_out(RenameHeader("X-A", "X-B"), one)
    assert (one.values(b"x-a"), one.values(b"x-b")) == ([], values)


def test_the_spelling_of_a_line_stays_and_new_ones_are_spelled_well():
    one = message([("s", "abc"), ("x-a", "b")])
    carried_out(SubstituteHeader("Subject", PATTERN, Template("x", PATTERN)), one)
    carried_out(SetHeader("supported", "timer"), one)
    carried_out(AddHeader("X-My-Own", "1"), one)
    assert one.lines[6:] == [b"s: axc", b"x-a: b", b"Content-Length: 0", b"Supported: timer", b"X-My-Own: 1"]


def test_a_folded_line_is_read_as_one():
    one = message([("X-A", "a\r\n b")])
    carried_out(SubstituteHeader("X-A", Pattern("a b"), Template("c", PATTERN)), one)
    assert one.lines[6] == b"X-A: c"


def test_conditions():
    one = message([("X-A", "abc"), ("X-A", "c")])
    held = [
        Condition("x-a").holds(one),
        Condition("X-A", PATTERN).holds(one),
        Condition("X-A", Pattern("z"), absent=True).holds(one),
        Condition("f", Pattern("tag=1")).holds(one),
    ]
    failed = [Condition("X-B").holds(one), Condition("X-A", PATTERN, absent=True).holds(one)]
    assert (held, failed) == ([True] * 4, [False] * 2)


def test_names():
    assert canonical("V") == b"via"
    assert owned(canonical("m")).startswith("the rules that begin with contact")
    assert owned(b"x-a") == ""
