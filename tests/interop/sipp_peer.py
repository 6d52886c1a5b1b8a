"""SIPp as caller and as server, and its own count of what went wrong."""

from __future__ import annotations

import csv
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from peer_process import PeerProcess, need
from sip_client import Address

SCENARIOS = Path(__file__).parent / "sipp"
SOCKETS = {"udp": "u1", "tcp": "t1"}
SERVER_PORT = 5060
CALLER_PORT = 5080


@dataclass(frozen=True)
class Outcome:
    """What SIPp counted at one end."""

    succeeded: int
    failed: int
    retransmissions: int


class SippServer:
    """SIPp in the server's place, until stopped."""

    def __init__(self, host: str, transport: str, work: Path, scenario: str = "server.xml") -> None:
        self.host = host
        self.address: Address = (host, SERVER_PORT)
        work.mkdir(parents=True, exist_ok=True)
        self._statistics = work / "server.csv"
        argv = [need("sipp", "sip-tester"), "-sf", str(SCENARIOS / scenario), "-i", host, "-p", str(SERVER_PORT)]
        argv += ["-t", SOCKETS[transport], "-nostdin", "-buff_size", "4000000", "-skip_rlimit"]
        argv += ["-trace_stat", "-fd", "1", "-stf", str(self._statistics)]
        self.process = PeerProcess(argv, work, "sipp-server")
        time.sleep(0.5)  # SIPp says nothing when it is ready
        if self.process.process.poll() is not None:
            raise RuntimeError(f"SIPp did not start:\n{self.process.log()[-2000:]}")

    def outcome(self) -> Outcome:
        """Its figures once the statistics of the last second are written."""
        time.sleep(1.2)
        return read_statistics(self._statistics)

    def stop(self) -> None:
        self.process.stop()


def call(host: str, proxy: Address, server: Address, transport: str, work: Path, calls: int, rate: int) -> Outcome:
    """Make the calls at this rate through the proxy and wait for their end."""
    work.mkdir(parents=True, exist_ok=True)
    statistics = work / f"caller-{transport}-{rate}.csv"
    argv = [need("sipp", "sip-tester"), f"{server[0]}:{server[1]}", "-rsa", f"{proxy[0]}:{proxy[1]}"]
    argv += ["-sf", str(SCENARIOS / "caller.xml"), "-s", "bob", "-i", host, "-p", str(CALLER_PORT)]
    argv += ["-t", SOCKETS[transport], "-r", str(rate), "-m", str(calls), "-l", str(rate * 10), "-nostdin"]
    argv += ["-buff_size", "4000000", "-skip_rlimit", "-recv_timeout", "8000"]
    argv += ["-timeout", str(calls // rate + 30), "-trace_stat", "-fd", "1", "-stf", str(statistics)]
    argv += ["-trace_err", "-error_file", str(work / f"caller-{transport}-errors.log")]
    peer = PeerProcess(argv, work, f"sipp-caller-{transport}-{rate}")
    try:
        peer.process.wait(calls / rate + 40)
    except subprocess.TimeoutExpired:
        pass
    finally:
        peer.stop()
    return read_statistics(statistics)


def read_statistics(path: Path) -> Outcome:
    """The cumulated figures of SIPp's last line."""
    with path.open() as table:
        last = list(csv.DictReader(table, delimiter=";"))[-1]
    return Outcome(int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"]), int(last["Retransmissions(C)"]))


def datagrams_lost(host: str) -> int:
    """Datagrams the kernel dropped at the UDP sockets of this address because nobody read them in time."""
    wanted = "".join(f"{int(part):02X}" for part in reversed(host.split(".")))
    with Path("/proc/net/udp").open() as table:
        rows = [row.split() for row in table.readlines()[1:]]
    return sum(int(row[-1]) for row in rows if row[1].startswith(wanted))
