"""Five thousand calls by SIPp over UDP and over TCP, and what is left of them 40 seconds later."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from peer_process import fresh_address
from sipmend_peer import Sipmend
from sipp_peer import Outcome, SippServer, call, datagrams_lost

CALLS = 5000
RATE = 200
WARM_UP_RATE = 500
# Timers B, D, F, H, J, L and M run 32 s (RFC 3261 table 4, RFC 6026): nothing of a call is left after that.
SETTLED = 40.0
# Python gives memory back by whole arenas: the calls hold about 15 MB while they wait, a third is within its play.
SLACK = 5_000_000
NOTHING = Outcome(0, 0, 0)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@dataclass
class Run:
    """A proxy between SIPp and SIPp. `ended` is when its last call ended, on the monotonic clock.

    `before` is its level after as many calls as will be measured: what the first calls load stays for good.
    """

    transport: str
    proxy: Sipmend
    server: SippServer
    caller_host: str
    work: Path
    ended: float = 0.0
    before: dict[str, float] = field(default_factory=dict)
    at_caller: Outcome = NOTHING
    at_server: Outcome = NOTHING

    def call(self, rate: int) -> None:
        """Make the calls; `at_server` has those of this run alone."""
        known = self.server.outcome().succeeded
        self.at_caller = call(
            self.caller_host, self.proxy.address, self.server.address, self.transport, self.work, CALLS, rate
        )
        self.ended = time.monotonic()
        outcome = self.server.outcome()
        self.at_server = replace(outcome, succeeded=outcome.succeeded - known)

    def settle(self) -> dict[str, float]:
        """Let 40 s pass since the last call; the level after that."""
        time.sleep(max(0.0, self.ended + SETTLED - time.monotonic()))
        return {
            "transactions": self.proxy.total("sipmend_transactions"),
            "timers": self.proxy.total("sipmend_timers"),
            "bindings": self.proxy.total("sipmend_bindings"),
            "memory": self.proxy.total("process_resident_memory_bytes"),
        }

    def lost(self) -> int:
        """Datagrams that the kernel dropped on the way."""
        hosts = (self.caller_host, self.proxy.edge, self.proxy.inside, self.server.host)
        return sum(datagrams_lost(host) for host in hosts)


def start(transport: str, work: Path, cleanup: ExitStack) -> Run:
    """SIPp as server and the proxy before it; probes would be calls at SIPp's, so there is one at the start only."""
    server = SippServer(fresh_address(), transport, work)
    cleanup.callback(server.stop)
    uri = f"sip:{server.host}:{server.address[1]};transport={transport}"
    proxy = Sipmend(uri, work, health={"interval": "1h"})
    cleanup.callback(proxy.stop)
    return Run(transport, proxy, server, fresh_address(), work)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """Both transports in turns, so that the forty seconds of one pass while the other works."""
    with ExitStack() as cleanup:
        done = {kind: start(kind, tmp_path_factory.mktemp(kind), cleanup) for kind in ("udp", "tcp")}
        for run in done.values():
            run.call(WARM_UP_RATE)
        for run in done.values():
            run.before = run.settle()
            run.call(RATE)
        yield done


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_no_call_fails_and_nothing_is_sent_twice(runs: dict[str, Run], transport: str) -> None:
    """5,000 calls at 200 a second: all succeed; retransmissions only as far as the kernel lost datagrams."""
    run = runs[transport]
    assert (run.at_caller.succeeded, run.at_caller.failed) == (CALLS, 0)
    assert (run.at_server.succeeded, run.at_server.failed) == (CALLS, 0)
    again = run.at_caller.retransmissions + run.at_server.retransmissions
    again += int(run.proxy.total("sipmend_retransmissions_total"))
    assert again <= run.lost()
    run.proxy.assert_sound()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_proxy_is_back_where_it_began(runs: dict[str, Run], transport: str) -> None:
    """40 s later /metrics shows no transaction, no timer more, and the memory of before the calls."""
    run = runs[transport]
    after = run.settle()
    assert after["transactions"] == run.before["transactions"] == 0
    assert after["timers"] <= run.before["timers"]
    assert after["bindings"] == run.before["bindings"]
    assert after["memory"] <= run.before["memory"] + SLACK
    run.proxy.assert_sound()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_without_the_proxy_the_server_refuses_such_calls(tmp_path: Path, transport: str) -> None:
    """The control group: SIPp as server fails every INVITE without our Contact."""
    server = SippServer(fresh_address(), transport, tmp_path)
    try:
        call(fresh_address(), server.address, server.address, transport, tmp_path, 20, 20)
        assert (server.outcome().succeeded, server.outcome().failed) == (0, 20)
    finally:
        server.stop()
