"""The INVITE client transaction (RFC 3261 section 17.1.1, RFC 6026 section 7.2), row by row and to the millisecond."""

from __future__ import annotations

import pytest
from played import Heard, Stage, request, response, tcp_flow, times, udp_flow

from proxy.sip.parser import parse_message
from proxy.sip.registry import ACK, INVITE
from proxy.transaction.invite_client import InviteClient, make_ack
from proxy.transaction.machine import (
    ACCEPTED,
    CALLING,
    COMPLETED,
    PROCEEDING,
    R1XX,
    R2XX,
    R3_6XX,
    TERMINATED,
    TRANSPORT_ERROR,
)
from proxy.transaction.timers import NEVER, Timers


class Play:
    def __init__(self, flow=None, timers: Timers | None = None) -> None:
        self.stage = Stage(timers)
        self.user = Heard()
        self.flow = flow or udp_flow()
        self.request = request()
        self.octets = self.request.octets()
        self.t = InviteClient(self.stage.scene, self.flow, self.request, b"z9hG4bKa1", self.user)
        self.t.start(self.stage.out)
        (sent,) = self.stage.sent()
        assert (sent.flow, sent.octets, sent.kind) == (self.flow, self.octets, INVITE)

    def gets(self, status: int, **more: str) -> None:
        given = {1: R1XX, 2: R2XX}.get(status // 100, R3_6XX)
        self.t.step(given, response(status, **more), self.stage.out)

    def breaks(self) -> None:
        self.t.step(TRANSPORT_ERROR, None, self.stage.out)


@pytest.fixture
def play() -> Play:
    return Play()


@pytest.fixture
def reliable() -> Play:
    return Play(tcp_flow())


class TestCalling:
    def test_timer_a_doubles_without_a_cap_until_timer_b(self, play):
        """> When timer A fires 2*T1 seconds later, the request MUST be retransmitted again ... This process MUST
        continue so that the request is retransmitted with intervals that double after each transmission. (17.1.1.2)
        """
        sent = play.stage.run(100.0)
        assert sent == [(time, INVITE) for time in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5)]
        assert {send.octets for send in play.stage.sent()} == {play.octets}
        assert play.stage.counts.retransmissions == [0, 6]
        assert play.user.told == ["timeout"]

    def test_timer_b_ends_it_at_64_t1(self, play):
        """> If the client transaction is still in the "Calling" state when timer B fires, the client transaction
        SHOULD inform the TU that a timeout has occurred. (17.1.1.2)
        """
        play.stage.run(31.95)
        assert (play.t.state, play.user.told) == (CALLING, [])
        play.stage.run(32.0)
        assert (play.t.state, play.user.told) == (TERMINATED, ["timeout"])
        assert (play.t.request, play.t.octets, play.t.user) == (None, b"", None)
        assert play.stage.ended == [play.t]
        assert play.stage.scene.wheel.entries == 0

    def test_no_retransmission_on_a_reliable_transport(self, reliable):
        """> If an unreliable transport is being used, the client transaction MUST start timer A ... If a reliable
        transport is being used, the client transaction SHOULD NOT start timer A (17.1.1.2)
        """
        assert reliable.stage.run(100.0) == []
        assert reliable.user.told == ["timeout"]
        assert reliable.stage.scene.now == 100.0

    def test_other_timer_values(self):
        play = Play(timers=Timers(t1=0.1))
        assert times(play.stage.run(100.0)) == [0.1, 0.3, 0.7, 1.5, 3.1, 6.3]
        assert play.user.told == ["timeout"]

    @pytest.mark.parametrize(
        ("status", "state"), [(100, PROCEEDING), (183, PROCEEDING), (200, ACCEPTED), (302, COMPLETED), (603, COMPLETED)]
    )
    def test_any_response_stops_the_retransmissions(self, play, status, state):
        play.gets(status)
        assert play.t.state == state
        assert play.user.told == [status]
        play.stage.out.clear()
        assert play.stage.run(31.9) == []

    def test_transport_error_is_told_and_ends_it(self, play):
        play.breaks()
        assert (play.t.state, play.user.told) == (TERMINATED, ["transport error"])
        assert (play.t.request, play.t.octets) == (None, b"")
        assert play.stage.run(100.0) == []


