"""Edits as they are carried out; what no rule may ask for is in test_guard.py."""

from __future__ import annotations

from proxy.repair.edits import apply_edits
from proxy.repair.rule import Insert, Remove, Replace
from proxy.repair.sample import sample_message

MESSAGE = "BYE sip:b@203.0.113.10 SIP/2.0\nVia: v\nFrom: f\nTo: t\nCall-ID: c\nCSeq: 1 BYE\n\n"


def lines(*edits):
    message = sample_message(MESSAGE)
    apply_edits(edits, message)
    return message, [line.decode() for line in message.lines]


def test_numbers_are_those_of_the_message_as_it_was():
    """Whatever comes and goes before them, and in whatever order the edits are given."""
    _, after = lines(Remove(1), Insert(4, b"subject", b"Subject: s"), Replace(3, b"To: other"))
    start = "BYE sip:b@203.0.113.10 SIP/2.0"
    assert after == [start, "From: f", "To: other", "Subject: s", "Call-ID: c", "CSeq: 1 BYE"]


def test_insertions_stand_before_the_replacement_in_their_order():
    _, after = lines(Insert(2, b"x-a", b"X-A: 1"), Replace(2, b"From: g"), Insert(2, b"x-b", b"X-B: 2"))
    assert after[2:5] == ["X-A: 1", "X-B: 2", "From: g"]


def test_start_line_brings_its_uri_along():
    """What the message says of its Request-URI follows the line."""
    message, after = lines(Replace(0, b"BYE sip:b@example.com SIP/2.0"))
    assert after[0] == "BYE sip:b@example.com SIP/2.0"
    assert message.uri == b"sip:b@example.com"
