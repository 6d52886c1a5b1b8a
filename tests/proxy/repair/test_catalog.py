"""The catalogue: the contract of rules, their modes and settings, and mistakes in what was chosen."""

from __future__ import annotations

import pytest

from proxy.repair.catalog import Catalog, CatalogError
from proxy.repair.rule import OFF, REPAIR, REPORT, REQUEST_IN, Rule, Sample, Setting


class Good(Rule):
    name = "good"
    rfc = "RFC 3261 section 20.10"
    summary = "Does good."
    stages = (REQUEST_IN,)
    touches = (b"contact",)
    samples = (Sample("before", "after"),)

    def __init__(self, name="good", colour="red", **attributes):
        self.name = name
        self.colour = colour
        for attribute, value in attributes.items():
            setattr(self, attribute, value)

    def applies(self, message, context):
        return None

    def repair(self, message, finding, context):
        return []


class Painted(Good):
    settings = (Setting("colour", ("red", "blue"), "The colour."),)

    def with_settings(self, chosen):
        return Painted(self.name, chosen["colour"])


CATALOG = Catalog([Good("contact-a"), Painted("contact-b"), Painted("contact-b-c"), Good("via", default=REPORT)], ())


class TestContract:
    @pytest.mark.parametrize(
        ("attributes", "complaint"),
        [
            ({"name": "Bad"}, "`name` must be"),
            ({"name": "bad_name"}, "`name` must be"),
            ({"name": "bad--name"}, "`name` must be"),
            ({"name": ""}, "`name` must be"),
            ({"rfc": "3261"}, "`rfc` must read like"),
            ({"rfc": "RFC 3261 section"}, "`rfc` must read like"),
            ({"summary": ""}, "`summary` is empty"),
            ({"stages": ()}, "`stages` must name"),
            ({"stages": (4,)}, "`stages` must name"),
            ({"touches": ()}, "`touches` must name"),
            ({"default": "on"}, "`default` must be one of off, report, repair"),
            ({"samples": ()}, "`samples` is empty"),
        ],
    )
    def test_breaches_are_named(self, attributes, complaint):
        with pytest.raises(CatalogError, match=complaint):
            Catalog([Good(**attributes)])

    def test_all_breaches_come_at_once(self):
        with pytest.raises(CatalogError) as caught:
            Catalog([Good("one", rfc=""), Good("two", summary=""), Good("two")])
        assert [problem.path for problem in caught.value.problems] == [("one",), ("two",), ("two",)]
        assert "two rules have this name" in str(caught.value)

    @pytest.mark.parametrize(
        "rfc",
        [
            "RFC 3261",
            "RFC 3261 section 8.1.1.8",
            "RFC 3261 section 8, section 12.1",
            "RFC 3261 section 8, RFC 3311 section 5.1",
        ],
    )
    def test_references_may_be_several(self, rfc):
        assert Catalog([Good(rfc=rfc)]).rule("good").rfc == rfc


class TestModes:
    def test_defaults(self):
        assert CATALOG.modes({}) == CATALOG.default_modes()
        assert CATALOG.default_modes() == {
            "contact-a": REPAIR, "contact-b": REPAIR, "contact-b-c": REPAIR, "via": REPORT,
        }  # fmt: skip

    @pytest.mark.parametrize("choice", [OFF, False, {"mode": OFF}, {"mode": False}])
    def test_of_one_rule(self, choice):
        """A bare `off` is false in YAML."""
        modes = CATALOG.modes({"contact-a": choice})
        assert modes == {**CATALOG.default_modes(), "contact-a": OFF}

    def test_of_all_rules_with_a_common_beginning(self):
        modes = CATALOG.modes({"contact": REPORT})
        assert [modes[name] for name in ("contact-a", "contact-b", "contact-b-c", "via")] == [REPORT] * 4

    @pytest.mark.parametrize("turn", [1, -1])
    def test_longer_name_wins_in_any_order(self, turn):
        chosen = {"contact": REPORT, "contact-b": OFF}
        modes = CATALOG.modes(dict(list(chosen.items())[::turn]))
        assert (modes["contact-a"], modes["contact-b"], modes["contact-b-c"]) == (REPORT, OFF, REPORT)

    def test_name_of_a_rule_means_that_rule_only(self):
        assert CATALOG.modes({"contact-b": OFF})["contact-b-c"] == REPAIR


class TestSettings:
    def test_make_another_instance(self):
        rules, modes = CATALOG.choose({"contact-b": {"colour": "blue"}})
        assert [getattr(rule, "colour", None) for rule in rules] == ["red", "blue", "red", "red"]
        assert rules[0] is CATALOG.rule("contact-a")
        assert rules[1] is not CATALOG.rule("contact-b")
        assert modes == CATALOG.default_modes()

    def test_together_with_a_mode(self):
        rules, modes = CATALOG.choose({"contact-b": {"colour": "blue", "mode": REPORT}})
        assert (rules[1].colour, modes["contact-b"]) == ("blue", REPORT)


class TestMistakes:
    @pytest.mark.parametrize(
        ("chosen", "path", "text"),
        [
            ({"contact-aa": OFF}, ("contact-aa",), "no repair rule of this name; did you mean contact-a?"),
            ({"contct": OFF}, ("contct",), "did you mean contact?"),
            ({"zzz": OFF}, ("zzz",), "`sipmend rules` lists them"),
            ({"via": "of"}, ("via",), "expected off, report, repair, got 'of'; did you mean off?"),
            ({"via": True}, ("via",), "expected off, report, repair, got True"),
            ({"via": {"mode": 3}}, ("via", "mode"), "expected off, report, repair, got 3"),
            ({"via": {"colour": "red"}}, ("via", "colour"), "the rule via has no such setting; it has: mode"),
            ({"contact-b": {"color": "red"}}, ("contact-b", "color"), "it has: mode, colour"),
            ({"contact-b": {"colour": "green"}}, ("contact-b", "colour"), "expected one of red, blue, got 'green'"),
            ({"contact-b": {"colour": 1}}, ("contact-b", "colour"), "expected one of red, blue, got 1"),
        ],
    )
    def test_are_named_with_the_way_out(self, chosen, path, text):
        with pytest.raises(CatalogError) as caught:
            CATALOG.choose(chosen)
        (problem,) = caught.value.problems
        assert problem.path == path
        assert text in problem.text

    def test_come_all_at_once(self):
        with pytest.raises(CatalogError) as caught:
            CATALOG.modes({"x": OFF, "via": "y", "contact-b": {"mode": "z", "u": 1}})
        assert len(caught.value.problems) == 4
        assert "contact-b.mode: expected" in str(caught.value)


def test_unknown_rule_is_a_key_error():
    with pytest.raises(KeyError):
        CATALOG.rule("nothing")