class TestProceeding:
    def test_octets_are_let_go_but_the_request_is_kept_for_ack_and_cancel(self, play):
        play.gets(100)
        assert play.t.octets == b""
        assert play.t.request is play.request

    def test_further_provisional_responses_are_passed_up(self, play):
        for status in (100, 180, 180, 183):
            play.gets(status)
        assert play.user.told == [100, 180, 180, 183]
        assert play.t.state == PROCEEDING

    def test_timer_c_tells_the_user_who_decides(self, play):
        play.gets(100)
        play.stage.run(184.9)
        assert play.user.told == [100]
        play.stage.run(185.0)
        assert play.user.told == [100, "timer C"]
        assert play.t.state == PROCEEDING

    def test_timer_c_is_set_back_by_any_provisional_but_100(self, play):
        """> any provisional response ... other than 100 ... the proxy MUST reset timer C (16.7 step 2)"""
        play.gets(180)
        play.stage.run(100.0)
        play.gets(100)
        assert play.t.long == 185.0
        play.gets(183)
        assert play.t.long == 285.0

    def test_after_a_cancel_timer_c_is_64_t1_and_ends_it(self, play):
        """> If the original request was an INVITE ... no response within 64*T1 seconds ... SHOULD then consider the
        original transaction cancelled and SHOULD destroy the client transaction (9.1)
        """
        play.gets(180)
        play.stage.run(10.0)
        play.t.cancelled = True
        play.t.start_long(play.t.long_name, play.stage.scene.timers.long)
        play.gets(183)
        assert play.t.long == 42.0, "a provisional response does not set it back any more"
        play.stage.run(42.0)
        assert play.user.told == [180, 183, "timeout"]
        assert play.t.state == TERMINATED
        assert play.stage.ended == [play.t]

    def test_2xx_leads_to_accepted(self, play):
        """> if a 2xx response is received ... the client transaction MUST enter the "Accepted" state (6026 7.2)"""
        play.gets(180)
        play.gets(200)
        assert (play.t.state, play.user.told) == (ACCEPTED, [180, 200])
        assert play.t.request is None

    def test_refusal_is_acknowledged_before_it_is_passed_up(self, play):
        play.gets(180)
        play.gets(486)
        assert play.user.told == [180, 486]
        (ack,) = play.stage.sent()
        assert (ack.kind, ack.flow) == (ACK, play.flow)

    def test_transport_error_is_told_and_ends_it(self, play):
        play.gets(180)
        play.breaks()
        assert (play.t.state, play.user.told) == (TERMINATED, [180, "transport error"])


class TestCompleted:
    def test_repeated_refusals_get_the_same_ack_and_go_no_further(self, play):
        """> Any retransmissions of the final response that are received while in the "Completed" state MUST cause
        the ACK to be re-passed to the transport layer for retransmission, but the newly received response MUST NOT
        be passed up to the TU. (17.1.1.2)
        """
        play.gets(486)
        (first,) = play.stage.sent()
        play.gets(486)
        play.gets(486)
        assert [send.octets for send in play.stage.sent()] == [first.octets] * 2
        assert play.user.told == [486]
        assert play.stage.counts.retransmissions == [2, 0]

    @pytest.mark.parametrize("status", [180, 200])
    def test_other_responses_have_no_effect(self, play, status):
        play.gets(486)
        play.stage.sent()
        play.gets(status)
        assert play.stage.sent() == []
        assert play.user.told == [486]

    def test_timer_d_ends_it_after_32_seconds(self, play):
        play.gets(486)
        play.stage.run(31.95)
        assert play.t.state == COMPLETED
        play.stage.run(32.0)
        assert play.t.state == TERMINATED
        assert play.stage.ended == [play.t]
        assert play.stage.scene.wheel.entries == 0

    def test_left_at_once_on_a_reliable_transport(self, reliable):
        """> a value of zero seconds for reliable transports (17.1.1.2)"""
        reliable.gets(486)
        (ack,) = reliable.stage.sent()
        assert ack.kind == ACK
        assert (reliable.t.state, reliable.user.told) == (TERMINATED, [486])
        assert reliable.stage.ended == [reliable.t]

    def test_transport_error_ends_it_silently(self, play):
        """The user has its answer."""
        play.gets(486)
        play.breaks()
        assert (play.t.state, play.user.told) == (TERMINATED, [486])


