"""The layer finds the machine of a message, hands strays back, and keeps nothing of what has ended."""

from __future__ import annotations

import gc

import pytest
from played import SIDE_C, SIDE_S, Heard, request, response, tcp_flow, udp_flow

from proxy.counts import Counts
from proxy.effects import Effect, Send
from proxy.flow import Flow
from proxy.sip.errors import HeaderError
from proxy.sip.message import Request
from proxy.transaction.invite_client import InviteClient
from proxy.transaction.invite_server import InviteServer
from proxy.transaction.key import server_key
from proxy.transaction.layer import TransactionLayer
from proxy.transaction.machine import ACCEPTED, COMPLETED, CONFIRMED, PROCEEDING, TERMINATED
from proxy.transaction.non_invite_client import NonInviteClient
from proxy.transaction.non_invite_server import NonInviteServer
from proxy.transaction.timers import Timers

ALICE = udp_flow(SIDE_C, "198.51.100.7", 4711)
MALLORY = udp_flow(SIDE_C, "198.51.100.66", 4711)


class Play:
    def __init__(self) -> None:
        self.counts = Counts(4)
        self.layer = TransactionLayer(Timers(), self.counts)
        self.out: list[Effect] = []

    def opens(self, message: Request, flow: Flow = ALICE):
        return self.layer.open_server(message, server_key(message, flow.listener.side), flow, self.out)

    def finds(self, message: Request, flow: Flow = ALICE):
        return self.layer.find_server(message, server_key(message, flow.listener.side), flow)

    def cancels(self, message: Request, flow: Flow = ALICE):
        return self.layer.find_cancelled(message, server_key(message, flow.listener.side), flow)

    def answers(self, t, status: int, to_tag: bytes | None = None) -> None:
        if to_tag is not None:
            t.to_tag = to_tag
        self.layer.answer(t, status, b"%d" % status, self.out)

    def forwards(self, method: str = "INVITE", branch: bytes = b"z9hG4bKours", flow: Flow | None = None):
        user = Heard()
        t = self.layer.open_client(request(method), branch, flow or udp_flow(), user, self.out)
        return t, user

    def sent(self) -> list[bytes]:
        sends = [effect.octets for effect in self.out if isinstance(effect, Send)]
        self.out = []
        return sends

    def run(self, until: float) -> None:
        while (deadline := self.layer.next_deadline()) is not None and deadline <= until:
            self.layer.tick(deadline, self.out)
        self.layer.scene.now = until

    def left(self) -> list[object]:
        """What the layer still holds."""
        layer = self.layer
        held = [layer.servers, layer.clients, layer._invites, layer._by_flow]
        return [table for table in held if table] + [layer.scene.wheel] * layer.scene.wheel.entries


@pytest.fixture
def play() -> Play:
    return Play()


class TestServerSide:
    def test_kind_of_machine_by_method(self, play):
        assert isinstance(play.opens(request("INVITE")), InviteServer)
        assert isinstance(play.opens(request("BYE", number=2)), NonInviteServer)
        assert isinstance(play.opens(request("STRANGE", number=3)), NonInviteServer)

    def test_repeated_request_finds_its_transaction(self, play):
        t = play.opens(request())
        assert play.finds(request()) is t
        assert play.finds(request(number=2)) is None
        play.answers(t, 100)
        play.layer.repeat(t, request(), play.out)
        assert play.sent() == [b"100", b"100"]

    def test_sides_do_not_mix(self, play):
        """The proxy's own forwarded request may come back from a server that proxies."""
        play.opens(request())
        assert play.finds(request(), udp_flow(SIDE_S)) is None

    def test_two_clients_with_equal_via_and_branch(self, play):
        """Behind two NATs, `Via: 192.168.1.5:5060;branch=z9hG4bK1` is two gadgets: no cross-talk."""
        one = request(via="192.168.1.5:5060", branch="z9hG4bK1", call_id="one")
        two = request(via="192.168.1.5:5060", branch="z9hG4bK1", call_id="two")
        first, second = play.opens(one, ALICE), play.opens(two, MALLORY)
        assert first is not second
        assert play.finds(one, ALICE) is first
        assert play.finds(two, MALLORY) is second

    def test_old_requests_without_the_cookie(self, play):
        t = play.opens(request(branch=None))
        assert play.finds(request(branch=None)) is t
        assert play.finds(request(branch="z9hG4bK")) is None
        play.answers(t, 486, to_tag=b"t1")
        assert play.finds(request("ACK", branch=None, to_tag="t1")) is t
        assert play.finds(request("ACK", branch=None, to_tag="t2")) is None

    def test_bare_cookie_is_no_branch(self, play):
        """Every client that sends `branch=z9hG4bK` would share one transaction."""
        t = play.opens(request(branch="z9hG4bK"))
        assert play.finds(request(branch="z9hG4bK")) is t
        assert play.finds(request(branch="z9hG4bK", from_tag="f2")) is None
        assert play.finds(request(branch="z9hG4bK", uri="sip:carol@example.com")) is None


