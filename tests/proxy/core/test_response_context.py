"""The response context (RFC 3261 section 16.7): what goes home, what is cancelled, and what is let go."""

from __future__ import annotations

import pytest
from parts import ALICE, K, node, request, response

from proxy.core.response_context import ResponseContext
from proxy.transaction.invite_client import InviteClient
from proxy.transaction.key import server_key


class Home:
    """Writes down what is wanted of it, and answers as the real one does."""

    def __init__(self) -> None:
        self.did: list[tuple[str, object]] = []
        self.hold = False

    def pass_on(self, context, branch, response, out) -> None:
        self.did.append(("pass on", response.status))
        if self.hold:
            context.waiting = True

    def reply(self, context, status, reason, out) -> None:
        self.did.append(("reply", status))

    def cancel(self, branch, out) -> None:
        branch.cancelled = True
        self.did.append(("cancel", branch.branch))

    def finished(self, context, status) -> None:
        self.did.append(("finished", status))


class Play:
    def __init__(self, method: str = "INVITE", branches: int = 1) -> None:
        self.node = node()
        self.layer = self.node.layer
        self.home = Home()
        self.out: list = []
        message = request(method)
        server = self.layer.open_server(message, server_key(message, 0), ALICE, self.out)
        self.context = ResponseContext(self.home, self.layer, message, ALICE, server)
        self.branches = []
        for i in range(branches):
            t = self.layer.open_client(request(method), b"b%d" % i, K, self.context, self.out)
            self.context.branch_opened(t)
            self.branches.append(t)

    def gets(self, status: int, branch: int = 0) -> list:
        return self.after(lambda: self.context.on_response(self.branches[branch], response(status), self.out))

    def after(self, action) -> list:
        self.home.did.clear()
        action()
        return list(self.home.did)


@pytest.fixture
def play() -> Play:
    return Play()


class TestProvisional:
    def test_100_ends_here(self, play):
        """> MUST NOT forward 100 (16.7 step 5)"""
        assert play.gets(100) == []

    def test_others_go_home_at_once(self, play):
        assert play.gets(180) == [("pass on", 180)]
        assert play.gets(183) == [("pass on", 183)]
        assert play.context.server.user is play.context

    def test_none_to_a_non_invite(self):
        """> MUST NOT send any provisional response with a Status-Code other than 100 (RFC 4320 section 4.1)"""
        assert Play("OPTIONS").gets(183) == []

    def test_none_after_the_final_one(self):
        play = Play(branches=2)
        play.gets(200)
        assert play.gets(180, 1) == []

    def test_100_of_our_own(self, play):
        play.out.clear()
        play.context.send_trying(play.out)
        assert play.out[0].octets.startswith(b"SIP/2.0 100 Trying\r\n")
        play.context.request = None
        play.out.clear()
        play.context.send_trying(play.out)
        assert play.out == []


class TestFinal:
    def test_2xx_goes_home_at_once_and_every_time(self, play):
        """> any 2xx response to an INVITE ... MUST be forwarded immediately (16.7 step 5)"""
        assert play.gets(200) == [("pass on", 200), ("finished", 200)]
        assert play.gets(200) == [("pass on", 200)]
        assert (play.context.request, play.context.server.user, play.context.branches) == (None, None, [])

    def test_2xx_cancels_the_others(self):
        play = Play(branches=2)
        assert play.gets(200) == [("pass on", 200), ("cancel", b"b1"), ("finished", 200)]
        assert play.context.request is not None, "a branch is left that may need it"
        assert play.gets(200, 1) == [("pass on", 200)]

    def test_refusal_of_the_only_branch(self, play):
        assert play.gets(486) == [("pass on", 486), ("finished", 486)]
        assert play.gets(486) == []

    @pytest.mark.parametrize(
        ("first", "second", "best"),
        [(486, 302, 302), (302, 486, 302), (404, 486, 404), (503, 404, 404), (500, 603, 603), (404, 500, 404)],
    )
    def test_best_of_several(self, first, second, best):
        """> ... the proxy MUST forward ... 6xx if there is one, else from the lowest class (16.7 step 6)"""
        play = Play(branches=2)
        assert ("pass on", first) not in play.gets(first)
        assert play.gets(second, 1)[-2:] == [("pass on", best), ("finished", best)]

    def test_6xx_cancels_the_others_and_wins(self):
        """> If a 6xx response is received, it is not immediately forwarded, but ... SHOULD cancel all (16.7 step 5)"""
        play = Play(branches=2)
        assert play.gets(603) == [("cancel", b"b1")]
        assert play.gets(487, 1) == [("pass on", 603), ("finished", 603)]

    def test_answer_that_waits_for_the_store_keeps_the_request(self):
        play = Play("REGISTER")
        play.home.hold = True
        play.gets(200)
        assert play.context.request is not None
        play.context.forget()
        assert (play.context.request, play.context.registration) == (None, None)


