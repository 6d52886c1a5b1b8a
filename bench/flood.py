#!/usr/bin/env python3
"""Messages/s and CPU microseconds per datagram of a one-way relay (or of a proxy) without SIP.

    sender 127.0.0.2 -> relay 127.0.0.1 -> sink 127.0.0.3, closed loop with a window

Usage: flood.py [--rounds N] [--flood-seconds S] [--window W] [--size B] NAME=COMMAND ...
The placeholders are those of run.py. The first NAME is the reference of the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import statistics
import time

from processes import cpu_seconds, spawn, stop, udp_bound
from run import Bench, ProxyFailedError, Row, parser, spread


class Loop:
    """A sender that keeps `window` datagrams under way, and the sink that counts them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.window = options.window
        self.message = b"x" * options.size
        self.under_way = self.arrived = self.lost = 0
        self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.sender.bind((options.caller_ip, options.caller_port))
        self.sink.bind((options.server_ip, options.server_port))
        self.sender.connect((options.proxy_ip, options.proxy_port))
        self.sink.setblocking(False)

    def run(self, seconds: float) -> None:
        """Send and receive for so long."""
        end = time.time() + seconds
        room = bytearray(65536)
        while time.time() < end:
            for _ in range(self.window - self.under_way):
                self.sender.send(self.message)
            self.under_way = self.window
            if not select.select([self.sink], [], [], 0.2)[0]:
                self.lost += self.under_way
                self.under_way = 0
                continue
            try:
                while self.under_way:
                    self.sink.recv_into(room)
                    self.arrived += 1
                    self.under_way -= 1
            except BlockingIOError:
                continue

    def close(self) -> None:
        self.sender.close()
        self.sink.close()


def one(command: str, options: argparse.Namespace, number: int) -> Row:
    """One relay, one round."""
    bench = Bench(options)
    log = bench.folder / "proxy.log"
    process = spawn(bench.render(command), options.proxy_cpu, log, bench.folder)
    try:
        end = time.time() + 10
        while not udp_bound(options.proxy_port):
            if time.time() > end or process.poll() is not None:
                raise ProxyFailedError(log.read_text()[-800:])
            time.sleep(0.05)
        time.sleep(0.8)
        loop = Loop(options)
        loop.run(0.5)
        loop.arrived = loop.lost = 0
        used, began = cpu_seconds(process.pid), time.time()
        loop.run(options.flood_seconds)
        used, took = cpu_seconds(process.pid) - used, time.time() - began
        loop.close()
    finally:
        stop(process)
        time.sleep(0.3)
    return {
        "round": number,
        "messages_per_s": round(loop.arrived / took),
        "cpu_us_per_message": round(used / max(loop.arrived, 1) * 1e6, 2),
        "utilisation": round(used / took, 2),
        "lost": loop.lost,
    }


def main() -> None:
    """Measure each relay in turn, round by round."""
    arguments = parser(__doc__)
    arguments.add_argument("relay", nargs="+", metavar="NAME=COMMAND")
    arguments.add_argument("--flood-seconds", type=float, default=4)
    arguments.add_argument("--window", type=int, default=64)
    arguments.add_argument("--size", type=int, default=800)
    options = arguments.parse_args()
    if options.load_cpu:
        os.sched_setaffinity(0, options.load_cpu)
    found: dict[str, list[Row]] = {}
    for number in range(1, options.rounds + 1):
        for name, _, command in (text.partition("=") for text in options.relay):
            row = one(command, options, number)
            found.setdefault(name, []).append(row)
            print(json.dumps({"relay": name, **row}), flush=True)
    reference = next(iter(found.values()))
    for name, rows in found.items():
        costs = [row["cpu_us_per_message"] for row in rows]
        ratios = [
            row["cpu_us_per_message"] / other["cpu_us_per_message"] for row, other in zip(rows, reference, strict=True)
        ]
        rates = statistics.median(row["messages_per_s"] for row in rows)
        print(json.dumps({"summary": name, "cpu_us": spread(costs), "per_s": rates, "ratio": spread(ratios)}))


if __name__ == "__main__":
    main()
