"""A NAT made of three network namespaces: one inside at 10.9.0.2, the NAT at 198.51.100.1, one outside at 198.51.100.2.

Nothing of the machine's own network is touched. Needs root; where the kernel refuses, the test is skipped.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

import pytest
from peer_process import need

INSIDE, NAT, OUTSIDE = "10.9.0.2", "198.51.100.1", "198.51.100.2"
RULES = """
table ip nat {
  chain leaving {
    type nat hook postrouting priority 100;
    oifname "out" masquerade
  }
}
"""


class Nat:
    """The three namespaces by name, and commands to run something in one of them."""

    def __init__(self) -> None:
        self.names = {side: f"sipmend-{os.getpid()}-{side}" for side in ("in", "nat", "out")}

    def inside(self, side: str) -> list[str]:
        """What stands before a command that runs in the namespace `in`, `nat` or `out`."""
        return [need("ip", "iproute2"), "netns", "exec", self.names[side]]

    def set_up(self) -> None:
        for name in self.names.values():
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        self._link("in", INSIDE, "in", "10.9.0.1")
        self._link("out", OUTSIDE, "out", NAT)
        _run("ip", "-n", self.names["in"], "route", "add", "default", "via", "10.9.0.1")
        _run(*self.inside("nat"), "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        _run(*self.inside("nat"), need("nft", "nftables"), "-f", "-", given=RULES)

    def _link(self, side: str, address: str, name: str, at_nat: str) -> None:
        end, nat = self.names[side], self.names["nat"]
        _run("ip", "link", "add", "eth", "netns", end, "type", "veth", "peer", "name", name, "netns", nat)
        for namespace, device, host in ((end, "eth", address), (nat, name, at_nat)):
            _run("ip", "-n", namespace, "addr", "add", f"{host}/24", "dev", device)
            _run("ip", "-n", namespace, "link", "set", device, "up")

    def tear_down(self) -> None:
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _run(*argv: str, given: str = "") -> None:
    done = subprocess.run(argv, input=given, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(argv)}: {done.stderr.strip()}")


@contextlib.contextmanager
def behind_nat() -> Iterator[Nat]:
    """The NAT while it is needed."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root: the test behind a NAT did NOT run")
    nat = Nat()
    try:
        try:
            nat.set_up()
        except OSError as error:
            pytest.skip(f"no network namespaces here ({error}): the test behind a NAT did NOT run")
        yield nat
    finally:
        nat.tear_down()
