"""A Contact without a URI is dropped, and replaced where the message needs one (RFC 3261 section 20.10)."""

from __future__ import annotations

import pytest
from ruling import SHOWN, put, request, response

GARBAGE = ["<alice at home>", "<sip:>", "<sip:alice@192.168.1.5", '"alice <sip:a@b>', "alice", "<sip:a@b:99999>"]
NOTHING = ["None", "", "null", "<>", "undefined", "NULL"]


@pytest.mark.parametrize(
    ("value", "rule"),
    [(value, "contact-unparsable") for value in GARBAGE] + [(value, "contact-none-literal") for value in NOTHING],
)
class TestWithoutUri:
    def test_is_replaced_where_one_is_needed(self, value, rule):
        run = put(request("INVITE", f"Contact: {value}"))
        assert run.fired == [rule]
        assert run.lines("Contact") == [f"Contact: <{SHOWN}>"]

    def test_is_replaced_in_an_answer_that_needs_one(self, value, rule):
        run = put(response(200, "INVITE", f"m: {value}"))
        assert run.fired == [rule]
        assert run.lines("m") == [f"m: <{SHOWN}>"]

    def test_is_dropped_where_none_is_needed(self, value, rule):
        run = put(request("BYE", f"Contact: {value}"))
        assert run.fired == [rule]
        assert run.lines("Contact") == []
        assert run.records[0].after is None

    def test_is_left_in_a_registration(self, value, rule):
        """Without its Contact the request would be a query; the registrar's 400 is the right answer."""
        assert put(request("REGISTER", f"Contact: {value}")).fired == []


def test_a_good_line_beside_it_is_kept():
    run = put(request("INVITE", "Contact: None", "Contact: <sip:alice@pc33.example.com>"))
    assert run.fired == ["contact-none-literal"]
    assert run.lines("Contact") == ["Contact: <sip:alice@pc33.example.com>"]


def test_a_star_beside_it_is_kept():
    """Not legal in an INVITE, but not garbage either: whoever gets it may say so."""
    assert put(request("INVITE", "Contact: None", "Contact: *")).lines("Contact") == ["Contact: *"]


def test_what_is_left_then_is_judged_too():
    run = put(request("INVITE", "Contact: None", "Contact: <sip:alice@192.168.1.5>"))
    assert run.fired == ["contact-none-literal", "contact-private"]
    assert run.lines("Contact") == [f"Contact: <{SHOWN}>"]


def test_several_broken_lines_become_one():
    run = put(request("INVITE", "Contact: <broken", "Contact: <also broken"))
    assert run.lines("Contact") == [f"Contact: <{SHOWN}>"]
    assert run.fired == ["contact-unparsable", "contact-unparsable"]
