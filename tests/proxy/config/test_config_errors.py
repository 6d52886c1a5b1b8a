"""Mistakes name their key and their place as an administrator would."""

from __future__ import annotations

import pytest

from proxy.config.errors import ConfigError, ConfigErrors, Origin, Place, did_you_mean, key_text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("listen",), "listen"),
        (("listen", 0, "public_port"), "listen[0].public_port"),
        (("server", "targets", 2, "uri"), "server.targets[2].uri"),
    ],
)
def test_key_paths_read_like_code(path, text):
    assert key_text(path) == text


def test_the_line_begins_as_editors_and_terminals_expect():
    error = ConfigError("edge.yaml", 3, 5, "listen[0].uri", "is wrong")
    assert str(error) == "edge.yaml:3:5: listen[0].uri: is wrong"


def test_a_mistake_of_the_whole_file_has_no_key():
    assert str(ConfigError("edge.yaml", 1, 1, "", "cannot be read")) == "edge.yaml:1:1: cannot be read"


@pytest.mark.parametrize(
    ("word", "hint"),
    [("lisen", ", did you mean listen"), ("LISTEN", ", did you mean listen"), ("zzz", ""), ("", "")],
)
def test_a_near_word_is_offered_and_a_far_one_is_not(word, hint):
    assert did_you_mean(word, ["listen", "limits"]) == hint


def test_a_known_word_is_offered_in_its_own_case():
    assert did_you_mean("sip_pasword", ["SIP_PASSWORD"]) == ", did you mean SIP_PASSWORD"


def test_errors_come_in_the_order_of_the_file_and_once():
    first, second = ConfigError("a", 2, 1, "x", "wrong"), ConfigError("a", 10, 1, "b", "wrong")
    errors = ConfigErrors([second, first, second])
    assert errors.errors == [first, second]
    assert str(errors) == "a:2:1: x: wrong\na:10:1: b: wrong"


def test_the_place_is_that_of_the_value_or_of_the_key_as_asked():
    origin = Origin("a", keys={("log",): Place(4, 1)}, values={("log",): Place(4, 6)})
    assert origin.error(("log",), "x").column == 6
    assert origin.error(("log",), "x", at_key=True).column == 1


def test_what_is_missing_is_reported_where_it_should_be():
    origin = Origin("a", keys={("server",): Place(7, 1)}, values={("server",): Place(8, 3), (): Place(7, 1)})
    error = origin.error(("server", "health", "interval"), "missing")
    assert (error.line, error.column, error.key) == (7, 1, "server.health.interval")


def test_the_key_ends_at_what_was_written():
    """`listen: [udp://...]` has no key `uri` in the file."""
    path = ("listen", 0)
    origin = Origin("a", values={path: Place(2, 5)}, scalars={path})
    assert origin.error((*path, "uri"), "wrong") == ConfigError("a", 2, 5, "listen[0]", "wrong")


def test_settings_from_no_file_still_give_a_place():
    assert str(Origin().error(("log",), "wrong")) == "configuration:1:1: log: wrong"
