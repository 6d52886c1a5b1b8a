"""Which call gives way, and what is looked through to find it; the calls themselves are played in the ladders."""

from __future__ import annotations

import pytest
from parts import ALICE, node, request

from proxy.core.overload import Overload
from proxy.sip.errors import SipError
from proxy.transaction.key import server_key
from proxy.transaction.machine import PROCEEDING, TERMINATED


class User:
    """Stands for a response context."""


class Play:
    def __init__(self, most: int = 100) -> None:
        self.node = node(max_transactions=most)
        self.overload = Overload(self.node)

    def opens(self, number: int, method: str = "INVITE", user: object = None):
        message = request(method, f"Via: SIP/2.0/UDP h;branch=z9hG4bK{number}", f"Call-ID: {number}")
        t = self.node.layer.open_server(message, server_key(message, 0), ALICE, [])
        t.user = user or User()
        return t


@pytest.fixture
def play() -> Play:
    return Play()


def test_oldest_that_nobody_answered(play):
    """In the order in which they came, whatever lies between."""
    calls = [play.opens(number, "INVITE" if number % 2 else "MESSAGE") for number in range(10)]
    assert play.overload.find_oldest() is calls[1]
    assert play.overload.find_oldest() is calls[1], "until it is given up"
    play.node.layer.answer(calls[1], 486, b"busy", [])
    play.node.layer.answer(calls[5], 200, b"answered", [])
    calls[7].user = None
    assert play.overload.find_oldest() is calls[1], "what is answered goes first"
    calls[1].end()
    assert play.overload.find_oldest() is calls[3]
    calls[3].end()
    assert play.overload.find_oldest() is calls[9]


def test_none(play):
    play.opens(1, "MESSAGE")
    with pytest.raises(SipError) as caught:
        play.overload.find_oldest()
    assert (caught.value.status, caught.value.label) == (503, "transactions_full")


def test_new_calls_are_found_too(play):
    first = play.opens(1)
    assert play.overload.find_oldest() is first
    second = play.opens(2)
    first.end()
    assert play.overload.find_oldest() is second


def test_answered_ones_of_any_method_are_forgotten_before_a_call_is_given_up():
    play = Play(2)
    ringing, asked = play.opens(1), play.opens(2, "MESSAGE")
    play.node.layer.answer(asked, 200, b"fine", [])
    play.opens(3, "MESSAGE")
    oldest = play.overload.find_oldest()
    play.overload.give_up(oldest, [])
    assert (ringing.state, asked.state) == (PROCEEDING, TERMINATED)
    assert play.node.counts.dropped == {"answered_forgotten": 1}


def test_large_table_is_looked_through_at_once():
    """The first request that finds it full is taken."""
    play = Play(3000)
    calls = [play.opens(number) for number in range(3000)]
    assert play.overload.find_oldest() is calls[0]


def test_end_of_what_is_kept_for_those_that_were_given_up():
    play = Play(2)
    for number in range(4):
        play.opens(number)
    with pytest.raises(SipError):
        play.overload.find_oldest()
    assert not play.overload.has_room()


def test_large_table_without_calls_is_looked_through_now_and_then():
    """A refusal must stay cheap, whatever the table holds."""
    play = Play(3000)
    for number in range(3000):
        play.opens(number, "MESSAGE")
    looked = 0
    for _ in range(470):
        with pytest.raises(SipError):
            play.overload.find_oldest()
        looked += play.overload._asked == 0
    assert looked == 10, "at first, and after each 47 (3000 / 64)"
    play.node.layer.scene.now += 1.0
    with pytest.raises(SipError):
        play.overload.find_oldest()
    assert play.overload._asked == 0, "again after a second"


def test_call_that_made_no_room_necessary_stays(play):
    """What was to be taken was not."""
    call = play.opens(1)
    play.overload.give_up(call, [])
    assert call.user is not None
    assert play.node.counts.dropped == {}
