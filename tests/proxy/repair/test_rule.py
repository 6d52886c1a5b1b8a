"""What the contract gives every rule: settings, and the name of a Contact."""

from __future__ import annotations

import pytest

from proxy.repair.rule import REACHABLE, Context, Rule, Setting, SettingError
from proxy.repair.sample import sample_context, sample_flow, sample_message
from proxy.sip.address import parse_name_addr


class Plain(Rule):
    name = "plain"


class Choosy(Rule):
    name = "choosy"
    settings = (Setting("size", ("small", "large"), "How big."), Setting("side", ("left", "right"), "Where."))

    def with_settings(self, chosen):
        rule = Choosy()
        rule.chosen = dict(chosen)
        return rule


class TestSettings:
    def test_absent_ones_have_their_default(self):
        assert Choosy().configured({"side": "right"}).chosen == {"size": "small", "side": "right"}

    def test_none_leave_the_rule_as_it_is(self):
        for rule in (Plain(), Choosy()):
            assert rule.configured({}) is rule

    @pytest.mark.parametrize(
        ("rule", "values", "name", "text"),
        [
            (Plain(), {"size": "small"}, "size", "the rule plain has no such setting; it has: mode"),
            (Choosy(), {"sise": "small"}, "sise", "the rule choosy has no such setting; it has: mode, size, side"),
            (Choosy(), {"size": "huge"}, "size", "expected one of small, large, got 'huge'"),
            (Choosy(), {"size": None}, "size", "expected one of small, large, got None"),
        ],
    )
    def test_wrong_ones_are_named(self, rule, values, name, text):
        with pytest.raises(SettingError) as caught:
            rule.configured(values)
        assert (caught.value.name, caught.value.text) == (name, text)


def test_rules_with_settings_must_make_use_of_them():
    rule = Plain()
    rule.settings = Choosy.settings
    with pytest.raises(NotImplementedError):
        rule.configured({"size": "large"})


def test_rules_must_define_both_functions():
    message = sample_message("BYE sip:b SIP/2.0\n\n")
    context = sample_context(message, sample_flow("udp:198.51.100.7:5060"))
    with pytest.raises(NotImplementedError):
        Plain().applies(message, context)
    with pytest.raises(NotImplementedError):
        Plain().repair(message, None, context)


class Naming:
    def shown(self, message, flow):
        return b"sip:alice@s;b=1"


class TestShownFor:
    def context(self, renamed):
        message = sample_message("BYE sip:b SIP/2.0\n\n")
        flow = sample_flow("udp:198.51.100.7:5060")
        return Context(message, flow, Naming(), b"example.com", b"home", REACHABLE, True, False, renamed)

    @pytest.mark.parametrize(
        ("contact", "shown"),
        [
            (b"<sip:x@h;transport=ws;lr>", b"sip:alice@s;b=1"),
            (b"<sip:x@h;transport=ws;ob>;q=1", b"sip:alice@s;b=1;ob"),
            (b"<sip:x@h>;ob", b"sip:alice@s;b=1"),
        ],
    )
    def test_only_ob_stays_of_the_parameters(self, contact, shown):
        assert self.context(None).shown_for(parse_name_addr(contact)) == shown

    def test_in_a_registration_each_contact_has_its_own(self):
        context = self.context({b"sip:x@h;ob": b"sip:alice@s;b=2"})
        assert context.shown_for(parse_name_addr(b"<sip:x@h;ob>")) == b"sip:alice@s;b=2"
        assert context.shown_for(parse_name_addr(b"<sip:x@other>")) is None
