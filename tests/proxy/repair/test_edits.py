"""Edits as they are carried out; what no rule may ask for is in test_guard.py."""

from __future__ import annotations

import pytest

from proxy.repair.edits import apply_edits, body_changes, changes
from proxy.repair.rule import BODY as BODY_NAME
from proxy.repair.rule import STATUS_LINE, Insert, Remove, Replace, ReplaceBody
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


BODY = "INVITE sip:b@x SIP/2.0\nVia: v\nl: 9\nContent-Length :\t9\n\na=1\nb=2\n"


def test_a_body_brings_its_lengths_along():
    """In whatever spelling they are written, and whatever else is edited with it."""
    message = sample_message(BODY)
    apply_edits([ReplaceBody(b"hello, world"), Remove(1)], message)
    assert message.lines[1:] == [b"l: 12", b"Content-Length : 12"]
    assert message.body == b"hello, world"


def test_status_line_brings_its_parts_along():
    response = sample_message("SIP/2.0 202 Accepted\nVia: v\n\n")
    edits = [Replace(0, b"SIP/2.0 404 Not Found")]
    assert changes(edits, response) == [(STATUS_LINE, b"SIP/2.0 202 Accepted", b"SIP/2.0 404 Not Found")]
    apply_edits(edits, response)
    assert (response.status, response.reason, response.kind) == (404, b"Not Found", b"4xx")
    assert response.octets() == b"SIP/2.0 404 Not Found\r\nVia: v\r\n\r\n"
    apply_edits([Replace(0, b"SIP/2.0 480")], response)
    assert (response.status, response.reason) == (480, b"")


def test_changes_of_headers():
    message = sample_message(MESSAGE)
    edits = [Insert(2, b"x-a", b"X-A: 1"), Replace(1, b"Via: w"), Remove(3)]
    assert changes(edits, message) == [
        (b"x-a", None, b"X-A: 1"),
        (b"via", b"Via: v", b"Via: w"),
        (b"to", b"To: t", None),
    ]


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (b"a\r\nb\r\nc\r\n", b"a\r\nB\r\nc\r\n", [(b"b", b"B")]),
        (b"a\nb\nc\n", b"A\nb\nC\n", [(b"a", b"A"), (b"c", b"C")]),
        (b"a\nc", b"a\nb\nc", [(None, b"b")]),
        (b"a\nb\nc", b"a\nc", [(b"b", None)]),
        (b"", b"a", [(b"", b"a")]),
        (b"a\nb", b"x\ny\nz", [(b"a", b"x"), (b"b", b"y"), (None, b"z")]),
        (b"same", b"same", []),
    ],
)
def test_changes_of_a_body_are_its_lines(before, after, found):
    assert body_changes(before, after) == [(BODY_NAME, *pair) for pair in found]


def test_records_of_a_body_are_few_and_short_and_hold_no_keys():
    found = body_changes(b"\n".join([b"a"] * 999), b"\n".join([b"b" * 999] * 999))
    assert len(found) == 20
    assert max(len(after) for _, _, after in found) == 203
    (found,) = body_changes(b"a=crypto:1 AES_CM_128 inline:secret", b"a=crypto:2 AES_CM_128 inline:secret")
    assert found[1:] == (b"a=crypto:...", b"a=crypto:...")
