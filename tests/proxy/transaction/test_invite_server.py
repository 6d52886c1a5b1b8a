"""The INVITE server transaction (RFC 3261 section 17.2.1, RFC 6026 sections 7.1 and 8.8), row by row."""

from __future__ import annotations

import pytest
from played import SIDE_C, SIDE_C_TCP, Heard, Stage, request, tcp_flow, times, udp_flow

from proxy.transaction.invite_server import Answer, InviteServer
from proxy.transaction.machine import (
    ACCEPTED,
    COMPLETED,
    CONFIRMED,
    GOT_ACK,
    PROCEEDING,
    REQUEST,
    TERMINATED,
    TRANSPORT_ERROR,
    TU_1XX,
    TU_2XX,
    TU_3_6XX,
)
from proxy.transaction.timers import Timers


class Play:
    def __init__(self, flow=None, timers: Timers | None = None) -> None:
        self.stage = Stage(timers)
        self.user = Heard()
        self.flow = flow or udp_flow(SIDE_C)
        self.t = InviteServer(self.stage.scene, self.flow, request())
        self.t.user = self.user
        self.t.start(self.stage.out)
        assert self.stage.sent() == []

    def answers(self, status: int, octets: bytes = b"") -> None:
        given = {1: TU_1XX, 2: TU_2XX}.get(status // 100, TU_3_6XX)
        self.t.step(given, Answer(status, octets or b"%d" % status), self.stage.out)  # type: ignore[arg-type]  # TU input

    def gets(self, given: int) -> None:
        self.t.step(given, request("ACK" if given == GOT_ACK else "INVITE"), self.stage.out)

    def sent(self) -> list[tuple[bytes, bytes]]:
        return [(send.octets, send.kind) for send in self.stage.sent()]


@pytest.fixture
def play() -> Play:
    return Play()


@pytest.fixture
def reliable() -> Play:
    return Play(tcp_flow(SIDE_C_TCP, 9))


def test_answer_knows_its_label():
    assert [Answer(status, b"").kind for status in (100, 200, 302, 404, 503, 603)] == [
        b"1xx", b"2xx", b"3xx", b"4xx", b"5xx", b"6xx",
    ]  # fmt: skip


def test_what_a_stray_ack_or_cancel_is_matched_by():
    t = Play().t
    assert (t.uri, t.from_tag, t.to_tag, t.flow_key) == (b"sip:bob@example.com", b"f1", None, udp_flow(SIDE_C).key)


class TestProceeding:
    def test_user_is_asked_for_a_100_within_200_ms(self, play):
        """> The server transaction MUST generate a 100 (Trying) response unless it knows that the TU will generate a
        provisional or final response within 200 ms (17.2.1)
        """
        play.stage.run(0.1)
        assert play.user.trying == 0
        play.stage.run(0.2)
        assert play.user.trying == 1
        play.stage.run(100.0)
        assert play.user.trying == 1
        assert play.t.state == PROCEEDING

    @pytest.mark.parametrize("status", [100, 180, 200, 404])
    def test_no_100_after_an_answer(self, play, status):
        play.answers(status)
        play.stage.run(0.3)
        assert play.user.trying == 0

    def test_no_user_no_100(self, play):
        play.t.user = None
        play.stage.run(1.0)
        assert play.sent() == []

    def test_repeated_request_gets_the_last_provisional_again(self, play):
        """> If a retransmitted request is received while in the "Proceeding" state, the most recent provisional
        response that was received from the TU MUST be passed to the transport layer for retransmission.
        """
        play.gets(REQUEST)
        assert play.sent() == []
        assert play.stage.counts.retransmissions == [1, 0]
        play.answers(100)
        play.answers(183, b"183 with SDP")
        assert play.sent() == [(b"100", b"1xx"), (b"183 with SDP", b"1xx")]
        play.gets(REQUEST)
        assert play.sent() == [(b"183 with SDP", b"1xx")]
        assert play.stage.counts.retransmissions == [2, 1]

    def test_ack_before_an_answer_has_no_effect(self, play):
        play.gets(GOT_ACK)
        assert (play.t.state, play.sent()) == (PROCEEDING, [])

    def test_transport_error_leaves_it_as_it_is(self, play):
        """> ... the server transaction MUST NOT be destroyed on a transport error (6026 8.8)"""
        play.t.step(TRANSPORT_ERROR, None, play.stage.out)
        play.answers(200)
        assert play.sent() == [(b"200", b"2xx")]


class TestCompleted:
    def test_timer_g_is_capped_at_t2_and_timer_h_gives_up(self, play):
        """> If timer G fires, the response is passed to the transport layer once more for retransmission, and timer G
        is set to fire in MIN(2*T1, T2) seconds. (17.2.1)
        """
        play.answers(486)
        assert play.sent() == [(b"486", b"4xx")]
        sent = play.stage.run(100.0)
        assert times(sent) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        assert set(play.sent()) == {(b"486", b"4xx")}
        assert play.t.state == TERMINATED
        assert play.stage.ended == [play.t]
        assert play.stage.counts.dropped == {"ack_never_came": 1}
        assert play.stage.counts.retransmissions == [0, 10]

    def test_timer_h_is_64_t1(self, play):
        play.answers(486)
        play.stage.run(31.95)
        assert play.t.state == COMPLETED
        play.stage.run(32.0)
        assert play.t.state == TERMINATED
        assert play.stage.scene.wheel.entries == 0

    def test_reliable_transport_waits_for_the_ack_without_repeating(self, reliable):
        reliable.answers(486)
        assert reliable.stage.run(31.9) == []
        assert reliable.t.state == COMPLETED
        reliable.stage.run(32.0)
        assert reliable.t.state == TERMINATED

    def test_repeated_request_gets_the_answer_again(self, play):
        play.answers(180)
        play.answers(486)
        play.sent()
        play.gets(REQUEST)
        assert play.sent() == [(b"486", b"4xx")]

    def test_2xx_of_another_branch_is_sent(self, play):
        """> After a final response has been sent on the server transaction, the following responses MUST be forwarded
        > immediately: - Any 2xx response to an INVITE request (16.7 step 5)
        """
        play.answers(486)
        play.sent()
        play.answers(200)
        assert (play.sent(), play.t.state) == ([(b"200", b"2xx")], COMPLETED)

    @pytest.mark.parametrize("status", [180, 603])
    def test_what_the_user_says_after_its_answer_is_dropped(self, play, status):
        play.answers(486)
        play.sent()
        play.answers(status)
        assert (play.sent(), play.t.state) == ([], COMPLETED)

    def test_transport_error_leaves_it_as_it_is(self, play):
        play.answers(486)
        play.t.step(TRANSPORT_ERROR, None, play.stage.out)
        assert play.t.state == COMPLETED
        assert times(play.stage.run(2.0)) == [0.5, 1.5]


class TestConfirmed:
    def test_ack_stops_the_retransmissions(self, play):
        """> If an ACK is received while the server transaction is in the "Completed" state, the server transaction
        MUST transition to the "Confirmed" state. ... Timer G is ignored in this state (17.2.1)
        """
        play.answers(486)
        play.stage.run(1.0)
        play.gets(GOT_ACK)
        assert play.t.state == CONFIRMED
        play.sent()
        assert play.stage.run(5.9) == []
        assert play.stage.counts.dropped == {}

    def test_timer_i_absorbs_acks_for_t4(self, play):
        play.answers(486)
        play.gets(GOT_ACK)
        play.gets(GOT_ACK)
        play.gets(REQUEST)
        play.stage.run(4.95)
        assert play.t.state == CONFIRMED
        play.stage.run(5.0)
        assert play.t.state == TERMINATED
        assert play.stage.ended == [play.t]
        play.stage.run(100.0)
        assert play.stage.scene.wheel.entries == 0

    def test_left_at_once_on_a_reliable_transport(self, reliable):
        """> Timer I ... to fire in T4 seconds for unreliable transports, and zero seconds for reliable transports"""
        reliable.answers(486)
        reliable.gets(GOT_ACK)
        assert reliable.t.state == TERMINATED
        assert reliable.stage.ended == [reliable.t]

    def test_lets_go_of_the_response(self, play):
        play.answers(486)
        play.gets(GOT_ACK)
        assert play.t.last == b""


class TestAccepted:
    def test_2xx_is_sent_and_not_repeated_by_us(self, play):
        """> a 2xx ... the server transaction MUST transition to the "Accepted" state ... this prevents the server
        transaction from retransmitting the response (6026 7.1)
        """
        play.answers(200)
        assert (play.t.state, play.sent()) == (ACCEPTED, [(b"200", b"2xx")])
        assert play.stage.run(31.9) == []

    def test_repeated_request_is_absorbed(self, play):
        """> any retransmissions of the INVITE ... MUST be absorbed without ... further action (6026 7.1)"""
        play.answers(180)
        play.answers(200)
        play.sent()
        play.gets(REQUEST)
        assert play.sent() == []
        assert play.stage.counts.retransmissions == [1, 0]

    def test_further_2xx_of_the_user_are_sent(self, play):
        play.answers(200)
        play.answers(200, b"200 of another branch")
        assert play.sent()[1:] == [(b"200 of another branch", b"2xx")]

    @pytest.mark.parametrize("status", [180, 486])
    def test_other_responses_are_dropped(self, play, status):
        play.answers(200)
        play.sent()
        play.answers(status)
        assert (play.sent(), play.t.state) == ([], ACCEPTED)

    @pytest.mark.parametrize("flow", [udp_flow(SIDE_C), tcp_flow(SIDE_C_TCP, 9)], ids=["udp", "tcp"])
    def test_timer_l_ends_it_at_64_t1_on_any_transport(self, flow):
        play = Play(flow)
        play.answers(200)
        play.stage.run(31.95)
        assert play.t.state == ACCEPTED
        play.stage.run(32.0)
        assert play.t.state == TERMINATED
        assert play.stage.ended == [play.t]
        assert play.stage.scene.wheel.entries == 0

    def test_transport_error_leaves_it_as_it_is(self, play):
        play.answers(200)
        play.t.step(TRANSPORT_ERROR, None, play.stage.out)
        assert play.t.state == ACCEPTED
