#!/usr/bin/env python3
"""Side-by-side benchmark of SIP edge proxies with SIPp (Linux, standard library only).

    SIPp caller (127.0.0.2) -> proxy (127.0.0.1) -> SIPp server (127.0.0.3)

See README.md. One JSON line per proxy and round, then one summary line per proxy.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from processes import cpu_seconds, memory_mb, spawn, stolen, stop, udp_bound

HERE = Path(__file__).resolve().parent
SUMMARY = (
    "max_cps",
    "core_cps_est",
    "max_cpu_s_per_1000_calls",
    "cpu_s_per_1000_calls",
    "rss_mb",
    "pss_mb",
    "p50_ms",
    "p99_ms",
    "setup_p50_ms",
    "setup_p99_ms",
)
Row = dict[str, Any]


class ProxyFailedError(RuntimeError):
    """A proxy did not start, or did not pass the first few calls."""


class Bench:
    """One proxy under load: its processes, its work folder, the steps of one round."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder = Path(tempfile.mkdtemp(prefix="edgebench-"))
        self.folder.chmod(0o755)
        self.sequence = 0
        self.proxy: subprocess.Popen[bytes] | None = None
        self.server: subprocess.Popen[bytes] | None = None
        self.server_statistics = self.folder / "server.csv"
        self.target = ""
        self.users = self.folder / "users.csv"
        others = "".join(f"u{number};\n" for number in range(options.users - 1))
        self.users.write_text(f"SEQUENTIAL\nalice;\n{others}")

    def render(self, command: str) -> list[str]:
        """Fill placeholders; {cfg:FILE,KEY=VALUE,...} renders a template (@KEY@) into the work folder."""
        o = self.options
        values = {
            "listen_ip": o.proxy_ip,
            "listen_port": str(o.proxy_port),
            "listen": f"{o.proxy_ip}:{o.proxy_port}",
            "server_ip": o.server_ip,
            "server_port": str(o.server_port),
            "server": f"{o.server_ip}:{o.server_port}",
            "client_ip": o.caller_ip,
            "client_port": str(o.caller_port),
            "client": f"{o.caller_ip}:{o.caller_port}",
            "workdir": str(self.folder),
            "bench": str(HERE),
            "python": sys.executable,
        }

        def template(match: re.Match[str]) -> str:
            source, *more = match[1].split(",")
            known = {key.upper(): value for key, value in values.items()}
            known.update(pair.split("=", 1) for pair in more)
            text = re.sub(r"@([A-Z_]+)@", lambda found: known[found[1]], (HERE / source).read_text())
            self.sequence += 1
            target = self.folder / f"{self.sequence}-{Path(source).name.removesuffix('.in')}"
            target.write_text(text)
            return str(target)

        command = re.sub(r"\{cfg:([^}]+)\}", template, command)
        return shlex.split(re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), command))

    def start_server(self, scenario: str) -> subprocess.Popen[bytes]:
        """SIPp in the server's place."""
        o = self.options
        self.sequence += 1
        self.server_statistics = self.folder / f"server{self.sequence}.csv"
        argv = [o.sipp, "-sf", str(HERE / "scenarios" / scenario), "-i", o.server_ip, "-p", str(o.server_port)]
        argv += ["-nostdin", "-timer_resol", "1", "-buff_size", "4000000", "-skip_rlimit"]
        argv += ["-trace_stat", "-fd", "1", "-stf", str(self.server_statistics)]
        process = spawn(argv, o.load_cpu, self.folder / "server.log", self.folder)
        time.sleep(0.4)
        return process

    def call(self, scenario: str, rate: int, calls: int) -> Row:
        """SIPp as caller: so many calls at this rate; what became of them."""
        o = self.options
        self.sequence += 1
        statistics_file = self.folder / f"caller{self.sequence}.csv"
        argv = [o.sipp, f"{o.server_ip}:{o.server_port}", "-rsa", self.target]
        argv += ["-sf", str(HERE / "scenarios" / scenario), "-i", o.caller_ip, "-p", str(o.caller_port)]
        argv += ["-s", "1001", "-r", str(rate), "-m", str(calls), "-l", str(max(1000, rate * 8))]
        argv += ["-timer_resol", "1", "-recv_timeout", "4000", "-buff_size", "4000000", "-nostdin"]
        argv += ["-trace_stat", "-fd", "1", "-stf", str(statistics_file), "-skip_rlimit"]
        argv += ["-timeout", str(int(calls / rate) + 12), "-inf", str(self.users)]
        began = time.time()
        process = spawn(argv, o.load_cpu, statistics_file.with_suffix(".log"), self.folder)
        try:
            process.wait(calls / rate + 20)
        except subprocess.TimeoutExpired:
            pass  # what it did until now is counted below
        finally:
            stop(process)
        return read_caller(statistics_file, calls, time.time() - began)

    def server_retransmissions(self) -> int:
        """SIPp's count at the server, once the last second is written."""
        time.sleep(1.1)
        try:
            with self.server_statistics.open() as table:
                return int(list(csv.DictReader(table, delimiter=";"))[-1]["Retransmissions(C)"])
        except (OSError, IndexError, KeyError, ValueError):
            return 0

    def start(self, command: str) -> None:
        """Start the proxy ('direct': none), register a client, start the server, make 20 calls to warm up."""
        o = self.options
        self.target = f"{o.server_ip}:{o.server_port}"
        if command != "direct":
            self.target = f"{o.proxy_ip}:{o.proxy_port}"
            log = self.folder / "proxy.log"
            self.proxy = spawn(self.render(command), o.proxy_cpu, log, self.folder)
            end = time.time() + 15
            while not udp_bound(o.proxy_port):
                if time.time() > end or self.proxy.poll() is not None:
                    raise ProxyFailedError(f"the proxy did not start: {log.read_text()[-1500:]}")
                time.sleep(0.1)
            time.sleep(1.0)
            if o.scenario == "call":
                registrar = self.start_server("uas_register.xml")
                self.call("uac_register.xml", 10, 1)
                stop(registrar)
        self.server = self.start_server(f"uas_{o.scenario}.xml")
        first = self.call(f"uac_{o.scenario}.xml", 20, 20)
        if first["failed"]:
            raise ProxyFailedError(f"the warm-up failed: {first}; see {self.folder}")

    def finish(self) -> None:
        """Stop everything and wait until the port is free again."""
        stop(self.server)
        stop(self.proxy)
        end = time.time() + 8
        while udp_bound(self.options.proxy_port) and time.time() < end:
            time.sleep(0.1)

    def step(self, rate: int, seconds: float) -> Row:
        """Calls at this rate for so long, with the CPU they took."""
        calls = max(20, int(rate * seconds))
        before, stolen_before = self.server_retransmissions(), stolen()
        used = cpu_seconds(self.proxy.pid) if self.proxy else 0.0
        row = self.call(f"uac_{self.options.scenario}.xml", rate, calls)
        row["cpu"] = cpu_seconds(self.proxy.pid) - used if self.proxy else 0.0
        stolen_after = stolen()
        row["server_retrans"] = self.server_retransmissions() - before
        row.update(rate=rate, calls=calls)
        row["steal"] = (stolen_after[0] - stolen_before[0]) / (stolen_after[1] - stolen_before[1])
        row["gen_limited"] = row["gen_s"] > calls / rate * 1.08 + 1.2
        row["proxy_util"] = row["cpu"] / max(row["gen_s"], 0.1)
        again = row["retrans"] + row["server_retrans"]
        row["pass"] = row["failed"] < 0.001 * calls and again < 0.01 * calls and not row["gen_limited"]
        return row

    def fixed(self) -> Row:
        """The fixed-rate part: CPU per call, memory and, where the tap can run, latency."""
        o = self.options
        tap, tap_file = None, self.folder / "tap.json"
        if o.tap and self.proxy:
            argv = [sys.executable, str(HERE / "tap.py"), o.proxy_ip, str(o.proxy_port), o.caller_ip, o.server_ip]
            argv += [str(o.fixed_seconds + 20), str(tap_file)]
            tap = spawn(argv, o.load_cpu, self.folder / "tap.log", self.folder)
            time.sleep(0.5)
        step = self.step(o.rate, o.fixed_seconds)
        row: Row = {
            "fixed_cps": o.rate,
            "calls": step["calls"],
            "failures": step["failed"],
            "retransmissions": step["retrans"] + step["server_retrans"],
            "cpu_s_per_1000_calls": round(step["cpu"] / step["calls"] * 1000, 4),
            "kept_rate": not step["gen_limited"],
            "steal_pct": round(100 * step["steal"], 1),
        }
        if self.proxy:
            row["rss_mb"], row["pss_mb"] = memory_mb(self.proxy.pid)
        if tap:
            row.update(read_tap(tap, tap_file))
        return row

    def ramp(self) -> Row:
        """Double with short steps to the first failure, then bisect with full steps."""
        o, good, bad, best = self.options, 0, 0, None
        rate, limited = o.start_rate, False
        while rate <= o.limit and not bad:
            row = self.tried(rate, o.screen_seconds)
            if row["pass"]:
                good, best, rate = rate, row, rate * 2
            else:
                bad = rate
        bad = bad or min(rate, o.limit)
        for _ in range(o.bisect):
            if bad - good < max(5, 0.04 * bad):
                break
            middle = (good + bad) // 2
            row = self.tried(middle, o.seconds)
            if row["pass"]:
                good, best = middle, row
            else:
                bad, limited = middle, limited or row["gen_limited"]
            time.sleep(0.5)
        found: Row = {"max_cps": good, "first_fail_cps": bad, "load_generator_limited": limited}
        if best:
            found["util_at_max"] = round(best["proxy_util"], 2)
            found["max_cpu_s_per_1000_calls"] = round(best["cpu"] / best["calls"] * 1000, 4)
            if self.proxy:
                found["core_cps_est"] = round(best["rate"] / max(best["proxy_util"], 0.01))
        return found

    def tried(self, rate: int, seconds: float) -> Row:
        """A step of the ramp, shown with -v."""
        row = self.step(rate, seconds)
        if self.options.verbose:
            shown = {key: round(v, 2) if isinstance(v, float) else v for key, v in row.items()}
            print("   ", shown, file=sys.stderr, flush=True)
        return row


