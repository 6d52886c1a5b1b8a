#!/usr/bin/env python3
"""How long each SIP message stays inside the proxy, from kernel stamps on loopback (Linux, CAP_NET_RAW).

Usage: tap.py PROXY_IP PROXY_PORT CALLER_IP SERVER_IP SECONDS OUT.json

A message is matched between its arrival at the proxy and its departure by Call-ID, method or status, and CSeq
method: no clock of the load generator is involved. 100 Trying is hop by hop and left out. A proxy with two
sockets is matched by its IP address alone on the way out and on the way in.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import struct
import sys
import time
from pathlib import Path

SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
IPV4 = 0x0800
UDP = 17
PACKET_HOST = 0
CALL_ID = re.compile(rb"\r\n(?:Call-ID|i)\s*:\s*([^\r\n]+)", re.IGNORECASE)
CSEQ = re.compile(rb"\r\nCSeq\s*:\s*\d+\s+(\w+)", re.IGNORECASE)
REQUESTS = (b"INVITE", b"REGISTER")
Key = tuple[bytes, bytes, bytes]


def key(message: bytes) -> Key | None:
    """What a message is known by on both sides of the proxy."""
    call_id, sequence = CALL_ID.search(message), CSEQ.search(message)
    if not call_id or not sequence:
        return None
    first = message[:11] if message.startswith(b"SIP/2.0 ") else message[: message.find(b" ")]
    return call_id[1].strip(), first, sequence[1]


def capture(seconds: float) -> list[tuple[float, bytes]]:
    """IP packets on loopback with their kernel time, until SIGINT or the end of the time."""
    ears = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(IPV4))
    ears.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    ears.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    ears.bind(("lo", 0))
    ears.settimeout(0.5)
    stopped: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: stopped.append(number))
    packets, end = [], time.time() + seconds
    while not stopped and time.time() < end:
        try:
            packet, stamps, _, address = ears.recvmsg(4096, 64)
        except TimeoutError:
            continue
        if address[2] == PACKET_HOST and stamps:
            whole, nanoseconds = struct.unpack("qq", stamps[0][2])
            packets.append((whole + nanoseconds / 1e9, packet))
    ears.close()
    return packets


class Matcher:
    """Pairs arrivals with departures."""

    def __init__(self, proxy: str, ends: tuple[str, str]) -> None:
        self.proxy = socket.inet_aton(proxy)
        self.ends = {socket.inet_aton(end) for end in ends}
        self.arrived: dict[Key, float] = {}
        self.requested: dict[bytes, float] = {}
        self.inside: dict[str, list[float]] = {}
        self.setup: list[float] = []

    def packet(self, when: float, packet: bytes) -> None:
        """Take one packet of the capture."""
        start = (packet[0] & 15) * 4
        source, target = packet[12:16], packet[16:20]
        found = key(packet[start + 8 :]) if packet[9] == UDP else None
        if found is None or found[1] == b"SIP/2.0 100":
            return
        if target == self.proxy:
            self.arrived.setdefault(found, when)
            if found[1] in REQUESTS:
                self.requested.setdefault(found[0], when)
        elif source == self.proxy and target in self.ends:
            self.departed(when, found)

    def departed(self, when: float, found: Key) -> None:
        """A message left the proxy; only the first time counts."""
        came = self.arrived.get(found, -1.0)
        if came > 0:
            self.inside.setdefault(f"{found[1].decode()}/{found[2].decode()}", []).append(when - came)
            self.arrived[found] = -1.0
        if found[1] == b"SIP/2.0 200" and found[2] in REQUESTS and found[0] in self.requested:
            self.setup.append(when - self.requested.pop(found[0]))


def percentile(values: list[float], share: float) -> float:
    """Of sorted seconds, in milliseconds."""
    return round(values[min(len(values) - 1, int(len(values) * share))] * 1e3, 4)


def main() -> None:
    """Capture, match, write the figures."""
    proxy, _port, caller, server, seconds, out = sys.argv[1:7]
    matcher = Matcher(proxy, (caller, server))
    for when, packet in capture(float(seconds)):
        matcher.packet(when, packet)
    every = sorted(value for values in matcher.inside.values() for value in values)
    figures: dict[str, object] = {"tap_messages": len(every)}
    if every:
        figures.update(p50_ms=percentile(every, 0.5), p99_ms=percentile(every, 0.99), pmax_ms=percentile(every, 1))
        kinds = sorted(matcher.inside.items())
        figures["per_kind_p50_ms"] = {kind: percentile(sorted(values), 0.5) for kind, values in kinds}
    if matcher.setup:
        matcher.setup.sort()
        figures.update(setup_p50_ms=percentile(matcher.setup, 0.5), setup_p99_ms=percentile(matcher.setup, 0.99))
    Path(out).write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