class TestAck:
    def test_to_a_refusal_ends_here(self, play):
        t = play.opens(request())
        play.answers(t, 486, to_tag=b"t1")
        ack = request("ACK", to_tag="t1")
        assert play.finds(ack) is t
        play.layer.repeat(t, ack, play.out)
        assert t.state == CONFIRMED

    def test_with_another_to_tag_but_without_cookie_is_for_somebody_else(self, play):
        t = play.opens(request(branch=None))
        play.answers(t, 486, to_tag=b"t1")
        assert play.finds(request("ACK", branch=None, to_tag="t2")) is None
        assert play.finds(request("ACK", branch=None, to_tag="t1")) is t

    def test_with_the_cookie_the_to_tag_does_not_count(self, play):
        """> The request matches a transaction if: 1. the branch ... 2. the sent-by ... 3. the method (17.2.3)"""
        t = play.opens(request())
        play.answers(t, 486, to_tag=b"t1")
        assert play.finds(request("ACK", to_tag="t2")) is t
        assert play.finds(request("ACK")) is t

    def test_before_any_answer_is_absorbed(self, play):
        t = play.opens(request())
        assert play.finds(request("ACK", to_tag="t1")) is t
        play.layer.repeat(t, request("ACK"), play.out)
        assert t.state == PROCEEDING

    @pytest.mark.parametrize("branch", ["z9hG4bKa1", "z9hG4bKnew", None])
    def test_to_a_2xx_goes_on_to_the_core_whatever_its_branch(self, play, branch):
        """> any ACK received ... in the "Accepted" state ... MUST be passed up (6026 7.1). Some clients repeat the
        branch of the INVITE in it.
        """
        t = play.opens(request())
        play.answers(t, 200)
        assert t.state == ACCEPTED
        assert play.finds(request("ACK", branch=branch, to_tag="t1")) is None

    def test_to_nothing(self, play):
        assert play.finds(request("ACK", to_tag="t1")) is None


class TestWrongBranch:
    """An ACK or CANCEL whose branch is not its INVITE's: by flow, Request-URI, Call-ID, CSeq number and From tag."""

    def refused(self, play, **more) -> InviteServer:
        t = play.opens(request(**more))
        play.answers(t, 486, to_tag=b"t1")
        return t

    def test_ack(self, play):
        t = self.refused(play)
        assert play.finds(request("ACK", branch="z9hG4bKwrong", to_tag="t1")) is t
        assert play.counts.restored_by == {"wrong_branch": 1}

    @pytest.mark.parametrize(
        "other",
        [
            {"to_tag": "t2"}, {"to_tag": None}, {"from_tag": "f2"}, {"call_id": "c2"}, {"number": 2},
            {"uri": "sip:carol@example.com"},
        ],
    )  # fmt: skip
    def test_ack_that_does_not_fit(self, play, other):
        self.refused(play)
        assert play.finds(request("ACK", **{"branch": "z9hG4bKwrong", "to_tag": "t1", **other})) is None
        assert play.counts.restored_by == {}

    def test_ack_before_an_answer_fits_nothing(self, play):
        play.opens(request())
        assert play.finds(request("ACK", branch="z9hG4bKwrong", to_tag="t1")) is None

    def test_ack_from_another_flow(self, play):
        self.refused(play)
        assert play.finds(request("ACK", branch="z9hG4bKwrong", to_tag="t1"), MALLORY) is None

    def test_ack_on_the_server_side(self, play):
        server = udp_flow(SIDE_S)
        t = play.opens(request(), server)
        play.answers(t, 486, to_tag=b"t1")
        assert play.finds(request("ACK", branch="z9hG4bKwrong", to_tag="t1"), server) is None

    def test_several_candidates_are_none(self, play):
        self.refused(play, branch="z9hG4bKa1")
        self.refused(play, branch="z9hG4bKa2")
        assert play.finds(request("ACK", branch="z9hG4bKwrong", to_tag="t1")) is None

    def test_ack_whose_to_cannot_be_read_is_an_error(self, play):
        self.refused(play)
        broken = request("ACK", branch="z9hG4bKwrong")
        broken.replace(broken.index(b"to"), b"To: <broken")
        with pytest.raises(HeaderError):
            play.finds(broken)

    def test_cancel_with_the_right_branch(self, play):
        t = play.opens(request())
        assert play.cancels(request("CANCEL")) is t

    def test_cancel(self, play):
        t = play.opens(request())
        assert play.cancels(request("CANCEL", branch="z9hG4bKwrong")) is t
        assert play.counts.restored_by == {"wrong_branch": 1}

    @pytest.mark.parametrize(
        "other", [{"from_tag": "f2"}, {"call_id": "c2"}, {"number": 2}, {"uri": "sip:carol@example.com"}]
    )
    def test_cancel_that_does_not_fit(self, play, other):
        play.opens(request())
        assert play.cancels(request("CANCEL", **{"branch": "z9hG4bKwrong", **other})) is None

    def test_cancel_from_another_flow(self, play):
        play.opens(request())
        assert play.cancels(request("CANCEL", branch="z9hG4bKwrong"), MALLORY) is None

    def test_ended_invite_is_no_candidate(self, play):
        t = self.refused(play)
        play.layer.repeat(t, request("ACK", to_tag="t1"), play.out)
        other = self.refused(play, branch="z9hG4bKa2")
        play.run(5.0)
        assert t.state == TERMINATED
        assert play.finds(request("ACK", branch="z9hG4bKwrong", to_tag="t1")) is other
        play.run(100.0)
        assert play.left() == []