def read_caller(path: Path, calls: int, wall: float) -> Row:
    """SIPp's own figures; `gen_s` is when the last call was created: it tells whether SIPp kept the rate."""
    try:
        with path.open() as table:
            rows = list(csv.DictReader(table, delimiter=";"))
        last = rows[-1]
        succeeded, again = int(last["SuccessfulCall(C)"]), int(last["Retransmissions(C)"])
        full = next((row for row in rows if int(row["TotalCallCreated"]) >= calls), last)
        hours, minutes, seconds = full["ElapsedTime(C)"].split(":")[:3]
        created = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except (OSError, IndexError, KeyError, ValueError):
        return {"ok": 0, "failed": calls, "retrans": 0, "wall": wall, "gen_s": wall}
    return {"ok": succeeded, "failed": calls - succeeded, "retrans": again, "wall": wall, "gen_s": created}


def read_tap(tap: subprocess.Popen[bytes], path: Path) -> Row:
    """Stop the tap and take its figures."""
    tap.send_signal(signal.SIGINT)
    try:
        tap.wait(20)
        found: Row = json.loads(path.read_text())
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return {"tap": "not available (needs Linux and CAP_NET_RAW)"}
    finally:
        stop(tap)
    return found


def one_round(options: argparse.Namespace, name: str, command: str, number: int) -> Row:
    """Start one proxy, measure it, stop it."""
    bench = Bench(options)
    row: Row = {"proxy": name, "scenario": options.scenario, "round": number}
    try:
        bench.start(command)
        if options.rate:
            row.update(bench.fixed())
        if options.ramp:
            row.update(bench.ramp())
    except ProxyFailedError as error:
        row["error"] = str(error)
    finally:
        bench.finish()
    return row


