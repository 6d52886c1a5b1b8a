"""The non-INVITE client transaction (RFC 3261 section 17.1.2), row by row and to the millisecond."""

from __future__ import annotations

import pytest
from played import Heard, Stage, request, response, tcp_flow, times, udp_flow

from proxy.transaction.machine import (
    COMPLETED,
    PROCEEDING,
    R1XX,
    R2XX,
    R3_6XX,
    TERMINATED,
    TRANSPORT_ERROR,
    TRYING,
)
from proxy.transaction.non_invite_client import NonInviteClient


class Play:
    def __init__(self, flow=None, method: str = "BYE") -> None:
        self.stage = Stage()
        self.user = Heard()
        self.flow = flow or udp_flow()
        self.request = request(method)
        self.octets = self.request.octets()
        self.t = NonInviteClient(self.stage.scene, self.flow, self.request, b"z9hG4bKa1", self.user)
        self.t.start(self.stage.out)
        (sent,) = self.stage.sent()
        assert (sent.flow, sent.octets, sent.kind) == (self.flow, self.octets, self.request.kind)

    def gets(self, status: int) -> None:
        given = {1: R1XX, 2: R2XX}.get(status // 100, R3_6XX)
        self.t.step(given, response(status, "BYE"), self.stage.out)


@pytest.fixture
def play() -> Play:
    return Play()


@pytest.fixture
def reliable() -> Play:
    return Play(tcp_flow())


def test_unknown_method_is_counted_as_other():
    assert Play(method="STRANGE").t.label == b"other"


class TestTrying:
    def test_timer_e_is_capped_at_t2(self, play):
        """> ... Timer E ... the timer is reset ... MIN(4*T1, T2) ... so that retransmissions occur with an
        exponentially increasing interval that caps at T2. (17.1.2.2)
        """
        sent = play.stage.run(100.0)
        assert times(sent) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        assert {send.octets for send in play.stage.sent()} == {play.octets}
        assert play.stage.counts.retransmissions == [0, 10]
        assert play.user.told == ["timeout"]

    def test_timer_f_ends_it_at_64_t1(self, play):
        play.stage.run(31.95)
        assert (play.t.state, play.user.told) == (TRYING, [])
        play.stage.run(32.0)
        assert (play.t.state, play.user.told) == (TERMINATED, ["timeout"])
        assert play.stage.ended == [play.t]
        assert play.stage.scene.wheel.entries == 0

    def test_no_retransmission_on_a_reliable_transport(self, reliable):
        assert reliable.stage.run(100.0) == []
        assert reliable.user.told == ["timeout"]

    @pytest.mark.parametrize("status", [200, 302, 404, 503, 603])
    def test_final_response_is_passed_up(self, play, status):
        play.gets(status)
        assert (play.t.state, play.user.told) == (COMPLETED, [status])
        assert play.stage.run(4.9) == []
        assert (play.t.octets, play.t.user) == (b"", None)

    def test_transport_error_is_told_and_ends_it(self, play):
        play.t.step(TRANSPORT_ERROR, None, play.stage.out)
        assert (play.t.state, play.user.told) == (TERMINATED, ["transport error"])
        assert play.stage.run(100.0) == []


class TestProceeding:
    def test_timer_e_is_t2(self, play):
        """> If Timer E fires while in the "Proceeding" state, the request MUST be passed to the transport layer for
        retransmission, and Timer E MUST be reset with a value of T2 seconds. (17.1.2.2)
        """
        play.stage.run(0.2)
        play.gets(100)
        assert (play.t.state, play.user.told) == (PROCEEDING, [100])
        assert times(play.stage.run(31.9)) == [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]

    def test_timer_f_ends_it_at_64_t1_from_the_start(self, play):
        play.stage.run(10.0)
        play.gets(100)
        play.stage.run(31.95)
        assert play.t.state == PROCEEDING
        play.stage.run(32.0)
        assert play.user.told == [100, "timeout"]
        assert play.stage.ended == [play.t]

    def test_further_provisional_responses_are_passed_up(self, play):
        play.gets(100)
        play.gets(183)
        assert (play.t.state, play.user.told) == (PROCEEDING, [100, 183])

    @pytest.mark.parametrize("status", [200, 404])
    def test_final_response_is_passed_up(self, play, status):
        play.gets(100)
        play.gets(status)
        assert (play.t.state, play.user.told) == (COMPLETED, [100, status])

    def test_transport_error_is_told_and_ends_it(self, play):
        play.gets(100)
        play.t.step(TRANSPORT_ERROR, None, play.stage.out)
        assert (play.t.state, play.user.told) == (TERMINATED, [100, "transport error"])


class TestCompleted:
    @pytest.mark.parametrize("status", [100, 200, 404])
    def test_whatever_comes_is_absorbed(self, play, status):
        """> The "Completed" state exists to buffer any additional response retransmissions that may be received
        (which is why the client transaction remains there only for unreliable transports). (17.1.2.2)
        """
        play.gets(200)
        play.gets(status)
        assert play.user.told == [200]
        assert play.stage.sent() == []
        assert play.stage.counts.retransmissions == [int(status >= 200), 0]

    def test_timer_k_ends_it_after_t4(self, play):
        play.gets(200)
        play.stage.run(4.95)
        assert play.t.state == COMPLETED
        play.stage.run(5.0)
        assert play.stage.ended == [play.t]
        play.stage.run(100.0)
        assert play.stage.scene.wheel.entries == 0

    def test_left_at_once_on_a_reliable_transport(self, reliable):
        reliable.gets(200)
        assert (reliable.t.state, reliable.user.told) == (TERMINATED, [200])
        assert reliable.stage.ended == [reliable.t]

    def test_transport_error_has_no_effect(self, play):
        play.gets(200)
        play.t.step(TRANSPORT_ERROR, None, play.stage.out)
        assert (play.t.state, play.user.told) == (COMPLETED, [200])
