"""Five thousand calls by SIPp over UDP and over TCP, and what is left of them 40 seconds later."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from peer_process import fresh_address
from sipmend_peer import Sipmend
from sipp_peer import Outcome, SippServer, call, datagrams_lost

CALLS = 5000
RATE = 200
WARM_UP = 400
# Timers B, D, F, H, J, L and M run 32 s (RFC 3261 table 4, RFC 6026): nothing of a call is left after that.
SETTLED = 40.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass
class Run:
    """One run of SIPp through a proxy that stays up; `ended` is the monotonic time of the last call."""

    proxy: Sipmend
    before: dict[str, float]
    caller: Outcome
    server: Outcome
    lost: int
    ended: float


def level(proxy: Sipmend) -> dict[str, float]:
    """What must come back to where it was: transactions, timers, bindings, and the memory of the process."""
    return {
        "transactions": proxy.total("sipmend_transactions"),
        "timers": proxy.total("sipmend_timers"),
        "bindings": proxy.total("sipmend_bindings"),
        "memory": proxy.total("process_resident_memory_bytes"),
    }


def run_calls(transport: str, work: Path) -> tuple[Run, SippServer]:
    """Warm up, note the level, make the calls."""
    server = SippServer(fresh_address(), transport, work)
    suffix = ";transport=tcp" if transport == "tcp" else ""
    try:
        proxy = Sipmend(f"sip:{server.host}:{server.address[1]}{suffix}", work)
    except BaseException:
        server.stop()
        raise
    caller = fresh_address()
    before = level(proxy)
    outcome = call(caller, proxy.address, server.address, transport, work, CALLS, RATE)
    ended = time.monotonic()
    lost = sum(datagrams_lost(host) for host in (caller, proxy.edge, proxy.inside, server.host))
    return Run(proxy, before, outcome, server.outcome(), lost, ended), server


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """Both transports one after the other, so that their forty seconds pass together."""
    done: dict[str, Run] = {}
    servers = []
    try:
        for transport in ("udp", "tcp"):
            done[transport], server = run_calls(transport, tmp_path_factory.mktemp(transport))
            servers.append(server)
        yield done
    finally:
        for run in done.values():
            run.proxy.stop()
        for server in servers:
            server.stop()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_no_call_fails_and_nothing_is_sent_twice(runs: dict[str, Run], transport: str) -> None:
    """5,000 calls at 200 a second: all succeed; retransmissions only as far as the kernel lost datagrams."""
    run = runs[transport]
    assert (run.caller.succeeded, run.caller.failed) == (CALLS, 0)
    assert (run.server.succeeded, run.server.failed) == (CALLS, 0)
    again = run.caller.retransmissions + run.server.retransmissions
    again += int(run.proxy.total("sipmend_retransmissions_total"))
    assert again <= run.lost
    run.proxy.assert_sound()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_proxy_is_back_where_it_began(runs: dict[str, Run], transport: str) -> None:
    """40 s later /metrics shows no transaction, no timer, and the memory of the start."""
    run = runs[transport]
    time.sleep(max(0.0, run.ended + SETTLED - time.monotonic()))
    after = level(run.proxy)
    assert after["transactions"] == run.before["transactions"] == 0
    assert after["timers"] == run.before["timers"]
    assert after["bindings"] == run.before["bindings"]
    assert after["memory"] < run.before["memory"] * 1.5
    run.proxy.assert_sound()