def all_rounds(options: argparse.Namespace, proxies: list[tuple[str, str]]) -> list[Row]:
    """Rounds of A B A B; one JSON line each."""
    rows = []
    for number in range(1, options.rounds + 1):
        for name, command in proxies:
            rows.append(one_round(options, name, command, number))
            print(json.dumps(rows[-1]), file=options.rows, flush=True)
    return rows


def spread(values: list[float], digits: int = 4) -> dict[str, float]:
    """Median and range."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def summary(rows: list[Row], name: str, reference: str) -> Row:
    """Median, range and the ratios to the reference within each round."""
    found: Row = {"summary": name}
    own = [row for row in rows if row["proxy"] == name]
    others = {row["round"]: row for row in rows if row["proxy"] == reference}
    for key in SUMMARY:
        values = [row[key] for row in own if row.get(key) is not None]
        if not values:
            continue
        found[key] = spread(values)
        ratios = [
            row[key] / others[row["round"]][key]
            for row in own
            if row.get(key) is not None and others.get(row["round"], {}).get(key)
        ]
        if ratios and name != reference:
            found[key]["ratio"] = spread(ratios, 3)
    return found


def cpu_set(text: str) -> set[int] | None:
    """`0`, `0,2` or `none`."""
    return None if text in ("", "none") else {int(part) for part in text.split(",")}


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark of this folder shares."""
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--scenario", choices=("call", "register"), default="call")
    found.add_argument("--rounds", type=int, default=3, help="rounds of A B A B ...")
    found.add_argument("--rate", type=int, default=1000, help="calls/s of the fixed-rate part (0: skip it)")
    found.add_argument("--fixed-seconds", type=int, default=10)
    found.add_argument("--ramp", action="store_true", help="look for the highest passing rate")
    found.add_argument("--start-rate", type=int, default=100)
    found.add_argument("--limit", type=int, default=12800)
    found.add_argument("--screen-seconds", type=float, default=4)
    found.add_argument("--seconds", type=float, default=10)
    found.add_argument("--bisect", type=int, default=4)
    found.add_argument("--users", type=int, default=100)
    found.add_argument("--proxy-cpu", type=cpu_set, default={0}, help="cores of the proxy, or none")
    found.add_argument("--load-cpu", type=cpu_set, default={1}, help="cores of SIPp, or none")
    found.add_argument("--no-tap", dest="tap", action="store_false", help="leave latency out")
    found.add_argument("--proxy-ip", default="127.0.0.1")
    found.add_argument("--proxy-port", type=int, default=15060)
    found.add_argument("--caller-ip", default="127.0.0.2")
    found.add_argument("--caller-port", type=int, default=15080)
    found.add_argument("--server-ip", default="127.0.0.3")
    found.add_argument("--server-port", type=int, default=15070)
    found.add_argument("--sipp", default="sipp")
    found.add_argument("-v", "--verbose", action="store_true")
    found.set_defaults(rows=sys.stdout)
    return found


def end_cleanly() -> None:
    """Let SIGTERM run the `finally` parts: background jobs of a shell ignore SIGINT."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))


def main() -> None:
    """Measure what the command line names."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--proxy",
        action="append",
        required=True,
        metavar="NAME=COMMAND",
        help="repeatable; the first is the reference of the ratios; COMMAND 'direct' = no proxy",
    )
    options = arguments.parse_args()
    end_cleanly()
    proxies = [(name, command) for name, _, command in (text.partition("=") for text in options.proxy)]
    rows = all_rounds(options, proxies)
    for name, _ in proxies:
        print(json.dumps(summary(rows, name, proxies[0][0])), flush=True)


if __name__ == "__main__":
    main()
