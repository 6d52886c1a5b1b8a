"""From the configuration to rules and profiles: what the file says is what the core gets."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from proxy import ruling
from proxy.config.load import parse_config
from proxy.config.profiles import profiles_in_force
from proxy.config.shipped import SHIPPED
from proxy.counts import Counts
from proxy.repair.catalog import CatalogError
from proxy.repair.pipeline import Pipeline
from proxy.ruling import chosen_rules, make_pipelines, make_profiles, rule_choices
from proxy.sip.registry import VIA

FILE = "server: {domain: example.com, uri: 'sip:10.0.0.5'}\nlisten: ['udp://192.0.2.1:5060', 'tcp://192.0.2.1:5060']\n"


def config(rest=""):
    return parse_config(FILE + rest, "edge.yaml", {"HOME": "/nonexistent"})


# -- rules


def test_a_choice_is_the_mode_and_the_settings_of_a_rule():
    made = config(rest="repair: {contact-missing: {mode: report, host: domain}, via-missing: off, maxfwd: {}}")
    assert rule_choices(made.repair) == {
        "contact-missing": {"mode": "report", "host": "domain"}, "via-missing": {"mode": "off"}, "maxfwd": {},
    }  # fmt: skip


def test_rules_for_via_are_kept_apart(monkeypatch):
    """They run before the message can be matched to a transaction; the others after that."""
    made = []

    class Seen(Pipeline):
        __slots__ = ()

        def __init__(self, rules, modes, counts, local_networks):
            made.append((tuple(rules), counts, local_networks))
            super().__init__(rules, modes, counts, local_networks)

    monkeypatch.setattr(ruling, "Pipeline", Seen)
    counts = Counts(3)
    networks = (ip_network("10.0.0.0/8"),)
    make_pipelines(config(), counts, networks)
    (main, *rest), (via, *_) = made
    assert rest == [counts, networks]
    assert via
    assert all(VIA in rule.touches for rule in via)
    assert main
    assert not any(VIA in rule.touches for rule in main)


def test_a_rule_that_does_not_exist_is_told():
    with pytest.raises(CatalogError, match="no-such-rule"):
        make_pipelines(config(rest="repair: {no-such-rule: off}"), Counts(3), ())


# -- profiles


def test_a_profile_is_asked_before_the_shipped_ones_and_over_the_general_rules():
    """A longer name in `repair` does not beat a shorter one in the profile."""
    made = config("repair: {maxfwd-missing: off}\nprofiles: [{name: desk, repair: {maxfwd: report}}]")
    own, *shipped = profiles_in_force(made)
    assert [one.name for one in shipped] == [one.profile.name for one in SHIPPED]
    assert chosen_rules(made)[1]["maxfwd-missing"] == "off"
    assert chosen_rules(made, own)[1]["maxfwd-missing"] == "report"


def test_each_profile_gets_pipelines_of_its_own():
    made = make_profiles(config("profiles: [{name: desk, match: {user_agent: desk}}]"), Counts(3), ())
    names = {"desk", *(one.profile.name for one in SHIPPED)}
    assert set(made.pipelines(0)) == set(made.pipelines(1)) == names


def test_what_a_shipped_profile_says_counts_less_than_the_file():
    made = config("repair: {contact-bad-param-chars: report}")
    (sip_js,) = [one for one in profiles_in_force(made) if one.name == "SIP.js"]
    assert chosen_rules(made, sip_js)[1]["contact-bad-param-chars"] == "report"
    assert chosen_rules(config(""), sip_js)[1]["contact-bad-param-chars"] == "repair"
    assert chosen_rules(config(""))[1]["contact-bad-param-chars"] == "off"


def test_one_profile_can_be_that_of_all_clients():
    made = make_profiles(config(""), Counts(3), (), only="Zoiper")
    assert set(made.pipelines(0)) == {"Zoiper"}


def test_a_rule_in_a_profile_that_does_not_exist_is_told():
    with pytest.raises(CatalogError, match="no-such-rule"):
        make_profiles(config("profiles: [{name: desk, repair: {no-such-rule: off}}]"), Counts(3), ())
