"""Calls by SIPp through networks that lose 5 % of the datagrams, on both sides of the proxy and in both directions.

The datagrams go through relays of the test's own, which draw what they lose from a fixed seed. The flows are played
side by side; each test waits for its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from flow_network import NEW_ADDRESS, NEW_PORT, KamailioStage, Move, RelayedStage, SpiralStage
from flow_sipp import assert_within_transaction, branch, by_call, tag
from flow_stage import Played
from sip_wire import Seen
from sipmend_peer import Value
from udp_relay import Counted

LOSS = 0.05
SEED = 16
AT_ONCE = 12
DIRECTIONS = ("outgoing", "incoming")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@dataclass(frozen=True)
class Flow:
    """Calls by two scenarios: what the INVITE is answered in the end, how many at which rate, by how many phones.

    For `linger` milliseconds after a call its caller answers what comes again.
    """

    caller: str
    answerer: str
    status: int = 200
    switches: tuple[str, ...] = ()
    calls: int = 40
    rate: int = 20
    phones: int = 1
    linger: int = 1500
    move: Move | None = None
    changes: Mapping[str, Value] = field(default_factory=dict)
    stage: type[KamailioStage] | None = None


# The caller is sent the last request: four of them, of which one has arrived.
LAST = 5000


def talk(*switches: str) -> Flow:
    """Set up, UPDATE and re-INVITE from both sides, BYE: long calls."""
    linger = LAST if "far_end_ends" in switches else 1500
    return Flow("flow_talk_caller", "flow_talk_answerer", switches=switches, calls=20, rate=10, linger=linger)


def cancelled(*switches: str) -> Flow:
    """CANCEL, answered 487."""
    return Flow("flow_cancel_caller", "flow_cancel_answerer", 487, switches)


def refused(answerer: str, status: int) -> Flow:
    """Refused by the far end."""
    return Flow("flow_refused_caller", answerer, status, calls=60, rate=30)


def moved(move: Move) -> Flow:
    """A whole call whose client moves in the middle of it: a phone and its network for each."""
    return replace(talk(), calls=1, phones=4, move=move)


PLAIN = {
    "caller ends": talk(),
    "answerer ends": talk("far_end_ends"),
    "cancelled before 100": cancelled("late"),
    "cancelled after 100": cancelled(),
    "cancelled after 180": cancelled("ringing"),
    "cancelled too late": Flow("flow_cancel_late_caller", "flow_short_answerer"),
    "302": refused("flow_moved_answerer", 302),
    "401": Flow("flow_challenged_caller", "flow_challenging_answerer"),
    "486": refused("flow_busy_answerer", 486),
    "503": refused("flow_unavailable_answerer", 500),
    "no answer": replace(refused("flow_silent_answerer", 408), changes={"timers": {"t1": "50ms"}}),
    "early media": Flow("flow_prack_caller", "flow_prack_answerer", switches=("slow",), linger=LAST),
    "forked": Flow("flow_forked_caller", "flow_forked_answerer"),
    "at another port": moved(NEW_PORT),
    "at another address": moved(NEW_ADDRESS),
}
# The longest calls first.
FLOWS = {f"spiral: {name}": replace(PLAIN[name], stage=SpiralStage) for name in ("caller ends", "answerer ends")}
FLOWS |= {
    f"Kamailio: {name}": replace(PLAIN[name], stage=KamailioStage)
    for name in ("caller ends", "answerer ends", "cancelled after 180", "401", "486", "early media", "forked")
}
FLOWS |= PLAIN
# Both ends of a spiral are alike.
CASES = [(name, way) for name in FLOWS for way in DIRECTIONS if FLOWS[name].stage != SpiralStage or way == "outgoing"]


@dataclass(frozen=True)
class Outcome:
    """What the calls of one phone left behind: both ends' messages, and what the relays and the proxy counted."""

    played: Played
    relays: dict[str, Counted]
    retransmitted: dict[str, float]
    loops: float


Running = Mapping[tuple[str, str], list["Future[Outcome]"]]


