"""The section `headers` in the file: every mistake at its place, in words that help."""

from __future__ import annotations

import pytest

from proxy.config.errors import ConfigErrors
from proxy.config.headers import LONGEST_VALUE
from proxy.config.load import parse_config
from proxy.config.render import render_effective

FILE = "server: {domain: example.com, uri: 'sip:10.0.0.5'}\nlisten: ['udp://192.0.2.1:5060']\n"


def load(rest: str):
    return parse_config(FILE + rest, "edge.yaml", {"HOME": "/nonexistent"})


def told(rest: str) -> str:
    with pytest.raises(ConfigErrors) as caught:
        load(rest)
    return str(caught.value)


def entry(text: str) -> str:
    return f"headers: [{{name: a, {text}}}]"


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("headers: [{remove: Server}]", "edge.yaml:3:11: headers[0].name: this required key is missing"),
        ("headers: [{name: A b, remove: Server}]", "headers[0].name: should be lower-case words joined by hyphens"),
        ("headers: [{name: a}]", "headers[0]: an entry does exactly one thing: set, add, remove, copy, rename"),
        (entry("remove: Server, set: Date2, value: x"), "headers[0].remove: an entry does exactly one thing"),
        (entry("remove: Server, value: x"), "headers[0].value: `remove` has no use for it"),
        (entry("set: X-A"), "edge.yaml:3:26: headers[0].set: needs `value` beside it"),
        (entry("copy: X-A"), "headers[0].copy: needs `to` beside it"),
        (entry("rename: s, to: SUBJECT"), "headers[0].to: is the same header"),
        (entry("substitute: X-A, pattern: b"), "headers[0].substitute: needs `with` beside it"),
        (entry("substitute: X-A, pattern: '(b', with: ''"), "headers[0].pattern: is no regular expression"),
        (
            entry("substitute: X-A, pattern: '(b)', with: '\\2'"),
            "headers[0].with: has \\2, but the pattern has one group",
        ),
        (entry("remove: 'X-A:'"), "headers[0].remove: 'X-A:' is no name of a header: write it without the colon"),
        (entry("removed: X-A"), "headers[0].removed: unknown key, did you mean remove"),
        (entry("kopy: X-A"), "headers[0].kopy: unknown key, did you mean copy"),
        (entry("set: X-A, value: ' '"), "headers[0].value: should not be empty"),
        (entry('set: X-A, value: "a\\r\\nVia: b"'), "headers[0].value: should have no line ends"),
        (entry('set: X-A, value: "a\\0b"'), "headers[0].value: should have no line ends"),
        (entry(f"set: X-A, value: {'a' * (LONGEST_VALUE + 1)}"), "headers[0].value: should be at most 1000 characters"),
        (entry('substitute: X-A, pattern: b, with: "\\n"'), "headers[0].with: should have no line ends"),
        (entry("set: X-A, value: 5"), "headers[0].value: should be text, not 5: put it in quotes"),
        (entry("copy: Authorization, to: X-A"), "headers[0].copy: Authorization cannot be copied: it holds secrets"),
        (entry("remove: Server, when: {method: invite}"), "when.method: should be a method in capitals"),
        (
            entry("remove: Server, when: {direction: out}"),
            "when.direction: should be to_server or to_client, not 'out'",
        ),
        (entry("remove: Server, when: {profile: desk}"), "when.profile: there is no profile named desk"),
        (entry("remove: Server, when: {header: {pattern: x}}"), "when.header[0].name: this required key is missing"),
        ("headers: [{name: a, remove: X-A}, {name: a, remove: X-B}]", "headers[1].name: there is another entry named"),
        (
            "profiles: [{name: JsSIP, enabled: false}]\n" + entry("remove: X, when: {profile: [JsSIP]}"),
            "headers[0].when.profile[0]: the profile JsSIP is turned off",
        ),
    ],
)
def test_mistakes(rest, expected):
    assert expected in told(rest)


@pytest.mark.parametrize(
    "text",
    [
        "set: X-A, value: ''",
        "substitute: X-A, pattern: '(', with: x",
        "remove: Via, set: X-A, value: x",
        "add: m, value: x",
    ],
)
def test_one_mistake_is_told_once(text):
    assert len(told(entry(text) + "\nlog: {level: loud}").splitlines()) == 2


@pytest.mark.parametrize(
    "name",
    [
        "Via", "v", "Route", "record-route", "Path", "Contact", "m", "FROM", "t", "Call-ID", "i", "CSeq",
        "Max-Forwards", "Max-Breadth", "Content-Length", "l", "Expires", "Flow-Timer", "Proxy-Require",
        "Authorization", "Proxy-Authorization", "WWW-Authenticate", "Proxy-Authenticate", "Identity", "y", "Date",
        "Service-Route", "RSeq", "RAck", "Authentication-Info",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "action",
    [
        "set: {0}, value: x", "add: {0}, value: x", "remove: {0}", "rename: {0}, to: X-A", "rename: X-A, to: {0}",
        "copy: X-A, to: {0}", "substitute: {0}, pattern: x, with: y",
    ],
)  # fmt: skip
def test_what_the_proxy_owns_is_refused(name, action):
    assert f"{name} cannot be changed here: " in told(entry(action.format(f"'{name}'")))


def test_one_item_may_stand_without_a_list():
    when = load(entry("remove: Server, when: {method: INVITE, profile: JsSIP, header: f}")).headers[0].when
    assert (when.method, when.profile, when.header[0].name) == (("INVITE",), ("JsSIP",), "f")


def test_the_settings_in_effect_are_a_file_again():
    config = load(entry("substitute: X-A, pattern: '(b)', with: '\\1\\1', when: {header: Subject}"))
    again = parse_config(render_effective(config), "again.yaml", {"HOME": "/nonexistent"})
    assert again.headers == config.headers
    assert again.headers[0].replacement == "\\1\\1"
