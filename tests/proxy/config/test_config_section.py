"""Settings of rules: a word, or a mapping with a mode and the rule's own keys."""

from __future__ import annotations

import re

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.config.section import PluginItem, RuleItem, RuleSetting, readable_plugins

RULE = TypeAdapter(RuleItem)
PLUGIN = TypeAdapter(PluginItem)


@pytest.mark.parametrize(
    ("written", "mode", "settings"),
    [
        ("off", "off", {}),
        (False, "off", {}),
        ("report", "report", {}),
        ({"mode": False}, "off", {}),
        ({"mode": "repair", "host": "domain"}, "repair", {"host": "domain"}),
        ({"host": "domain"}, None, {"host": "domain"}),
    ],
)
def test_both_forms_of_a_rule(written, mode, settings):
    rule = RULE.validate_python(written)
    assert (rule.mode, rule.settings) == (mode, settings)
    assert RULE.validate_python(rule) is rule
    assert RULE.validate_python(RULE.dump_python(rule)) == rule


def test_a_rule_is_shown_in_its_short_form():
    assert RULE.dump_python(RuleSetting(mode="off")) == "off"
    assert RULE.dump_python(RuleSetting(mode="off", settings={"a": 1})) == {"mode": "off", "a": 1}


@pytest.mark.parametrize("written", ["on", True, 5, None, ["off"], {"mode": "on"}])
def test_other_values_are_no_rule_setting(written):
    with pytest.raises(ValidationError):
        RULE.validate_python(written)


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("edge:Rule", {"rule": "edge:Rule"}),
        ("edge.rules:RULES", {"rule": "edge.rules:RULES"}),
        ("./rules/edge.py", {"path": "rules/edge.py"}),
        ("edge.py", {"path": "edge.py"}),
        ("C/edge:x", {"path": "C/edge:x"}),
        ("acme-prefix", {"name": "acme-prefix"}),
    ],
)
def test_both_forms_of_a_plugin(short, full):
    plugin = PLUGIN.validate_python(short)
    assert plugin == PLUGIN.validate_python(full)
    assert {plugin.place: str(getattr(plugin, plugin.place))} == full
    assert PLUGIN.validate_python(PLUGIN.dump_python(plugin)) == plugin


def test_a_plugin_with_more_to_say():
    written = {"name": "acme-prefix", "mode": "off", "settings": {"prefix": "00"}}
    assert PLUGIN.dump_python(PLUGIN.validate_python({**written, "mode": False})) == written
    assert PLUGIN.dump_python(PLUGIN.validate_python({"name": "acme-prefix"})) == "acme-prefix"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ({"settings": {}}, "needs one of rule"),
        ({"rule": "edge:Rule", "path": "edge.py"}, "needs one of rule"),
        ({"rule": "edge"}, "should be module:NAME, not 'edge'"),
        ("edge:", "should be module:NAME, not 'edge:'"),
        ("os:system('x')", "should be module:NAME"),
        ({"rule": 5}, "should be module:NAME, not 5"),
        ("two words", "should be the name of an entry point, not 'two words'"),
        ({"path": ""}, "should be the path of a file"),
        ({"name": "x", "mode": "on"}, "Input should be"),
        ({"name": "x", "settings": 5}, "Input should be a valid"),
        ({"name": "x", "depth": 2}, "Extra inputs"),
        (5, "Input should be"),
    ],
)
def test_what_is_no_plugin(written, text):
    with pytest.raises(ValidationError, match=re.escape(text)):
        PLUGIN.validate_python(written)


def test_entries_that_can_be_read_are_read_where_others_cannot(tmp_path):
    found = readable_plugins(["a.py", 5, {"rule": "x:Y"}], tmp_path)
    assert [entry and (entry.path or entry.rule) for entry in found] == [tmp_path / "a.py", None, "x:Y"]
    assert readable_plugins(None, tmp_path) == readable_plugins("a.py", tmp_path) == []
