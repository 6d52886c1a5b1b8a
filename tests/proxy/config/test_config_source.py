"""YAML becomes plain data with places; `${NAME}` comes from the environment."""

from __future__ import annotations

import pytest

from proxy.config.errors import Place
from proxy.config.source import Source


def read(text, **environ):
    return Source("edge.yaml", text, environ)


def value(text, **environ):
    source = read(f"key: {text}\n", **environ)
    assert source.errors == []
    return source.data["key"]


def mistakes(text, **environ):
    return [str(error) for error in read(text, **environ).errors]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("5060", 5060),
        ("-1", -1),
        ("010", "010"),
        ("10:30", "10:30"),
        ("1_000", "1_000"),
        ("2.5", 2.5),
        ("30s", "30s"),
        ("'5060'", "5060"),
        ('"true"', "true"),
        ("''", ""),
        ("9" * 5000, "9" * 5000),
        ("2026-11-23", "2026-11-23"),
        ("[a, 1]", ["a", 1]),
        ("{a: {b: on}}", {"a": {"b": "on"}}),
    ],
)
def test_scalars_are_what_they_look_like(text, expected):
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_an_empty_section_is_no_section():
    """A key with nothing but comments below it is the same as no key."""
    source = read("limits:\n  # guests: 5\nlog: ~\n")
    assert source.data == {}
    assert source.errors == []
    assert ("limits",) in source.origin.keys


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_is_an_empty_mapping(text):
    source = read(text)
    assert source.data == {}
    assert source.errors == []


def test_every_key_and_value_has_its_place():
    origin = read("server:\n  domain: example.com\nlisten:\n  - udp://x\n  - uri: tcp://y\n").origin
    assert origin.keys["server", "domain"] == Place(2, 3)
    assert origin.values["server", "domain"] == Place(2, 11)
    assert origin.values["listen", 0] == Place(4, 5)
    assert origin.values["listen", 1, "uri"] == Place(5, 10)


def test_anchors_work():
    source = read("a: &x {b: 1}\nc: *x\n")
    assert source.data == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "edge.yaml:2:1: a: this key is given twice, first on line 1: keep one"),
        ("a: {b: 1, b: 2}\n", "edge.yaml:1:11: a.b: this key is given twice, first on line 1: keep one"),
        ("a: &x [*x]\n", "edge.yaml:1:4: a[0]: the alias contains itself"),
        ("a: {<<: {b: 1}}\n", "edge.yaml:1:5: a: merge keys are not supported: write the keys out"),
        ("? [a, b]\n: 1\n", "edge.yaml:1:3: a key should be one word"),
        ("a: !!python/name:os.system\n", "edge.yaml:1:4: a: the tag tag:yaml.org,2002:python/name:os.system is not"),
        ("- a\n", "edge.yaml:1:1: the file should be a mapping of keys such as server and listen"),
        ("just words\n", "edge.yaml:1:1: the file should be a mapping of keys"),
        ("a: [1\nb: 2\n", "edge.yaml:2:2: not YAML: while parsing a flow sequence expected ',' or ']'"),
        ("a:\n\tb: 1\n", "edge.yaml:2:1: not YAML: while scanning for the next token found character '\\t'"),
        ("a: *x\n", "edge.yaml:1:4: not YAML: found undefined alias 'x'"),
        ("a: 1\n---\nb: 2\n", "edge.yaml:2:1: not YAML: expected a single document in the stream"),
        ("a: 1\nb: \x07\n", "edge.yaml:2:4: not YAML: the character U+0007 is not allowed"),
        ("a: " + "[" * 3000 + "\n", "edge.yaml:1:1: not usable: nested too deeply"),
    ],
)
def test_mistakes_of_yaml_have_their_place(text, message):
    found = mistakes(text)
    assert len(found) == 1
    assert found[0].startswith(message)


def test_all_double_keys_are_found_at_once():
    assert len(mistakes("a: 1\na: 2\nb: {c: 1, c: 2}\na: 3\n")) == 3


def test_the_hint_names_the_tab():
    assert "indent with spaces" in mistakes("a:\n\tb: 1\n")[0]


def test_the_hint_names_the_quotes():
    assert 'needs quotes: "${NAME}"' in mistakes("a: {b: ${NAME}}\n")[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${HOST}", "pbx"),
        ("sip:${HOST}:${PORT}", "sip:pbx:5062"),
        ("${PORT}", 5062),
        ("'${PORT}'", "5062"),
        ("${NONE:-x}", "x"),
        ("${NONE:-}", None),
        ("${EMPTY:-x}", "x"),
        ("${HOST:-x}", "pbx"),
        ("${NONE:-sip:10.0.0.5:5060}", "sip:10.0.0.5:5060"),
        ("$HOST", "$HOST"),
        ("$${HOST}", "${HOST}"),
        ("a$b{c}", "a$b{c}"),
    ],
)
def test_references_are_replaced_before_typing(text, expected):
    source = read(f"key: {text}\n", HOST="pbx", PORT="5062", EMPTY="")
    assert source.errors == []
    assert source.data.get("key") == expected


def test_what_the_environment_holds_is_not_expanded_again():
    assert value("${A}", A="${B}", B="x") == "${B}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${HOTS}", "the environment has no HOTS: set it, or write ${HOTS:-default}, did you mean HOST"),
        ("${a b}", "${a b} should be ${NAME} or ${NAME:-default} (write $${ for a plain ${)"),
        ("${HOST", "${HOST should be ${NAME} or ${NAME:-default}"),
        ("${}", "${} should be ${NAME}"),
        ("${HOST-x}", "${HOST-x} should be ${NAME}"),
    ],
)
def test_bad_references_are_mistakes_at_their_value(text, message):
    source = read(f"a:\n  key: {text}\n", HOST="pbx")
    assert str(source.errors[0]).startswith(f"edge.yaml:2:8: a.key: {message}")
    assert source.broken == {("a", "key")}