class TestClientSide:
    def test_response_finds_its_request_by_branch_and_method(self, play):
        invite, _ = play.forwards()
        assert isinstance(invite, InviteClient)
        assert play.layer.find_client(response(180), b"z9hG4bKours") is invite
        assert play.layer.find_client(response(180), b"z9hG4bKother") is None
        assert play.layer.find_client(response(200, "BYE"), b"z9hG4bKours") is None

    def test_cancel_and_invite_share_the_branch(self, play):
        """> the response ... matches ... if the method parameter in the CSeq header field matches (17.1.3)"""
        invite, _ = play.forwards()
        cancel, _ = play.forwards("CANCEL")
        assert isinstance(cancel, NonInviteClient)
        assert play.layer.find_client(response(487), b"z9hG4bKours") is invite
        assert play.layer.find_client(response(200, "CANCEL"), b"z9hG4bKours") is cancel

    def test_responses_go_to_the_machine(self, play):
        t, user = play.forwards()
        for status in (100, 180, 486):
            play.layer.receive(t, response(status), play.out)
        assert user.told == [100, 180, 486]
        assert t.state == COMPLETED

    def test_stray_after_the_end(self, play):
        t, _ = play.forwards("BYE")
        play.layer.receive(t, response(200, "BYE"), play.out)
        play.run(5.0)
        assert play.layer.find_client(response(200, "BYE"), b"z9hG4bKours") is None
        assert play.left() == []


