"""Who gives way when connections are as many as there may be: a client that holds many of them and needs none.

A client that connects, says next to nothing and stays would otherwise keep its place for as long as an idle connection
may live, and a few thousand of those keep everybody out. Connections on which somebody is registered stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Final

from proxy.transport.connection import Connection

# How many connections are picked out at once, and seconds until all are looked through again: so many for each, which
# is some ten times what a look takes.
PICKED: Final = 1000
PAUSE: Final = 1e-5
# What one client of IPv6 has for itself: its network, of 64 bits.
_SITE: Final = 64

# Connections with the address of their client.
Sources = Iterable[tuple[str, Connection]]


class Crowd:
    """Finds connections that can be spared. All that happens per connection is a pop from a list."""

    def __init__(self, clock: Callable[[], float], most: int) -> None:
        """`most` is how many connections there may be."""
        self._clock = clock
        self._pause = most * PAUSE
        self._looked = -self._pause
        # The one that goes first is at the end; with when it was last heard.
        self._picked: list[tuple[Connection, float]] = []

    def next(self, spare: Callable[[], Sources], in_use: Callable[[Connection], bool]) -> Connection | None:
        """The connection that gives way; None if everybody has one only. `spare` are those nobody is registered on."""
        found = self._pop(in_use)
        now = self._clock()
        if found is None and now - self._looked >= self._pause:
            self._looked = now
            self._pick(spare())
            found = self._pop(in_use)
        return found

    def _pop(self, in_use: Callable[[Connection], bool]) -> Connection | None:
        while self._picked:
            connection, heard = self._picked.pop()
            if not connection.deaf and connection.heard == heard and not in_use(connection):
                return connection
        return None

    def _pick(self, spare: Sources) -> None:
        """The half of the largest crowd that has been silent for longest."""
        crowds: dict[str, list[Connection]] = {}
        for host, connection in spare:
            crowds.setdefault(host, []).append(connection)
        by_site: dict[str, list[Connection]] = {}
        for host, connections in crowds.items():
            by_site.setdefault(site_of(host), []).extend(connections)
        largest = max(by_site.values(), key=len, default=[])
        largest.sort(key=lambda connection: connection.heard)
        self._picked = [(connection, connection.heard) for connection in largest[: min(PICKED, len(largest) // 2)]]
        self._picked.reverse()


def site_of(host: str) -> str:
    """What counts as one client: an IPv4 address, or a network of IPv6."""
    if ":" not in host:
        return host
    return str(int(ip_address(host.partition("%")[0])) >> (128 - _SITE))
