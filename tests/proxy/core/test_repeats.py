"""Repetitions by another flow: what is remembered of them; what becomes of the answers is played in the ladders."""

from __future__ import annotations

import pytest
from parts import ALICE, EDGE, node, request

from proxy.binding import Binding
from proxy.core.repeats import Repeats, sender_of
from proxy.flow import Flow
from proxy.transaction.key import server_key

ELSEWHERE = Flow(EDGE, "192.0.2.44", 40000)


class Play:
    def __init__(self) -> None:
        self.node = node()
        self.repeats = Repeats(self.node)
        self.binding = Binding(b"b" + b"x" * 16, b"alice@example.com", b"alice", b"", 0, b"sip:alice@h", ALICE)
        self.node.bindings.commit(self.binding, ALICE)

    def answered(self, number: int = 0):
        """A request that the binding sent by its first flow."""
        message = request("MESSAGE", f"Via: SIP/2.0/UDP h;branch=z9hG4bK{number}")
        known = self.node.layer.open_server(message, server_key(message, 0), ALICE, [])
        known.sender = self.binding
        self.node.layer.answer(known, 200, b"answer", [])
        return known, message


@pytest.fixture
def play() -> Play:
    return Play()


def test_nothing_is_remembered_of_guests(play):
    known, message = play.answered()
    known.sender = None
    play.repeats.take(known, message, known.key, ELSEWHERE, [])
    assert sender_of(known) is None
    assert play.repeats._absorbed == {}


def test_what_is_remembered_is_bounded(play):
    """A stranger repeats whatever it heard: the oldest is forgotten."""
    for number in range(1000):
        known, message = play.answered(number)
        play.repeats.take(known, message, known.key, ELSEWHERE, [])
        play.repeats.take(known, message, known.key, ELSEWHERE, [])
    assert len(play.repeats._absorbed) == 256
    play.node.bindings.move(play.binding, ELSEWHERE)
    assert play.repeats._absorbed == {}
    assert known.flow is ELSEWHERE
    assert play.node.counts.dropped == {"other_flow": 2000}


def test_move_of_somebody_else_changes_nothing(play):
    known, message = play.answered()
    play.repeats.take(known, message, known.key, ELSEWHERE, [])
    other = Binding(b"b" + b"y" * 16, b"bob@example.com", b"bob", b"", 0, b"sip:bob@h", ALICE)
    play.node.bindings.commit(other, Flow(EDGE, "192.0.2.55", 5060))
    play.node.bindings.move(other, ELSEWHERE)
    assert known.flow is ALICE
    assert len(play.repeats._absorbed) == 1
