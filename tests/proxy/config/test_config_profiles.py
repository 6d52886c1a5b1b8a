"""Profiles in the file: what they inherit, which come first, and every mistake at its place."""

from __future__ import annotations

import pytest

from proxy.config.errors import ConfigErrors
from proxy.config.load import parse_config
from proxy.config.profiles import profiles_in_force

FILE = "server: {domain: example.com, uri: 'sip:10.0.0.5'}\nlisten: ['udp://192.0.2.1:5060']\n"


def in_force(rest):
    config = parse_config(FILE + rest, "edge.yaml", {"HOME": "/nonexistent"})
    return {one.name: one for one in profiles_in_force(config)}


def test_shipped_ones_are_there():
    assert list(in_force("")) == ["SIP.js", "JsSIP"]
    assert in_force("")["SIP.js"].expires_max == 120


def test_a_shipped_one_can_be_turned_off():
    assert list(in_force("profiles: [{name: SIP.js, enabled: false}]")) == ["JsSIP"]


def test_the_name_of_a_shipped_one_keeps_its_clients():
    made = in_force("profiles: [{name: JsSIP, rport: always}]")["JsSIP"]
    assert (made.match.user_agent, made.rport, made.expires_max) == ("JsSIP[/ ]", "always", 0)


def test_settings_are_taken_from_the_base():
    """Its own win; a shipped one of the same name may be the base too."""
    made = in_force(
        "profiles:\n- {name: a, base: b, rport: never, repair: {maxfwd: off}}\n"
        "- {name: b, base: JsSIP, rport: always, contact: leave, repair: {maxfwd: report}}\n"
        "- {name: SIP.js, base: SIP.js, contact: leave}"
    )
    a = made["a"]
    assert (a.rport, a.contact, a.expires_max) == ("never", "leave", 120)
    assert [layer["maxfwd"].mode for layer in a.layers if layer] == ["report", "off"]
    assert a.match.user_agent is None
    assert (made["SIP.js"].expires_max, made["SIP.js"].contact) == (120, "leave")


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("profiles: [{name: a}, {name: a}]", "edge.yaml:3:30: profiles[1].name: there is another profile named a"),
        (
            "profiles: [{name: a, base: JsSPI}]",
            "profiles[0].base: there is no profile of this name, did you",
        ),
        ("profiles: [{name: a, base: a}]", "profiles[0].base: the profiles start from each other in a circle"),
        ("profiles: [{name: a, base: b}, {name: b, base: a}]", "profiles[1].base: the profiles start"),
        ("profiles: [{name: a, match: {listener: 'tcp://192.0.2.1:5061'}}]", "profiles[0].match.listener: no listener"),
        ("profiles: [{name: a, match: {user_agent: '(a'}}]", "profiles[0].match.user_agent: is no regular expression"),
        ("profiles: [{name: a, match: {aor: '(a)\\1'}}]", "invalid escape"),
        ("profiles: [{name: a, rport: maybe}]", "profiles[0].rport"),
        ("profiles: [{name: a, expires_max: 120}]", "did you mean 120s"),
    ],
)
def test_mistakes(rest, told):
    with pytest.raises(ConfigErrors) as wrong:
        in_force(rest)
    assert told in "\n".join(str(error) for error in wrong.value.errors)


@pytest.mark.parametrize(
    ("profiles", "told"),
    [
        ("", "listen[0].profile: there is no profile of this name"),
        ("profiles: [{name: JsSPI, enabled: false}]", "turned off"),
    ],
)
def test_a_listener_names_a_profile_that_is_there(profiles, told):
    text = FILE.replace("'udp://192.0.2.1:5060'", "{uri: 'udp://192.0.2.1:5060', profile: JsSPI}")
    with pytest.raises(ConfigErrors) as wrong:
        parse_config(text + profiles, "edge.yaml", {"HOME": "/nonexistent"})
    assert told in "\n".join(str(error) for error in wrong.value.errors)