class TestFailures:
    def test_broken_connection_fails_what_waits_on_it(self, play):
        """> ... the transport user MUST be informed of a failure (18.4)"""
        flow, other = tcp_flow(number=7), tcp_flow(number=8)
        _, invite = play.forwards(flow=flow)
        _, bye = play.forwards("BYE", b"z9hG4bKbye", flow)
        _, elsewhere = play.forwards(branch=b"z9hG4bKelse", flow=other)
        play.layer.flow_failed(flow, play.out)
        assert (invite.told, bye.told, elsewhere.told) == (["transport error"], ["transport error"], [])
        assert list(play.layer.clients) == [b"z9hG4bKelse"]
        play.layer.flow_failed(flow, play.out)
        assert invite.told == ["transport error"]

    def test_accepted_invite_outlives_its_connection(self, play):
        t, user = play.forwards(flow=tcp_flow())
        play.layer.receive(t, response(200), play.out)
        play.layer.flow_failed(t.flow, play.out)
        assert t.state == ACCEPTED
        assert user.told == [200]
        play.run(100.0)
        assert play.left() == []

    def test_connection_is_forgotten_with_its_last_transaction(self, play):
        flow = tcp_flow()
        first, _ = play.forwards("BYE", b"z9hG4bK1", flow)
        second, _ = play.forwards("BYE", b"z9hG4bK2", flow)
        play.layer.receive(first, response(200, "BYE"), play.out)
        assert play.layer._by_flow == {7: {second}}
        play.layer.receive(second, response(200, "BYE"), play.out)
        assert play.layer._by_flow == {}

    def test_refused_datagram_fails_what_waits_for_a_first_answer(self, play):
        """ICMP names an address, not a message: an INVITE that rings already is not given up for it."""
        ringing, ringing_user = play.forwards(branch=b"z9hG4bKringing")
        play.layer.receive(ringing, response(180), play.out)
        _, calling = play.forwards(branch=b"z9hG4bKcalling")
        _, bye = play.forwards("BYE", b"z9hG4bKbye")
        _, elsewhere = play.forwards(branch=b"z9hG4bKelse", flow=udp_flow(host="192.0.2.99"))
        play.layer.datagram_failed(udp_flow(), play.out)
        assert (calling.told, bye.told) == (["transport error"], ["transport error"])
        assert (ringing_user.told, elsewhere.told) == ([180], [])

    def test_a_datagram_that_is_too_large_fails_alone(self, play):
        _, invite = play.forwards(branch=b"z9hG4bKcalling")
        large, bye = play.forwards("BYE", b"z9hG4bKa1")  # as the test's request has it in its Via
        play.layer.datagram_failed(udp_flow(), play.out, large.octets)
        assert (invite.told, bye.told) == ([], ["transport error"])
        assert play.layer.too_large is None

    @pytest.mark.parametrize("octets", [b"", b"junk", b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa1\r\n\r\n"])
    def test_other_datagrams_that_are_too_large(self, play, octets):
        """A response, an ACK to a 2xx: no transaction waits for an answer to them."""
        large, bye = play.forwards("BYE", b"z9hG4bKa1")
        for sent in (octets, large.octets + b"more"):
            play.layer.datagram_failed(udp_flow(), play.out, sent)
        assert bye.told == []

    def test_server_transactions_do_not_mind(self, play):
        """> the server transaction MUST NOT be destroyed (6026 8.8)"""
        t = play.opens(request())
        play.layer.datagram_failed(ALICE, play.out)
        play.layer.flow_failed(ALICE, play.out)
        assert play.finds(request()) is t


class TestTimeAndFigures:
    def test_figures(self, play):
        nothing = {"invite_client": 0, "invite_server": 0, "non_invite_client": 0, "non_invite_server": 0}
        assert play.layer.figures() == nothing
        play.opens(request())
        play.opens(request(call_id="c2"))
        play.opens(request("BYE", number=2))
        play.forwards()
        play.forwards("BYE", b"z9hG4bKbye")
        play.forwards("CANCEL")
        assert play.layer.figures() == {
            "invite_client": 1, "invite_server": 2, "non_invite_client": 2, "non_invite_server": 1,
        }  # fmt: skip

    def test_unanswered(self, play):
        assert not play.layer.unanswered()
        t = play.opens(request("BYE"))
        assert play.layer.unanswered()
        play.answers(t, 200)
        assert not play.layer.unanswered()
        invite = play.opens(request())
        assert play.layer.unanswered()
        play.answers(invite, 180)
        assert play.layer.unanswered()
        play.answers(invite, 200)
        assert not play.layer.unanswered()

    def test_tick_sets_the_time_of_the_scene(self, play):
        assert play.layer.next_deadline() is None
        play.forwards()
        assert play.layer.next_deadline() == 0.5
        play.layer.tick(0.5, play.out)
        assert play.layer.scene.now == 0.5
        assert len(play.sent()) == 2

    @pytest.mark.parametrize("status", [200, 486])
    @pytest.mark.parametrize("reliable", [False, True])
    def test_nothing_is_left_of_a_call(self, play, status, reliable):
        def call() -> None:
            flow = tcp_flow() if reliable else udp_flow()
            near = play.opens(request())
            far, _ = play.forwards(flow=flow)
            play.layer.receive(far, response(180), play.out)
            play.answers(near, 180)
            play.layer.receive(far, response(status), play.out)
            play.answers(near, status, None if status == 200 else b"t1")
            if status != 200:
                play.layer.repeat(near, request("ACK", to_tag="t1"), play.out)
            start = play.layer.scene.now
            play.run(start + 400.0)
            play.sent()

        call()
        assert play.left() == []
        gc.collect()
        gc.disable()
        try:
            call()
            assert gc.collect() == 0
        finally:
            gc.enable()

    def test_nothing_is_left_of_a_request_without_dialog(self, play):
        near = play.opens(request("OPTIONS"))
        far, _ = play.forwards("OPTIONS")
        play.layer.receive(far, response(200, "OPTIONS"), play.out)
        play.answers(near, 200)
        play.run(32.0)
        assert play.left() == []
