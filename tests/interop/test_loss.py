"""Calls by SIPp through networks that lose 5 % of the datagrams, on both sides of the proxy and in both directions.

The datagrams go through relays of the test's own, which draw what they lose from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flow_sipp import assert_within_transaction, branch, by_call, dialogs, tag
from flow_stage import Played, Stage
from sipmend_peer import Sipmend
from udp_relay import UdpRelay

CALLS = 20
LOSS = 0.05
# A party that has ended its call still answers what is repeated to it: 4 s at the most lie between two BYE.
PATIENT = ("-d", "5000", "-recv_timeout", "32000")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


class LossyStage(Stage):
    """A stage with a lossy relay on each side of the proxy."""

    def __init__(self, work: Path, cleanup: ExitStack, seed: int) -> None:
        super().__init__("udp", work, cleanup)
        self.seed = seed
        self.server_relay = cleanup.enter_context(UdpRelay(self.as_server, LOSS, seed))
        self.as_server = self.server_relay.near
        self.client_relay: UdpRelay | None = None

    def start_proxy(self) -> Sipmend:
        """The proxy, and the relay before it."""
        proxy = super().start_proxy()
        self.client_relay = self.cleanup.enter_context(UdpRelay(proxy.address, LOSS, self.seed + 10))
        self.to_proxy = self.client_relay.near
        return proxy

    def server_sends_to(self, proxy: Sipmend) -> tuple[str, int]:
        """The server's side of the relay that stands before it."""
        return self.server_relay.outside


@pytest.fixture
def lossy(tmp_path: Path) -> Iterator[LossyStage]:
    """The stage of one flow."""
    with ExitStack() as cleanup:
        yield LossyStage(tmp_path, cleanup, seed=3261)


def assert_lossy_and_once(stage: LossyStage, played: Played) -> None:
    """Datagrams were lost in every direction and sent again; no INVITE became a second call at the far end."""
    assert stage.client_relay
    for relay in (stage.client_relay, stage.server_relay):
        for direction, counted in relay.counted.items():
            assert counted.lost > 0, (direction, counted)
    assert played.proxy.total("sipmend_retransmissions_total", direction="out") > 0
    assert played.proxy.total("sipmend_retransmissions_total", direction="in") > 0

    arrived = [seen for seen in played.answerer.got("INVITE") if not tag(seen.first("To"))]
    started = [seen for seen in played.caller.sent("INVITE") if not tag(seen.first("To"))]
    assert len(by_call(started)) == CALLS
    assert set(by_call(arrived)) == set(by_call(started))
    # One transaction a call: what came twice is a retransmission, not another call.
    assert len({branch(seen) for seen in arrived}) == len({branch(seen) for seen in started}) == CALLS


@pytest.mark.parametrize("far_end_ends", [False, True], ids=["caller ends", "answerer ends"])
@pytest.mark.parametrize("direction", ["outgoing", "incoming"])
def test_whole_calls_complete_in_spite_of_loss(lossy: LossyStage, direction: str, far_end_ends: bool) -> None:
    """Set up, UPDATE and re-INVITE from both sides, BYE from either: every call ends as it should."""
    switches = ("far_end_ends",) if far_end_ends else ()
    played = lossy.play_flow(
        direction, "flow_talk_caller", "flow_talk_answerer", switches=switches, calls=CALLS, extra=PATIENT
    )
    assert_lossy_and_once(lossy, played)
    ending = played.answerer if far_end_ends else played.caller
    assert len(by_call(ending.got(200, "BYE"))) == CALLS
    assert len(set(dialogs(played.caller.got(200, "1 INVITE")))) == CALLS


@pytest.mark.parametrize(
    ("caller", "answerer", "status"),
    [("flow_cancel_caller", "flow_cancel_answerer", 487), ("flow_refused_caller", "flow_busy_answerer", 486)],
    ids=["cancelled", "busy"],
)
def test_calls_without_success_complete_in_spite_of_loss(
    lossy: LossyStage, caller: str, answerer: str, status: int
) -> None:
    """CANCEL while it rings, and 486: the final response arrives, and its ACK stops its retransmission."""
    played = lossy.play_flow("outgoing", caller, answerer, switches=("ringing",), calls=CALLS, extra=PATIENT)
    assert_lossy_and_once(lossy, played)
    assert len(by_call(played.caller.got(status))) == CALLS
    assert_within_transaction(played.answerer.got("INVITE"), played.answerer.got("ACK"))


def test_early_media_completes_in_spite_of_loss(lossy: LossyStage) -> None:
    """A reliable 183 and its PRACK are repeated until they have arrived."""
    played = lossy.play_flow(
        "outgoing", "flow_prack_caller", "flow_prack_answerer", switches=("slow",), calls=CALLS, extra=PATIENT
    )
    assert_lossy_and_once(lossy, played)
    assert len(by_call(played.answerer.got("PRACK"))) == CALLS
    assert len({branch(seen) for seen in played.answerer.got("PRACK")}) == CALLS
