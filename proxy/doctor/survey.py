"""Finds out who is who in a capture before anything is judged: which end is the server, and what its domain is.

The server is who gets REGISTERs; where nobody registers, who gets the most first requests, a PBX by its own word before
others. That is a guess, and is reported as one.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from proxy.capture.captured import Captured, Endpoint
from proxy.sip.errors import SipError
from proxy.sip.message import Request, Response
from proxy.sip.parser import parse_message
from proxy.sip.registry import REGISTER, SERVER, USER_AGENT

_MOST: Final = 4096
_PBX: Final = (
    b"asterisk", b"fpbx", b"freepbx", b"freeswitch", b"kamailio", b"opensips", b"3cx", b"yate", b"flexisip", b"sipmend",
)  # fmt: skip
# Methods that begin something.
_FIRST: Final = (b"INVITE", b"SUBSCRIBE", b"MESSAGE", b"PUBLISH", b"OPTIONS")


class Servers:
    """Which ends of a capture are servers. `endpoints` are host and port (0: any port of that host)."""

    __slots__ = ("_endpoints", "_hosts", "guessed")

    def __init__(self, endpoints: frozenset[Endpoint], hosts: frozenset[str], guessed: bool) -> None:
        self._endpoints = endpoints
        self._hosts = hosts
        self.guessed = guessed

    def has(self, end: Endpoint | None) -> bool:
        """Whether that end is a server; the writer of a log always is."""
        return end is None or end[0] in self._hosts or end in self._endpoints

    @property
    def known(self) -> bool:
        return bool(self._endpoints or self._hosts)

    @property
    def names(self) -> list[str]:
        """As they are shown to people, the ports of hosts that are servers as a whole included."""
        named = {f"{host}:{port}" if port else host for host, port in self._endpoints}
        named |= {host for host in self._hosts if not any(end[0] == host for end in self._endpoints)}
        return sorted(named)

    @property
    def first(self) -> Endpoint | None:
        """The one to name in a configuration."""
        return min(self._endpoints, default=None, key=lambda end: (end[1] != 5060, end))


def named_servers(words: tuple[str, ...]) -> Servers:
    """The servers that somebody named as HOST or HOST:PORT. Raises ValueError for what is neither."""
    endpoints = set()
    hosts = set()
    for word in words:
        host, colon, port = word.rpartition(":")
        if colon and port.isdecimal() and (":" not in host or host.startswith("[")) and 0 < int(port) < 65536:
            endpoints.add((host.strip("[]"), int(port)))
        else:
            hosts.add(word.strip("[]"))
    return Servers(frozenset(endpoints), frozenset(hosts), False)


class Survey:
    """Takes every message once and tells afterwards."""

    def __init__(self) -> None:
        self._registrars: Counter[Endpoint] = Counter()
        self._registering: set[Endpoint] = set()
        self._asked: Counter[Endpoint] = Counter()
        self._pbx: set[Endpoint] = set()
        self._domains: Counter[bytes] = Counter()
        self._others: Counter[bytes] = Counter()
        self.messages = 0

    def take(self, captured: Captured) -> None:
        self.messages += 1
        try:
            message = parse_message(captured.octets)
        except SipError:
            return
        source, destination = captured.source, captured.destination
        self._find_pbx(message, source)
        if not isinstance(message, Request):
            return
        if message.method == REGISTER:
            _count(self._registrars, destination)
            if source is not None and len(self._registering) < _MOST:
                self._registering.add(source)
            self._count_domain(self._domains, message, to=True)
        elif message.method in _FIRST:
            _count(self._asked, destination)
            self._count_domain(self._others, message, to=False)

    def servers(self) -> Servers:
        """Who is taken for the server."""
        found = self._registrars or self._asked
        if not found:
            return Servers(frozenset(), frozenset(), True)
        if self._registrars:
            ends = set(self._registrars)
        else:
            best = max(found, key=lambda end: (end in self._pbx, found[end]))
            ends = {best}
        # A host that is a client too (a test on one machine, a PBX with trunks) is a server by its port only.
        clients = {end[0] for end in self._registering}
        hosts = {end[0] for end in ends} - clients
        return Servers(frozenset(ends), frozenset(hosts), True)

    def domain(self) -> str:
        """The domain of most registrations, else of most callers; "" if nobody names one."""
        found = self._domains or self._others
        return found.most_common(1)[0][0].decode("ascii", "replace") if found else ""

    def _find_pbx(self, message: Request | Response, source: Endpoint | None) -> None:
        agent = message.value(USER_AGENT) or message.value(SERVER)
        if agent and source is not None and len(self._pbx) < _MOST:
            lowered = agent.lower()
            if any(name in lowered for name in _PBX):
                self._pbx.add(source)

    def _count_domain(self, counter: Counter[bytes], message: Request, to: bool) -> None:
        try:
            host = (message.to if to else message.from_).uri.host.lower()
        except SipError:
            return
        if host and (host in counter or len(counter) < _MOST):
            counter[host] += 1


def _count(counter: Counter[Endpoint], end: Endpoint | None) -> None:
    if end is not None and (end in counter or len(counter) < _MOST):
        counter[end] += 1
