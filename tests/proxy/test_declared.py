"""Entries of `headers` beside the rules: their names, modes and profiles."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from proxy.cli import cli, read_config
from proxy.config.errors import ConfigErrors
from proxy.config.profiles import profiles_in_force
from proxy.declared import declared_rules
from proxy.repair.rule import REQUEST_IN, RESPONSE_IN, RESPONSE_OUT
from proxy.ruling import chosen_rules

FILE = "server: {domain: example.com, uri: 'sip:10.0.0.5'}\nlisten: ['udp://192.0.2.1:5060']\nstore: memory\n"
ENTRY = "headers:\n- {name: tidy, remove: Server, when: {direction: to_client, message: response}}\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "edge.yaml"

    def written(rest: str) -> str:
        path.write_text(FILE + rest, "utf-8")
        return str(path)

    return written


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("headers: [{name: contact-private, remove: Server}]", "headers[0].name: sipmend has a rule of this name"),
        ("headers: [{name: maxfwd, remove: Server}]", "headers[0].name: it would stand for all rules of sipmend"),
        (ENTRY + "repair: {tydi: off}\n", "repair.tydi: there is no repair rule of this name"),
        (ENTRY + "repair: {tidy: of}\n", "repair.tidy"),
        (ENTRY + "profiles: [{name: x, repair: {tidyy: off}}]\n", "profiles[0].repair.tidyy: there is no repair rule"),
    ],
)
def test_mistakes(file, rest, told):
    with pytest.raises(ConfigErrors) as caught:
        read_config(file(rest))
    assert told in str(caught.value)


def test_the_mode_of_an_entry_and_what_comes_over_it(file):
    rest = ENTRY.replace("name: tidy", "name: tidy, mode: report")
    profiles = "profiles: [{name: a, repair: {tidy: off}}, {name: b}]\n"
    config = read_config(file(rest + profiles))
    modes = {one.name: chosen_rules(config, one)[1]["tidy"] for one in profiles_in_force(config)}
    assert (chosen_rules(config)[1]["tidy"], modes["a"], modes["b"]) == ("report", "off", "report")


def test_other_profiles_do_not_meet_an_entry(file):
    profiles = "profiles: [{name: a}, {name: b}, {name: c}]\n"
    rest = "headers: [{name: tidy, remove: Server, when: {profile: [a, b]}}]\n" + profiles
    config = read_config(file(rest))
    met = {one.name: [rule.name for rule in chosen_rules(config, one)[0]][-1] for one in profiles_in_force(config)}
    assert met["a"] == met["b"] == "tidy"
    assert "tidy" not in (met["c"], met["JsSIP"], chosen_rules(config)[0][-1].name)


def test_stages_and_methods(file):
    rest = (
        "headers:\n- {name: a, remove: X, when: {direction: to_client, message: response, method: [BYE, INFO]}}\n"
        "- {name: b, remove: X, when: {direction: to_server}}\n"
    )
    first, second = declared_rules(read_config(file(rest)).headers)
    assert (first.stages, first.methods) == ((RESPONSE_OUT,), (b"BYE", b"INFO"))
    assert (set(second.stages), second.methods) == ({REQUEST_IN, RESPONSE_IN}, ())


def test_rules_lists_them(file):
    result = CliRunner().invoke(
        cli, ["rules", "-c", file(ENTRY.replace("remove: Server", "remove: Server, reason: why"))]
    )
    assert any(line.startswith("tidy ") and line.endswith("why") for line in result.output.splitlines())
    assert result.exit_code == 0