class TestAccepted:
    def test_further_2xx_are_passed_up(self, play):
        """> when a 2xx response is received in the "Accepted" state ... the response MUST be passed to the TU"""
        play.gets(200)
        play.gets(200, to_tag="t2")
        assert play.user.told == [200, 200]
        assert play.stage.sent() == [], "the ACK to a 2xx is a request of its own (17.1.1.3)"

    @pytest.mark.parametrize("status", [180, 486])
    def test_other_responses_have_no_effect(self, play, status):
        play.gets(200)
        play.gets(status)
        assert play.user.told == [200]
        assert play.stage.sent() == []

    @pytest.mark.parametrize("flow", [udp_flow, tcp_flow])
    def test_timer_m_ends_it_at_64_t1_on_any_transport(self, flow):
        play = Play(flow())
        play.gets(200)
        assert play.t.short == NEVER
        play.stage.run(31.95)
        assert play.t.state == ACCEPTED
        play.stage.run(32.0)
        assert play.t.state == TERMINATED
        assert play.stage.ended == [play.t]

    def test_transport_error_is_no_concern(self, play):
        play.gets(200)
        play.breaks()
        assert (play.t.state, play.user.told) == (ACCEPTED, [200])


class TestAck:
    """> The ACK request constructed by the client transaction MUST contain values for the Call-ID, From, and
    Request-URI that are equal to ... the request passed to the transport by the client transaction (17.1.1.3)
    """

    def made(self, *headers: str, to_tag: str = "t9", **more):
        ack = parse_message(make_ack(request(headers=headers, **more), response(486, to_tag=to_tag)))
        assert ack.oddities is None
        return ack

    def test_is_made_of_the_invite_and_the_to_of_the_response(self):
        ack = self.made(uri="sip:bob@10.0.0.5;transport=udp", number=314)
        assert ack.octets() == (
            b"ACK sip:bob@10.0.0.5;transport=udp SIP/2.0\r\n"
            b"Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKa1\r\n"
            b"From: <sip:alice@example.com>;tag=f1\r\n"
            b"To: <sip:bob@example.com>;tag=t9\r\n"
            b"Call-ID: c1\r\n"
            b"CSeq: 314 ACK\r\n"
            b"Max-Forwards: 70\r\n"
            b"Content-Length: 0\r\n"
            b"\r\n"
        )

    def test_has_one_via(self):
        """> The ACK MUST contain a single Via header field, and this MUST be equal to the top Via header field"""
        assert self.made("Via: SIP/2.0/UDP 192.0.2.8;branch=z9hG4bKb").values(b"via") == [
            b"SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKa1"
        ]

    def test_has_the_routes(self):
        """> If the INVITE request whose response is being acknowledged had Route header fields, those header fields
        MUST appear in the ACK.
        """
        ack = self.made("Route: <sip:a;lr>, <sip:b;lr>", "Route: <sip:c;lr>")
        assert ack.routes() == [b"<sip:a;lr>", b"<sip:b;lr>", b"<sip:c;lr>"]

    def test_leaves_out_everything_else(self):
        ack = self.made("Contact: <sip:a@b>", "Record-Route: <sip:c;lr>", "Proxy-Authorization: Digest x")
        assert ack.names == [b"", b"via", b"from", b"to", b"call-id", b"cseq", b"max-forwards", b"content-length"]

    def test_takes_its_own_to_where_the_response_has_none(self):
        answer = response(486)
        answer.remove(answer.index(b"to"))
        assert parse_message(make_ack(request(), answer)).to.raw == b"<sip:bob@example.com>"
