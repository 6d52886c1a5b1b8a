"""The shipped profiles: whom each is for, and that every line of them does something and says why."""

from __future__ import annotations

import re

import pytest

from proxy.config.profiles import profiles_in_force
from proxy.config.profiles_page import profiles_page
from proxy.config.shipped import SHIPPED
from proxy.explain_setting import _BARE
from proxy.pattern import Pattern
from proxy.ruling import chosen_rules

PATTERNS = {one.profile.name: Pattern(one.profile.match.user_agent) for one in SHIPPED}
LINES = [pytest.param(one, line, id=f"{one.profile.name}-{line.key}") for one in SHIPPED for line in one.lines]
# Of others, who only sound like them.
OTHERS = [
    "", "Asterisk PBX 20.5.2", "FPBX-16.0.40(18.9.0)", "FreeSWITCH-mod_sofia/1.10.9",
    "kamailio (5.7.2 (x86_64/linux))",
    "Cisco/SPA504G-7.4.9", "Cisco-SIPGateway/IOS-15.2.4.M6", "Cisco-CP-8841-3PCC/11.3.7", "CSCO/7",
    "Yealink SIP-T46S 66.85", "Z-Wave 5.2",
    "snomD785/10.1.64", "FRITZ!App Fon", "Zulu/1.0", "baresip v1.0.0 (x86_64/linux)", "MicroSIP/3.21.3", "Z",
    "Bria 5 release 5.8.3", "3CXiPhone", "Grandstreamer/1", "sipjs-like 1", "NotJsSIPx 1", "Groundwire/25.3",
]  # fmt: skip


@pytest.mark.parametrize(("name", "agent"), [(one.profile.name, agent) for one in SHIPPED for agent in one.agents])
def test_the_agents_of_a_profile_fit_it_and_no_other(name, agent):
    assert [other for other, pattern in PATTERNS.items() if pattern.found(agent.encode())] == [name]


@pytest.mark.parametrize("agent", OTHERS)
def test_others_have_none(agent):
    assert [name for name, pattern in PATTERNS.items() if pattern.found(agent.encode())] == []


@pytest.mark.parametrize(("one", "line"), LINES)
def test_every_line_says_why_and_who_reported_it(one, line):
    assert line.why.endswith(".")
    assert line.sources
    for source in line.sources:
        assert re.fullmatch(r"https://[\w./()~#-]+|RFC \d+ section [\d.]+", source), source


@pytest.mark.parametrize(("one", "line"), [p for p in LINES if p.values[1].key.startswith("repair.")])
def test_every_rule_named_is_one_and_has_that_mode(one, line):
    (made,) = [profile for profile in profiles_in_force(_BARE) if profile.name == one.profile.name]
    assert chosen_rules(_BARE, made)[1][line.key.removeprefix("repair.")] == line.value


@pytest.mark.parametrize("one", SHIPPED, ids=lambda one: one.profile.name)
def test_every_setting_has_its_line(one):
    """The profile is made from its lines; nothing comes in beside them."""
    profile = one.profile
    keys = profile.model_fields_set - {"name", "match", "repair"}
    keys |= {f"match.{key}" for key in profile.match.model_fields_set} | {f"repair.{key}" for key in profile.repair}
    assert keys == {line.key for line in one.lines}


def test_the_page_has_every_line():
    page = profiles_page()
    assert page.count("\n| `") == sum(len(one.lines) for one in SHIPPED)
    assert all(f"\n## {one.profile.name}\n" in page for one in SHIPPED)
