"""The non-INVITE server transaction (RFC 3261 section 17.2.2, RFC 4320 section 4), row by row."""

from __future__ import annotations

import pytest
from played import SIDE_C, SIDE_C_TCP, Stage, request, tcp_flow, udp_flow

from proxy.transaction.invite_server import Answer
from proxy.transaction.machine import (
    COMPLETED,
    PROCEEDING,
    REQUEST,
    TERMINATED,
    TRANSPORT_ERROR,
    TRYING,
    TU_1XX,
    TU_2XX,
    TU_3_6XX,
)
from proxy.transaction.non_invite_server import NonInviteServer


class Play:
    def __init__(self, flow=None) -> None:
        self.stage = Stage()
        self.t = NonInviteServer(self.stage.scene, flow or udp_flow(SIDE_C), request("BYE"))
        self.t.start(self.stage.out)
        assert self.stage.sent() == []
        assert self.stage.scene.wheel.entries == 1

    def answers(self, status: int) -> None:
        given = {1: TU_1XX, 2: TU_2XX}.get(status // 100, TU_3_6XX)
        self.t.step(given, Answer(status, b"%d" % status), self.stage.out)  # type: ignore[arg-type]  # TU input

    def gets_again(self) -> None:
        self.t.step(REQUEST, request("BYE"), self.stage.out)

    def sent(self) -> list[bytes]:
        return [send.octets for send in self.stage.sent()]


class Asked:
    """A user that writes down when it is asked for a 100, and gives one."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.times: list[float] = []

    def send_trying(self, out) -> None:
        self.times.append(self.play.stage.scene.now)
        self.play.answers(100)


@pytest.fixture
def play() -> Play:
    return Play()


class TestTrying:
    def test_repeated_request_is_absorbed(self, play):
        """> Once in the "Trying" state, any further request retransmissions are discarded. (17.2.2)"""
        play.gets_again()
        assert (play.sent(), play.t.state) == ([], TRYING)
        assert play.stage.counts.retransmissions == [1, 0]

    @pytest.mark.parametrize(
        ("status", "state"), [(100, PROCEEDING), (200, COMPLETED), (302, COMPLETED), (404, COMPLETED), (603, COMPLETED)]
    )
    def test_answer_is_sent(self, play, status, state):
        play.answers(status)
        assert (play.sent(), play.t.state) == ([b"%d" % status], state)

    def test_user_is_asked_for_a_100_after_3500_ms(self, play):
        """> an SIP element MUST respond ... with a Status-Code of 100 if it has not otherwise responded after ...
        Timer E to be reset to T2 (RFC 4320 section 4.1)
        """
        play.t.user = asked = Asked(play)
        play.stage.run(3.45)
        assert asked.times == []
        play.stage.run(40.0)
        assert (asked.times, play.t.state) == ([3.5], PROCEEDING)

    def test_no_100_after_an_answer_or_without_a_user(self, play):
        play.stage.run(3.5)
        assert (play.sent(), play.t.state) == ([], TRYING)
        other = Play()
        other.t.user = asked = Asked(other)
        other.answers(200)
        other.stage.run(4.0)
        assert (asked.times, other.t.state) == ([], COMPLETED)

    @pytest.mark.parametrize("rung", [False, True])
    def test_abandoned_it_absorbs_until_64_t1(self, play, rung):
        """Nobody will answer: the sender repeats in vain until its own Timer F (RFC 4320 section 4.2)."""
        if rung:
            play.answers(100)
        play.t.abandon()
        play.sent()
        play.stage.run(31.95)
        assert (play.sent(), play.stage.ended) == ([], [])
        play.stage.run(32.0)
        assert (play.sent(), play.stage.ended) == ([], [play.t])

    def test_abandoned_on_a_reliable_transport_it_ends_at_once(self):
        play = Play(tcp_flow(SIDE_C_TCP, 9))
        play.t.abandon()
        assert play.stage.ended == [play.t]

    def test_transport_error_ends_it(self, play):
        play.t.step(TRANSPORT_ERROR, None, play.stage.out)
        assert play.stage.ended == [play.t]


class TestProceeding:
    def test_repeated_request_gets_the_last_provisional_again(self, play):
        """> the most recently sent provisional response MUST be passed to the transport layer for retransmission"""
        play.answers(100)
        play.answers(183)
        assert play.sent() == [b"100", b"183"]
        play.gets_again()
        assert (play.sent(), play.t.state) == ([b"183"], PROCEEDING)
        assert play.stage.counts.retransmissions == [1, 1]

    @pytest.mark.parametrize("status", [200, 404])
    def test_final_answer_is_sent(self, play, status):
        play.answers(100)
        play.answers(status)
        assert (play.sent(), play.t.state) == ([b"100", b"%d" % status], COMPLETED)

    def test_transport_error_ends_it(self, play):
        play.answers(100)
        play.t.step(TRANSPORT_ERROR, None, play.stage.out)
        assert play.stage.ended == [play.t]


class TestCompleted:
    def test_repeated_request_gets_the_answer_again(self, play):
        """> While in the "Completed" state, the server transaction MUST pass the final response to the transport
        layer for retransmission whenever a retransmission of the request is received. (17.2.2)
        """
        play.answers(200)
        play.sent()
        play.gets_again()
        play.gets_again()
        assert (play.sent(), play.t.state) == ([b"200", b"200"], COMPLETED)

    @pytest.mark.parametrize("status", [100, 200, 500])
    def test_what_the_user_says_after_its_answer_is_dropped(self, play, status):
        """> Any other final responses passed by the TU to the server transaction MUST be discarded"""
        play.answers(200)
        play.sent()
        play.answers(status)
        play.gets_again()
        assert play.sent() == [b"200"]

    def test_timer_j_ends_it_at_64_t1(self, play):
        play.answers(200)
        assert play.stage.run(31.95) == []
        assert play.t.state == COMPLETED
        play.stage.run(32.0)
        assert play.stage.ended == [play.t]
        assert play.stage.scene.wheel.entries == 0

    def test_left_at_once_on_a_reliable_transport(self):
        """> Timer J ... 64*T1 seconds for unreliable transports, and zero seconds for reliable transports"""
        play = Play(tcp_flow(SIDE_C_TCP, 9))
        play.answers(200)
        assert (play.sent(), play.t.state) == ([b"200"], TERMINATED)
        assert play.stage.ended == [play.t]

    def test_transport_error_ends_it(self, play):
        play.answers(200)
        play.t.step(TRANSPORT_ERROR, None, play.stage.out)
        assert play.stage.ended == [play.t]