def play(flow: Flow, direction: str, phone: int, work: Path) -> Outcome:
    """Play the calls of one phone to their end; raises AssertionError if one did not go by the scenarios."""
    switches = flow.switches
    if flow.move == NEW_ADDRESS:
        switches += ("caller_registers" if direction == "outgoing" else "answerer_registers",)
    with ExitStack() as cleanup:
        seed = f"{SEED} {phone}"
        if flow.stage:
            stage: RelayedStage = flow.stage(work, cleanup, LOSS, seed)
        else:
            stage = RelayedStage("udp", work, cleanup, flow.move, LOSS, seed, flow.changes)
        extra = ("-d", str(flow.linger), "-r", str(flow.rate))
        played = stage.play_flow(direction, flow.caller, flow.answerer, switches, flow.calls, extra)
        assert len(stage.places) == (2 if flow.move else 1)
        relays = {
            f"{where} {way}": counted
            for where, relay in zip(("server side", "client side", "called client's side"), stage.relays, strict=False)
            for way, counted in relay.counted.items()
        }
        retransmitted = {
            way: played.proxy.total("sipmend_retransmissions_total", direction=way) for way in ("in", "out")
        }
        return Outcome(played, relays, retransmitted, played.proxy.total("sipmend_responses_total", status="482"))


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """All flows that are to be tested in this run, under way."""
    wanted = [
        (item.callspec.params["name"], item.callspec.params["direction"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            (name, direction): [
                pool.submit(play, FLOWS[name], direction, phone, tmp_path_factory.mktemp("flow"))
                for phone in range(FLOWS[name].phones)
            ]
            for name, direction in wanted
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(("name", "direction"), CASES)
def test_all_calls_complete_in_spite_of_loss(running: Running, name: str, direction: str) -> None:
    """Each call ends as it does without loss, and no request became a second one at the far end."""
    flow = FLOWS[name]
    outcomes = [future.result() for future in running[name, direction]]
    assert_lost_and_sent_again(flow, direction, outcomes)
    for outcome in outcomes:
        assert outcome.loops == 0
        caller, answerer = outcome.played.caller, outcome.played.answerer
        started, arrived = initial(caller.sent("INVITE")), initial(answerer.got("INVITE"))
        assert len(by_call(started)) == flow.calls
        assert set(by_call(arrived)) == set(by_call(started))
        # What came twice is a retransmission, not another transaction.
        assert len({branch(seen) for seen in arrived}) == len({branch(seen) for seen in started})
        assert len(by_call(caller.got(flow.status, "INVITE"))) == flow.calls
        if flow.status == 200:
            assert_every_dialog_ended(outcome.played)
        elif flow.status != 408:
            assert_within_transaction(arrived, answerer.got("ACK"))
        if flow.status == 487:
            assert_within_transaction(arrived, answerer.got("CANCEL"))


def assert_lost_and_sent_again(flow: Flow, direction: str, outcomes: list[Outcome]) -> None:
    """Datagrams were lost on each way, and the proxy and both ends sent again what was not answered."""
    for way in outcomes[0].relays:
        passed = sum(outcome.relays[way].passed for outcome in outcomes)
        # Where nobody answers there is nothing to lose.
        assert sum(outcome.relays[way].lost for outcome in outcomes) or passed < flow.calls, way
    for way in ("in", "out"):
        assert sum(outcome.retransmitted[way] for outcome in outcomes), way
    ends = {"caller": [outcome.played.caller for outcome in outcomes]}
    ends["answerer"] = [outcome.played.answerer for outcome in outcomes]
    if flow.status == 408:
        del ends["answerer"]
    if flow.stage == KamailioStage:  # to the phone there nothing is lost
        del ends["answerer" if direction == "outgoing" else "caller"]
    for end, processes in ends.items():
        assert any(has_repeated(one.messages("sent")) for one in processes), f"the {end} repeated nothing"


def has_repeated(sent: Sequence[Seen]) -> bool:
    """Whether a message was sent more than once."""
    return len({seen.raw for seen in sent}) < len(sent)


def assert_every_dialog_ended(played: Played) -> None:
    """Each dialog that was answered was ended by a BYE that was answered."""
    answered = {dialog(seen, "To") for seen in played.caller.got(200, "INVITE")}
    ended = {dialog(seen, "To") for seen in played.caller.got(200, "BYE")}
    ended |= {dialog(seen, "From") for seen in played.answerer.got(200, "BYE")}
    assert ended == answered


def dialog(seen: Seen, called: str) -> tuple[str, str]:
    """Call-ID and the tag of the called side, which is in this header."""
    return seen.first("Call-ID"), tag(seen.first(called))


def initial(invites: Iterable[Seen]) -> list[Seen]:
    """Those that begin a call."""
    return [seen for seen in invites if not tag(seen.first("To"))]
