"""Settings of rules: a word, or a mapping with a mode and the rule's own keys."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.config.section import PluginItem, PluginSetting, RuleItem, RuleSetting

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


def test_both_forms_of_a_plugin():
    assert PLUGIN.validate_python("edge:Rule") == PluginSetting(rule="edge:Rule")
    full = PLUGIN.validate_python({"rule": "edge:Rule", "depth": 2})
    assert full == PluginSetting(rule="edge:Rule", settings={"depth": 2})
    assert PLUGIN.dump_python(full) == {"rule": "edge:Rule", "depth": 2}
    assert PLUGIN.dump_python(PluginSetting(rule="edge:Rule")) == "edge:Rule"


@pytest.mark.parametrize("written", [{"depth": 2}, 5, {"rule": 5}])
def test_a_plugin_needs_its_rule(written):
    with pytest.raises(ValidationError):
        PLUGIN.validate_python(written)
