"""The contract of rules, judged whatever somebody's class has in the place of its attributes."""

from __future__ import annotations

import pytest

from proxy.repair.contract import flaws
from proxy.repair.rule import BODY, REQUEST_IN, STATUS_LINE, TRAITS, NumberSetting, Rule, Sample, Setting


class Good(Rule):
    name = "good"
    rfc = "RFC 3261 section 20.10"
    summary = "Does good."
    stages = (REQUEST_IN,)
    touches = (b"", b"contact", b"x-acme", BODY, STATUS_LINE)
    samples = (Sample("before", "after"),)

    def applies(self, message, context):
        return None

    def repair(self, message, finding, context):
        return []


def complaints(**attributes):
    rule = Good()
    for name, value in attributes.items():
        setattr(rule, name, value)
    return flaws(rule)


def test_a_good_rule_has_no_flaw():
    assert complaints() == []


@pytest.mark.parametrize("junk", [None, 5, "x", b"x", [1], (None,), {"a": 1}, object()], ids=repr)
@pytest.mark.parametrize(
    "attribute",
    [
        "name",
        "rfc",
        "summary",
        "stages",
        "methods",
        "reaches",
        "unless",
        "touches",
        "default",
        "settings",
        "samples",
        "source",
        "no_source",
    ],
)
def test_nothing_in_the_place_of_an_attribute_raises(attribute, junk):
    """It is a flaw, or (a word for a name, a number for `unless`) it is right."""
    found = complaints(**{attribute: junk})
    assert len(found) == 1 or junk in ("x", 5)


@pytest.mark.parametrize(
    ("attribute", "value", "text"),
    [
        ("name", "x" * 61, "60 characters at most"),
        ("summary", "two\nlines", "`summary` is empty or no line"),
        ("stages", [0], "in a tuple"),
        ("stages", (True,), "at least one of the four stages"),
        ("methods", ("INVITE",), "a tuple of methods in bytes"),
        ("reaches", (11,), "constants for `Context.reach`"),
        ("unless", TRAITS, "added up"),
        ("touches", ("contact",), "in a tuple of bytes"),
        ("touches", (b"Contact",), "must have 'contact' in the place of 'Contact'"),
        ("touches", (b"m",), "must have 'contact' in the place of 'm'"),
        ("touches", (b"x mine",), "'x mine', which is no header"),
        ("touches", (b"call-id",), "'call-id', which no rule may edit"),
        ("touches", (b"route",), "'route', which no rule may edit"),
        ("settings", (Setting("mode", ("a",), ""),), "cannot be named 'mode'"),
        ("settings", (Setting("Mode", ("a",), ""),), "cannot be named 'Mode'"),
        ("settings", (Setting("a", ("a",), ""), Setting("a", ("b",), "")), "two settings have the same name"),
        ("settings", (Setting("a", ("a",), ""),), "does not define `with_settings`"),
        ("settings", (NumberSetting("a", 5, "", 6, 7),), "the default of the setting a is none of its values"),
    ],
)
def test_flaws_are_named(attribute, value, text):
    assert any(text in found for found in complaints(**{attribute: value}))


def test_both_functions_have_to_be_there():
    class Half(Good):
        repair = Rule.repair

    class Data(Good):
        applies = "yes"

    assert flaws(Half()) == ["it does not define `repair`"]
    assert flaws(Data()) == ["it does not define `applies`"]
