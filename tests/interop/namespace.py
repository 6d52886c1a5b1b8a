"""Network namespaces, and a real NAT out of three of them: clients inside, a masquerading router, the world outside.

The namespaces have no names: the kernel takes them away when nothing is left in them, however the tests end.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Self

import pytest
from peer_process import lacks, need

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

INSIDE = ("10.9.0.2", "10.9.0.3")
OUTSIDE = ("198.51.100.2", "198.51.100.3")
_GATE = "10.9.0.1"
PUBLIC = "198.51.100.1"
# Associations take ports of one range until they are forgotten, then of the next.
_RANGES = ("30000-34999", "35000-39999")
# Nothing comes in from outside that was not asked for, and nobody is told.
_RULES = """
table ip gate {
  chain arriving {
    type filter hook input priority filter; policy accept;
    iifname "out0" ct state new counter drop
  }
  chain leaving {
    type nat hook postrouting priority srcnat;
  }
  chain passing {
    type filter hook forward priority filter; policy accept;
    iifname "out0" ct state new drop
    iifname "out0" ct state invalid drop
  }
}
"""


class Namespace:
    """An empty network namespace. Only root can make one: without, the test is skipped and says so."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            pytest.skip("network namespaces need root: run this as root to test a real NAT")
        before = _current()
        try:
            if _libc.unshare(CLONE_NEWNET):
                lacks(f"no network namespaces here: {os.strerror(ctypes.get_errno())}")
            self._fd = _current()
            _enter(before)
        finally:
            os.close(before)
        self.run("ip", "link", "set", "lo", "up")

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets that are made and programs that are started meanwhile belong to this namespace for good."""
        before = _current()
        _enter(self._fd)
        try:
            yield
        finally:
            _enter(before)
            os.close(before)

    @property
    def path(self) -> str:
        """The name by which `ip` finds it."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def run(self, *words: str, text: str | None = None) -> str:
        """Run a program in it; returns what it prints, raises with what it says if it fails."""
        with self.entered():
            done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def close(self) -> None:
        os.close(self._fd)


class Nat:
    """Hosts `INSIDE` reach hosts `OUTSIDE` by way of `PUBLIC`, each association from a port of its own."""

    def __init__(self) -> None:
        for program, package in (("ip", "iproute2"), ("nft", "nftables"), ("conntrack", "conntrack")):
            need(program, package)
        with contextlib.ExitStack() as made:
            self.inside, self.gate, self.outside = (Namespace() for _ in range(3))
            for namespace in (self.inside, self.gate, self.outside):
                made.callback(namespace.close)
            self._wire(self.inside, "host0", "in0")
            self._wire(self.outside, "host0", "out0")
            self._address(self.inside, "host0", *INSIDE)
            self._address(self.gate, "in0", _GATE)
            self._address(self.gate, "out0", PUBLIC)
            self._address(self.outside, "host0", *OUTSIDE)
            self.inside.run("ip", "route", "add", "default", "via", _GATE)
            self.gate.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
            self.gate.run("nft", "-f", "-", text=_RULES)
            self._ranges = itertools.cycle(_RANGES)
            self._masquerade()
            self._made = made.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._made.close()

    def _wire(self, host: Namespace, name: str, at_gate: str) -> None:
        host.run("ip", "link", "add", name, "type", "veth", "peer", "name", at_gate, "netns", self.gate.path)

    def _address(self, where: Namespace, device: str, *addresses: str) -> None:
        for address in addresses:
            where.run("ip", "address", "add", f"{address}/24", "dev", device)
        where.run("ip", "link", "set", device, "up")

    def ports(self, transport: str, towards: str = r"\d+") -> set[int]:
        """The ports of the public address that are in use (towards that port of the outside)."""
        listed = self.gate.run("conntrack", "-L", "-p", transport)
        return {int(port) for port in re.findall(rf"dst={re.escape(PUBLIC)} sport={towards} dport=(\d+)", listed)}

    def forgets_after(self, seconds: int) -> None:
        """Lose each association by UDP or TCP that is silent for so long."""
        for name in ("udp_timeout", "udp_timeout_stream", "tcp_timeout_established"):
            self.gate.run("sysctl", "-qw", f"net.netfilter.nf_conntrack_{name}={seconds}")

    def refused(self) -> int:
        """How many packets came from outside that belong to no association."""
        listed = self.gate.run("nft", "list", "chain", "ip", "gate", "arriving")
        return int(re.findall(r"counter packets (\d+)", listed)[0])

    def forget(self) -> None:
        """Lose every association, as a router does that starts anew: what comes next gets another port."""
        self._masquerade()
        self.gate.run("conntrack", "-F")

    def _masquerade(self) -> None:
        rule = f"oifname out0 meta l4proto {{ tcp, udp }} masquerade to :{next(self._ranges)} fully-random"
        self.gate.run("nft", "-f", "-", text=f"flush chain ip gate leaving\nadd rule ip gate leaving {rule}\n")


def _current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
