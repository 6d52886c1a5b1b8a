"""Call flows between SIPp and SIPp through `sipmend run`, from the broken client and to it, over UDP and TCP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flow_network import NEW_ADDRESS, NEW_PORT, RelayedStage
from flow_sipp import CALLS, assert_within_transaction, branch, by_call, dialogs, tag
from flow_stage import Played, Stage

DIRECTIONS = ("outgoing", "incoming")
REFUSALS = {
    302: ("flow_moved_answerer", "Contact: <sip:carol@198.51.100.9:5062>;q=0.5"),
    486: ("flow_busy_answerer", "Retry-After: 30"),
}

# The switches with which the far end of the client sends BYE.
ENDED_BY = {"outgoing": ("far_end_ends",), "incoming": ()}


@pytest.fixture(params=["udp", "tcp"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """A stage for one transport, the same on both sides of the proxy."""
    with ExitStack() as cleanup:
        yield Stage(request.param, tmp_path, cleanup)


@pytest.mark.parametrize("far_end_ends", [False, True], ids=["caller ends", "answerer ends"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_whole_calls_with_update_and_reinvite_from_both_sides(stage: Stage, direction: str, far_end_ends: bool) -> None:
    """Set up, UPDATE and re-INVITE from either side, BYE from either side."""
    switches = ("far_end_ends",) if far_end_ends else ()
    played = stage.play_flow(direction, "flow_talk_caller", "flow_talk_answerer", switches=switches)
    ending, other = (played.answerer, played.caller) if far_end_ends else (played.caller, played.answerer)
    assert len(by_call(ending.sent("BYE"))) == len(by_call(other.got("BYE"))) == CALLS
    client = played.caller if direction == "outgoing" else played.answerer
    requests = [seen for seen in client.messages("received") if not seen.status]
    # The client wrote no Contact into its calls; what it registered, or where it is, is what it is called by.
    wanted = "sip:alice@" + stage.client.host if direction == "outgoing" else "sip:alice-x7f3@192.168.77.7:5060"
    assert {seen.method for seen in requests} >= {"UPDATE", "INVITE", "ACK"}
    assert all(seen.uri.startswith(wanted) for seen in requests), [seen.start for seen in requests]


@pytest.mark.parametrize(
    ("direction", "switches"),
    [
        ("outgoing", ("late",)),
        ("outgoing", ()),
        ("outgoing", ("ringing",)),
        ("incoming", ("late",)),
        ("incoming", ()),
        ("incoming", ("ringing",)),
    ],
    ids=[
        "before 100",
        "after 100",
        "after 180",
        "to the client before 100",
        "to the client after 100",
        "to the client after 180",
    ],
)
def test_cancelled_calls_end_with_487(stage: Stage, direction: str, switches: tuple[str, ...]) -> None:
    """CANCEL has the branch, Request-URI and Route of the INVITE at each hop; 487 comes, its ACK hop by hop.

    > If no provisional response has been received, the CANCEL request MUST NOT be sent; rather, the client MUST
    > wait for the arrival of a provisional response (RFC 3261 section 9.1)
    """
    played = stage.play_flow(direction, "flow_cancel_caller", "flow_cancel_answerer", switches=switches)
    caller, answerer = played.caller, played.answerer
    assert len(by_call(caller.got(487, "INVITE"))) == len(by_call(caller.got(200, "CANCEL"))) == CALLS
    invites = answerer.got("INVITE")
    assert_within_transaction(invites, answerer.got("CANCEL"))
    assert_within_transaction(invites, answerer.got("ACK"))
    assert all(seen.all("Route") for seen in invites) == (direction == "outgoing")
    order = [seen for seen in answerer.messages("sent") + answerer.messages("received") if seen.status == 100]
    assert bool(order) == ("ringing" not in switches)
    sent_to_proxy = {branch(seen) for seen in caller.sent("INVITE")}
    assert {branch(seen) for seen in caller.got(487)} == sent_to_proxy


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_cancel_of_an_answered_call_changes_nothing(stage: Stage, direction: str) -> None:
    """A CANCEL that comes after the 2xx is answered 200 by the proxy and reaches nobody; the call goes on."""
    played = stage.play_flow(direction, "flow_cancel_late_caller", "flow_short_answerer")
    assert len(by_call(played.caller.got(200, "CANCEL"))) == CALLS
    assert played.answerer.got("CANCEL") == []
    assert len(by_call(played.answerer.got("BYE"))) == CALLS


@pytest.mark.parametrize("status", sorted(REFUSALS))
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_refusals_come_home_and_are_acknowledged_hop_by_hop(stage: Stage, direction: str, status: int) -> None:
    """302 and 486 arrive with all they say, and once; the ACK of each hop stays within its transaction."""
    answerer, line = REFUSALS[status]
    played = stage.play_flow(direction, "flow_refused_caller", answerer)
    refusals = played.caller.got(status)
    assert len(by_call(refusals)) == CALLS
    assert all(line in seen.lines for seen in refusals)
    sent = by_call(played.answerer.sent(status))
    assert all(tag(seen.first("To")) == tag(sent[seen.first("Call-ID")].first("To")) for seen in refusals)
    assert_within_transaction(played.answerer.got("INVITE"), played.answerer.got("ACK"))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_challenged_calls_succeed_with_credentials(stage: Stage, direction: str) -> None:
    """401, ACK, the INVITE again with credentials that the far end finds right, and the call."""
    played = stage.play_flow(direction, "flow_challenged_caller", "flow_challenging_answerer")
    assert len(by_call(played.caller.got(401))) == len(by_call(played.caller.got(200, "INVITE"))) == CALLS
    proofs = {seen.line("Authorization") for seen in played.caller.sent("INVITE")} - {""}
    assert proofs == {seen.line("Authorization") for seen in played.answerer.got("INVITE")} - {""}


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_early_media_is_acknowledged_by_prack(stage: Stage, direction: str) -> None:
    """A reliable 183 with SDP, its PRACK with RAck end to end by the Record-Routes, then the answer."""
    played = stage.play_flow(direction, "flow_prack_caller", "flow_prack_answerer")
    early = played.caller.got(183)
    assert len(by_call(early)) == CALLS
    assert all(seen.first("RSeq") == "7001" and seen.first("Require") == "100rel" for seen in early)
    assert all(seen.body.startswith(b"v=0") and len(seen.all("Record-Route")) == 2 for seen in early)
    pracks = played.answerer.got("PRACK")
    assert len(by_call(pracks)) == CALLS
    assert {seen.first("RAck") for seen in pracks} == {"7001 1 INVITE"}
    assert all(len(seen.all("Via")) == 2 and not seen.all("Route") for seen in pracks)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_both_2xx_of_a_forked_call_reach_the_caller(stage: Stage, direction: str) -> None:
    """Two 2xx with different To tags: both arrive, and ACK and BYE reach each of the two dialogs."""
    played = stage.play_flow(direction, "flow_forked_caller", "flow_forked_answerer")
    answers = dialogs(played.answerer.sent(200, "INVITE"))
    assert len(set(answers)) == 2 * CALLS
    assert dialogs(played.caller.got(200, "INVITE")) == answers
    for method in ("ACK", "BYE"):
        assert dialogs(played.answerer.got(method)) == answers


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_503_comes_home_as_500(stage: Stage, direction: str) -> None:
    """The phrase says what came; the ACK of each hop is within its transaction.

    > If the only response that was received is a 503, the proxy SHOULD generate a 500 response and forward that
    > upstream. (RFC 3261 section 16.7 step 6)
    """
    played = stage.play_flow(direction, "flow_refused_caller", "flow_unavailable_answerer")
    assert len(by_call(played.caller.got(500))) == CALLS
    assert {seen.start for seen in played.caller.got(500)} == {"SIP/2.0 500 Next hop answered 503 Service Unavailable"}
    assert played.caller.got(503) == []
    assert_within_transaction(played.answerer.got("INVITE"), played.answerer.got("ACK"))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_call_that_nobody_answers_ends_with_408(stage: Stage, direction: str) -> None:
    """The called side says nothing at all: Timer B (64 times T1, 3.2 s here) makes it a 408, which is acknowledged.

    > the client transaction SHOULD inform the TU that a timeout has occurred ... the proxy MUST behave as if it had
    > received a 408 (RFC 3261 sections 17.1.1.2 and 16.9)
    """
    stage.changes = {"timers": {"t1": "50ms"}}
    played = stage.play_flow(direction, "flow_refused_caller", "flow_silent_answerer")
    assert len(by_call(played.caller.got(408))) == CALLS
    assert len({branch(seen) for seen in played.answerer.got("INVITE")}) == CALLS


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_call_goes_on_when_the_nat_moves_the_client(tmp_path: Path, direction: str) -> None:
    """The client's UPDATE comes by another port of its NAT: what the far end sends from then on goes there."""
    with ExitStack() as cleanup:
        stage = RelayedStage("udp", tmp_path, cleanup, NEW_PORT)
        played = stage.play_flow(direction, "flow_talk_caller", "flow_talk_answerer", ENDED_BY[direction], calls=1)
        assert len({place[1] for place in stage.places}) == 2
        assert_bye_reaches_client(played, direction)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_call_goes_on_at_the_clients_new_address(tmp_path: Path, direction: str, transport: str) -> None:
    """The client registers from another address in mid-call: what the far end sends from then on goes there."""
    with ExitStack() as cleanup:
        stage = RelayedStage(transport, tmp_path, cleanup, NEW_ADDRESS)
        switches = (*ENDED_BY[direction], "caller_registers" if direction == "outgoing" else "answerer_registers")
        played = stage.play_flow(direction, "flow_talk_caller", "flow_talk_answerer", switches, calls=1)
        assert len({place[0] for place in stage.places}) == 2
        assert_bye_reaches_client(played, direction)


def assert_bye_reaches_client(played: Played, direction: str) -> None:
    """The far end has ended the call."""
    client, server = (played.caller, played.answerer) if direction == "outgoing" else (played.answerer, played.caller)
    assert len(server.sent("BYE")) == len(client.got("BYE")) == 1
