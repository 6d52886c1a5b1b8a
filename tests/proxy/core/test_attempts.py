"""Further attempts: what they hold and when they let go. What they do is played in tests/ladders/test_failover.py."""

from __future__ import annotations

import pytest
from parts import ALICE, K, node, request, response

from proxy.core.attempts import Attempts
from proxy.core.response_context import ResponseContext
from proxy.flow import UDP
from proxy.transaction.key import server_key
from proxy.transaction.timers import NEVER

TWO = ((UDP, "10.0.0.5", 5060), (UDP, "10.0.0.6", 5060))


class Home:
    """Nobody is at home: no answer comes in these tests."""


class Opener:
    """Writes down which targets were tried."""

    def __init__(self, layer) -> None:
        self.layer = layer
        self.opened: list[str] = []

    def open(self, context, request, target, leaving, mark, out):
        self.opened.append(f"{target.address[1]} {leaving.address[0]}")
        return self.layer.open_client(request, b"b%d" % len(self.opened), leaving, context, out)


class Play:
    def __init__(self, method: str = "INVITE", addresses=TWO) -> None:
        self.node = node(resolve=False)
        self.node.targets.resolve(addresses)
        self.opener = Opener(self.node.layer)
        self.out: list = []
        message = request(method)
        layer = self.node.layer
        server = layer.open_server(message, server_key(message, 0), ALICE, self.out)
        context = ResponseContext(Home(), layer, message, ALICE, server)
        self.first = layer.open_client(message.copy(), b"b0", K, context, self.out)
        target = self.node.targets.all[0]
        self.attempts = Attempts(self.opener, self.node, context, message, b"", target, self.first)
        self.attempts.watch()


@pytest.fixture
def play():
    return Play()


def test_next_target_once(play):
    assert play.attempts.after_error(play.first, play.out)
    assert play.opener.opened == ["10.0.0.6 10.0.0.6"]
    assert not play.attempts.after_error(play.first, play.out), "that branch is not under way any more"


def test_503_of_the_last_one(play):
    assert play.attempts.after_503(response(503), play.out)
    assert not play.attempts.after_503(response(503), play.out)


@pytest.mark.parametrize(("value", "rest"), [("7", 7.0), ("120;duration=9", 120.0), ("999", 300.0), ("x", 0.0)])
def test_rest_that_the_target_asks_for(play, value, rest):
    play.attempts.after_503(response(503, f"Retry-After: {value}"), play.out)
    assert play.node.targets.all[0].busy_until == play.node.now * (rest > 0) + rest


def test_branch_that_was_heard_goes_nowhere_else(play):
    play.attempts.heard(play.first)
    assert not play.attempts.after_error(play.first, play.out)
    assert play.attempts.run_due(play.node.now + 60.0, play.out) == NEVER
    assert play.opener.opened == []


def test_silence_is_noticed_after_the_time_of_the_settings(play):
    started = play.node.now
    assert play.attempts.run_due(started + 3.9, play.out) == started + 4.0
    play.attempts.run_due(started + 4.0, play.out)
    assert play.opener.opened == ["10.0.0.6 10.0.0.6"]
    assert play.first.abandoned


def test_silence_of_the_only_target_changes_nothing():
    play = Play(addresses=TWO[:1])
    assert play.attempts.run_due(play.node.now + 4.0, play.out) == NEVER
    assert not play.first.abandoned


def test_nothing_is_held_once_it_is_answered(play):
    """The wheel may still have an entry for it."""
    play.attempts.stop()
    assert play.attempts.run_due(play.node.now + 60.0, play.out) == NEVER
    assert not play.attempts.after_503(response(503), play.out)
    assert [play.attempts._context, play.attempts._request, play.attempts._branch, play.attempts.beside] == [None] * 4