class TestFailure:
    def test_timeout_is_408(self, play):
        """> ... the proxy MUST behave as if it had received a 408 (16.8)"""
        did = play.after(lambda: play.context.on_timeout(play.branches[0], play.out))
        assert did == [("reply", 408), ("finished", 408)]

    def test_no_408_to_a_non_invite(self):
        """> ... MUST NOT send a 408 (RFC 4320 section 4.2); what will never be answered is not kept"""
        play = Play("OPTIONS")
        did = play.after(lambda: play.context.on_timeout(play.branches[0], play.out))
        assert did == [("finished", 408)]
        assert play.layer.servers == {}
        assert play.node.counts.dropped == {"no_answer": 1}

    def test_408_of_the_next_hop_is_not_passed_to_a_non_invite(self):
        """The same, but early: the sender still repeats, and no repetition may begin anew."""
        play = Play("OPTIONS")
        assert play.gets(408) == [("finished", 408)]
        assert len(play.layer.servers) == 1
        assert play.node.counts.dropped == {"no_answer": 1}

    @pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
    def test_transport_error_is_500(self, method):
        """> ... as if a 503 had been received (16.9), and a 503 of our own becomes 500 (16.7 step 6)"""
        play = Play(method)
        did = play.after(lambda: play.context.on_transport_error(play.branches[0], play.out))
        assert did == [("reply", 500), ("finished", 500)]

    def test_other_branches_go_on(self):
        play = Play(branches=2)
        assert play.after(lambda: play.context.on_timeout(play.branches[0], play.out)) == []
        assert play.gets(486, 1) == [("pass on", 486), ("finished", 486)]

    def test_best_so_far_goes_home_when_the_last_fails(self):
        play = Play(branches=2)
        play.gets(486)
        did = play.after(lambda: play.context.on_transport_error(play.branches[1], play.out))
        assert did == [("pass on", 486), ("finished", 486)]

    def test_too_late_to_matter(self):
        play = Play(branches=2)
        play.gets(200)
        assert play.after(lambda: play.context.on_timeout(play.branches[1], play.out)) == []
        assert play.gets(486, 1) == []

    def test_rang_too_long(self, play):
        """> ... timer C ... if the client transaction has received a provisional response, ... CANCEL (16.8)"""
        play.gets(180)
        assert play.after(lambda: play.context.on_timer_c(play.branches[0], play.out)) == [("cancel", b"b0")]
        assert play.after(lambda: play.context.on_timer_c(play.branches[0], play.out)) == []

    def test_refused_by_ourselves(self, play):
        did = play.after(lambda: play.context.refuse(403, "no", play.out))
        assert did == [("reply", 403), ("cancel", b"b0"), ("finished", 403)]
        assert play.after(lambda: play.context.refuse(403, "no", play.out)) == []


class TestCancel:
    def test_of_the_client(self):
        play = Play(branches=2)
        assert play.after(lambda: play.context.cancel(play.out)) == [("cancel", b"b0"), ("cancel", b"b1")]
        assert play.after(lambda: play.context.cancel(play.out)) == []

    @pytest.mark.parametrize("status", [100, 180])
    def test_waits_for_a_provisional_response(self, play, status):
        """> ... MUST NOT be sent before a provisional response (9.1): the branch is cancelled once it rings"""
        play.context.cancel(play.out)
        play.branches[0].cancelled = False
        assert ("cancel", b"b0") in play.gets(status)

    def test_after_the_answer_has_no_effect(self, play):
        play.gets(200)
        assert play.after(lambda: play.context.cancel(play.out)) == []

    def test_of_what_is_no_invite(self):
        play = Play("OPTIONS")
        assert play.after(lambda: play.context.cancel(play.out)) == []
        assert not isinstance(play.branches[0], InviteClient)


def test_side(play):
    assert play.context.from_client
