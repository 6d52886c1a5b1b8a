"""Content-Length where a stream needs it, and what is beyond it (RFC 3261 sections 18.3, 20.14; RFC 7118 section 5)."""

from __future__ import annotations

import pytest
from ruling import put, request, response

from proxy.repair.rule import STAGES


def without_length(text, body=""):
    return text.replace("Content-Length: 0\n", "") + body


@pytest.mark.parametrize("stage", range(len(STAGES)))
@pytest.mark.parametrize(("body", "octets"), [("", 0), ("hello", 5), ("zwölf", 6)])
def test_is_inserted_for_streams_in_octets(stage, body, octets):
    text = without_length(response(200, "BYE") if stage % 2 else request("BYE"), body)
    run = put(text, "tcp:198.51.100.7:5060", stage=stage)
    assert run.lines("Content-Length") == [f"Content-Length: {octets}"]
    assert run.fired == ["clen-missing"]


def test_is_not_needed_in_datagrams():
    assert put(without_length(request("BYE"), "hello")).fired == []


def test_octets_behind_the_body_are_recorded_as_cut():
    """The parser cuts (section 18.3); the rule says so, and changes nothing more."""
    run = put(request("BYE").replace("Length: 0", "Length: 2") + "abc")
    assert run.message.body == b"ab"
    assert run.fired == ["clen-wrong"]
    record = run.records[0]
    assert record.before == record.after == b"Content-Length: 2"


@pytest.mark.parametrize("value", ["3", "junk", "-1"])
def test_too_few_octets_are_not_for_rules(value):
    """What is missing cannot be repaired: validation answers 400."""
    assert put(request("BYE").replace("Length: 0", f"Length: {value}") + "ab").fired == []
