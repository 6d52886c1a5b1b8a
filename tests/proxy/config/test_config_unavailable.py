"""What this version cannot do is refused, and the message says what to use instead."""

from __future__ import annotations

import pytest

from proxy.config.model import Config
from proxy.config.unavailable import ROWS, unavailable

SMALLEST = {"server": {"domain": "example.com", "uri": "sip:10.0.0.5"}, "listen": ["udp://10.0.0.2:5060"]}


def changed(path, value):
    """The smallest configuration with one more setting; `*` is the first item of a list."""
    data = {**SMALLEST, "server": dict(SMALLEST["server"]), "listen": [{"uri": SMALLEST["listen"][0]}]}
    held = data
    for step in path[:-1]:
        held = held[0] if step == "*" else held.setdefault(step, [{"uri": "sip:10.0.0.5"}] if step == "targets" else {})
    held[path[-1]] = value
    return Config.model_validate(data)


EXAMPLES = [
    (("server", "targets", "*", "weight"), 3, "sharing calls by weight is not available in this version"),
    (("server", "in_dialog"), "follow", "`follow` is not available in this version; use server"),
    (("store",), "redis://10.0.0.9", "Redis is not available in this version; use sqlite:PATH"),
    (("store",), "rediss://10.0.0.9", "Redis is not available in this version; use sqlite:PATH"),
]


@pytest.mark.parametrize(("path", "value", "text"), EXAMPLES)
def test_a_feature_of_a_later_version_is_refused(path, value, text):
    where = tuple(0 if step == "*" else step for step in path)
    found = list(unavailable(changed(path, value)))
    assert [key for key, _ in found] == [where]
    assert found[0][1].startswith(text)


def test_what_this_version_can_do_is_not_refused():
    assert list(unavailable(Config.model_validate(SMALLEST))) == []
    tcp = {**SMALLEST, "listen": ["tcp://10.0.0.2"], "plugins": ["edge:Rule"], "public_address": "203.0.113.10"}
    assert list(unavailable(Config.model_validate(tcp))) == []
    stun = {"public_address": "stun:stun.example.com", "listen": [{"uri": "udp://0.0.0.0", "public_address": "stun:a"}]}
    assert list(unavailable(Config.model_validate({**SMALLEST, **stun}))) == []


def test_every_row_has_its_example():
    assert {path for path, _, _ in ROWS} == {path for path, _, _ in EXAMPLES}
