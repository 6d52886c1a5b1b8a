"""The settings that mend what was found load as they stand, whatever stood in the capture."""

from __future__ import annotations

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.capture.captured import Tally
from proxy.cli import read_config
from proxy.config.load import parse_config
from proxy.doctor.remedy import settings as settings_of
from proxy.doctor.remedy import snippet
from proxy.doctor.report import Example, Finding, Party, Report
from proxy.repair.watched import Watched
from proxy.rule_source import from_file
from tests.proxy.doctor.traffic import ALICE, SERVER, SETTING, invite, register, report_on
from tests.support.captures import udp
from tests.support.own_rule_files import GOOD

NAMES = [rule.name for rule in SETTING.rules]


def made(agent, domain, rules, transports=("udp",)):
    report = Report("x", Tally())
    report.domain = domain
    report.transports = set(transports)
    party = Party("client", agent)
    for rule in rules:
        party.note(Finding(rule, rule, "error", "", "", Example(1, "", "", [])))
    report.parties = [party]
    return report


def test_settings_of_a_real_report_load(tmp_path):
    packets = [
        udp(ALICE, SERVER, register(Contact="<sip:alice@192.168.1.9>", User_Agent="Home made/1.0")),
        udp(ALICE, SERVER, invite(Max_Forwards="1000", User_Agent="Home made/1.0")),
    ]
    text = report_on(packets).settings
    file = tmp_path / "sipmend.yaml"
    file.write_text(text)
    config = read_config(str(file))
    assert config.server.domain == "example.com"
    assert str(config.server.uri) == "sip:93.184.216.1:5060"
    assert config.repair["contact-private"].mode == "repair"
    (profile,) = config.profiles
    assert (profile.name, profile.match.user_agent) == ("home-repairs", "^Home")
    assert profile.repair["maxfwd-high"].mode == "repair"


def test_rules_of_the_administrator_are_named_beside_it(tmp_path):
    """Their section `plugins` is in another file: with their names alone these settings would not load."""
    source = tmp_path / "rules.py"
    source.write_text(GOOD)
    own = [Watched(rule) for rule in from_file(source)]
    rules = (*SETTING.rules, *own)
    assert settings_of(made("Acme 1", "example.com", ["acme-subject"]), SERVER, rules) == ""
    text = settings_of(made("Acme 1", "example.com", ["acme-subject", "contact-private"]), SERVER, rules)
    file = tmp_path / "sipmend.yaml"
    file.write_text(text)
    assert set(read_config(str(file)).repair) == {"contact-private"}
    assert "# Not here, because your configuration has them: acme-subject\n" in text


def test_every_transport_has_its_listener():
    report = made("A", "example.com", NAMES, ("udp", "tcp", "ws", "wss"))
    text = settings_of(report, ("2001:db8::1", 5080), SETTING.rules)
    config = parse_config(text, "x.yaml", {})
    assert [item.uri.transport for item in config.listen] == ["udp", "tcp", "ws"]
    assert str(config.server.uri) == "sip:[2001:db8::1]:5080"


def test_nothing_found_needs_no_settings():
    assert settings_of(made("A", "example.com", []), SERVER, SETTING.rules) == ""
    assert settings_of(made("A", "example.com", [""]), SERVER, SETTING.rules) == ""


def finding(rule, mended=False):
    return Finding(rule, rule, "error", "", "", Example(1, "", "", []), mended)


def client(agent, profile=""):
    party = Party("client", agent)
    party.profile = profile
    return party


def test_snippet_is_a_section():
    party = client("Acme GXP")
    general = yaml.safe_load(snippet(party, finding("maxfwd-missing"), "repair"))
    assert general == {"repair": {"maxfwd-missing": "repair"}}
    (profile,) = yaml.safe_load(snippet(party, finding("maxfwd-high"), "report"))["profiles"]
    assert profile == {
        "name": "acme-repairs",
        "match": {"user_agent": "^Acme"},
        "repair": {"maxfwd-high": "repair"},
    }
    (profile,) = yaml.safe_load(snippet(client("SIP.js/0.21", "SIP.js"), finding("maxfwd-high"), "report"))["profiles"]
    assert (profile["base"], profile["match"]["user_agent"]) == ("SIP.js", r"^SIP\.js")
    (profile,) = yaml.safe_load(snippet(client("Acme", "own"), finding("maxfwd-high"), "report"))["profiles"]
    assert "base" not in profile  # only those that are shipped are everywhere
    unnamed = snippet(client(""), finding("maxfwd-high"), "report")
    assert yaml.safe_load(unnamed) == {"repair": {"maxfwd-high": "repair"}}


def test_what_a_profile_mends_is_not_set_again():
    party = client("SIP.js/0.21", "SIP.js")
    mended = finding("contact-bad-param-chars", mended=True)
    assert snippet(party, mended, "off") == "# nothing to add: the profile SIP.js mends it\n"
    report = made("SIP.js/0.21", "example.com", [])
    report.parties = [party]
    party.note(mended)
    data = yaml.safe_load(settings_of(report, SERVER, SETTING.rules))
    assert not {"repair", "profiles"} & set(data)


@settings(max_examples=60)
@given(
    st.text(max_size=30) | st.sampled_from(["${HOME}", "a: b", "A*[", "- x", "SIP.js/0.21 \n", "default"]),
    st.text(max_size=30) | st.sampled_from(["${X}", "a..b", "-a.b", "[::1]", "1.2.3.4", "x" * 300, "a.b:5"]),
    st.sampled_from([SERVER, None, ("fe80::1%eth0", 1), ("pbx", 5060), ("::1", 0)]),
)  # fmt: skip
def test_hostile_names_load_too(agent, domain, server):
    report = made(agent, domain, ["maxfwd-high", "maxfwd-missing"])
    parse_config(settings_of(report, server, SETTING.rules), "x.yaml", {})
