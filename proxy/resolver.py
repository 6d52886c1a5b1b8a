"""Asks the questions of `proxy.core.locate`: the hosts file first, then DNS, with a cache and time limits.

dnspython's blocking resolver runs in a few threads of our own, so that a dead name server holds up nobody else;
it brings resolv.conf, search lists, several name servers and the change to TCP. What RFC 3263 makes of the
answers is decided in `locate`.
"""

from __future__ import annotations

import os
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

import dns.exception
import dns.nameserver
import dns.rdata
import dns.rdatatype
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.rdtypes.IN.NAPTR
import dns.rdtypes.IN.SRV
import dns.resolver
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from proxy.core.locate import MAX_RECORDS, Answer, Naptr, Query, Srv, Target, locate, numeric

# Seconds. However short a TTL is, it spares us a question per call; however long, a move is seen within the hour.
TTL_FLOOR: Final = 5.0
TTL_CEILING: Final = 3600.0
NEGATIVE_TTL: Final = 10.0
HOSTS_TTL: Final = 30.0

QUERY_TIMEOUT: Final = 5.0
# Of one attempt at one name server, within the whole of QUERY_TIMEOUT.
ATTEMPT_TIMEOUT: Final = 2.0
THREADS: Final = 4
MAX_CACHED: Final = 1000

OK: Final = "ok"
HOSTS: Final = "hosts"
CACHED: Final = "cached"
NXDOMAIN: Final = "nxdomain"
NODATA: Final = "nodata"
TIMEOUT: Final = "timeout"
FAILED: Final = "failed"
RESULTS: Final = (OK, HOSTS, CACHED, NXDOMAIN, NODATA, TIMEOUT, FAILED)


class Reactor(Protocol):
    """What is needed of the reactor here."""

    def seconds(self) -> float:
        """Monotonic seconds, for the cache."""

    def callFromThread(self, function: Callable[..., object], *args: object) -> None:  # noqa: N802 - Twisted's
        """Run the function in the reactor's thread."""


class Location:
    """Where a server is. `addresses` are in the order to try; look again after `ttl` seconds.

    `troubles` names the questions that got no answer on the way: then the addresses may be a fallback that better
    answers would not have led to, and whoever has earlier ones should keep them.
    """

    __slots__ = ("addresses", "troubles", "ttl")

    def __init__(self, addresses: list[Target], ttl: float, troubles: list[str]) -> None:
        self.addresses = addresses
        self.ttl = ttl
        self.troubles = troubles


class Lookup:
    """One answer with its life in seconds and the result it is counted under."""

    __slots__ = ("answer", "result", "ttl")

    def __init__(self, answer: Answer, ttl: float, result: str) -> None:
        self.answer = answer
        self.ttl = ttl
        self.result = result


class HostsFile:
    """The names in /etc/hosts, read again when the file changes. `localhost` is known without it (RFC 6761 6.3)."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._names: dict[str, list[str]] = {}

    def addresses(self, name: str) -> list[str]:
        """The addresses of the name, of both families in the order of the file; empty if it is not there."""
        try:
            status = os.stat(self._path)
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp != self._stamp:
                self._names = self._read()
                self._stamp = stamp
        except OSError:
            self._names, self._stamp = {}, None
        key = name.rstrip(".").lower()
        found = self._names.get(key, [])
        if not found and (key == "localhost" or key.endswith(".localhost")):
            return ["127.0.0.1", "::1"]
        return found

    def _read(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        with open(self._path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                address, *aliases = line.partition("#")[0].split() or [""]
                if numeric(address):
                    for alias in aliases:
                        entries = names.setdefault(alias.rstrip(".").lower(), [])
                        if address not in entries:
                            entries.append(address)
        return names


class Questioner:
    """Answers one question, blocking: to be called in a thread. Never raises for what DNS may do."""

    def __init__(
        self, hosts_path: str, resolv_path: str, nameservers: Sequence[tuple[str, int]], timeout: float
    ) -> None:
        self._hosts = HostsFile(hosts_path)
        self._resolv_path = resolv_path
        self._fixed = [dns.nameserver.Do53Nameserver(host, port) for host, port in nameservers]
        self._timeout = timeout
        self._stamp: tuple[int, int] | None = None
        self._resolver: dns.resolver.Resolver | None = None

    def ask(self, query: Query) -> Lookup:
        """Look the name up.

        A name in the hosts file is what the administrator says it is: no NAPTR or SRV record is asked for.
        """
        listed = self._hosts.addresses(_owner(query))
        if listed:
            wanted = [address for address in listed if (":" in address) == (query.rtype == "AAAA")]
            return Lookup(Answer(wanted if query.rtype in ("A", "AAAA") else ()), HOSTS_TTL, HOSTS)
        try:
            resolver = self._current()
            found = resolver.resolve(query.name, query.rtype, search=_searched(query, resolver.ndots))
        except dns.resolver.NXDOMAIN:
            return Lookup(Answer(), NEGATIVE_TTL, NXDOMAIN)
        except dns.resolver.NoAnswer:
            return Lookup(Answer(), NEGATIVE_TTL, NODATA)
        except dns.exception.Timeout:
            return Lookup(Answer(trouble=f"no answer within {self._timeout:g} s"), NEGATIVE_TTL, TIMEOUT)
        except dns.resolver.NoResolverConfiguration:
            trouble = f"no name server in {self._resolv_path}"
            return Lookup(Answer(trouble=trouble), NEGATIVE_TTL, FAILED)
        except (dns.exception.DNSException, OSError, ValueError) as error:
            # Refused, server failure, an answer that is none, no route.
            trouble = " ".join(str(error).split())[:300] or type(error).__name__
            return Lookup(Answer(trouble=trouble), NEGATIVE_TTL, FAILED)
        records = [_record(rdata) for rdata in list(found)[:MAX_RECORDS]]
        ttl = min(max(float(found.chaining_result.minimum_ttl), TTL_FLOOR), TTL_CEILING)
        return Lookup(Answer(records), ttl, OK)

    def _current(self) -> dns.resolver.Resolver:
        """The resolver for resolv.conf as it is now: a laptop changes networks, a container gets its file late."""
        stamp = None
        if not self._fixed:
            try:
                status = os.stat(self._resolv_path)
            except OSError as error:
                raise dns.resolver.NoResolverConfiguration from error
            stamp = (status.st_mtime_ns, status.st_size)
        if self._resolver is None or stamp != self._stamp:
            resolver = dns.resolver.Resolver(self._resolv_path, configure=not self._fixed)
            if self._fixed:
                resolver.nameservers = self._fixed
            resolver.lifetime = self._timeout
            resolver.timeout = min(ATTEMPT_TIMEOUT, self._timeout)
            self._resolver, self._stamp = resolver, stamp
        return self._resolver


def _owner(query: Query) -> str:
    """The host that a question is about: without the labels of the service."""
    if query.rtype != "SRV":
        return query.name
    return query.name.split(".", 2)[-1]


def _searched(query: Query, ndots: int | None) -> bool:
    """Whether the search list applies, as in the C library: to names with fewer dots than `ndots` (1)."""
    owner = _owner(query)
    return not owner.endswith(".") and owner.count(".") < (1 if ndots is None else ndots)


def _record(rdata: dns.rdata.Rdata) -> str | Naptr | Srv:
    if isinstance(rdata, dns.rdtypes.IN.SRV.SRV):
        return Srv(rdata.priority, rdata.weight, rdata.port, rdata.target.to_text())
    if isinstance(rdata, dns.rdtypes.IN.NAPTR.NAPTR):
        flags, service = (part.decode("ascii", "backslashreplace") for part in (rdata.flags, rdata.service))
        return Naptr(rdata.order, rdata.preference, flags, service, rdata.replacement.to_text())
    if isinstance(rdata, dns.rdtypes.IN.A.A | dns.rdtypes.IN.AAAA.AAAA):
        return str(rdata.address)
    raise ValueError(f"a record of type {dns.rdatatype.to_text(rdata.rdtype)} was not asked for")


class Resolver:
    """Finds servers for the service. `results` counts the questions by result, for the metrics.

    Give `nameservers` as (address, port) to leave resolv.conf aside.
    """

    def __init__(
        self,
        reactor: Reactor,
        *,
        hosts_path: str = "/etc/hosts",
        resolv_path: str = "/etc/resolv.conf",
        nameservers: Sequence[tuple[str, int]] = (),
        timeout: float = QUERY_TIMEOUT,
        draw: Callable[[int], int] = lambda highest: secrets.randbelow(highest + 1),
    ) -> None:
        self.results = dict.fromkeys(RESULTS, 0)
        self._reactor = reactor
        self._questioner = Questioner(hosts_path, resolv_path, nameservers, timeout)
        self._draw = draw
        self._pool = ThreadPool(0, THREADS, "dns")
        # (name, type) -> (end of life, lookup), the oldest first
        self._cache: OrderedDict[tuple[str, str], tuple[float, Lookup]] = OrderedDict()

    def start(self) -> None:
        """Allow threads; they are made when a question is asked. Questions asked earlier wait for this."""
        self._pool.start()

    def stop(self) -> None:
        """End the threads. Waits for questions under way, at most for the timeout of one."""
        if self._pool.started:
            self._pool.stop()

    def forget(self) -> None:
        """Drop the cache: the next look asks DNS."""
        self._cache.clear()

    def locate(
        self,
        host: str,
        port: int,
        transport: str | None,
        secure: bool,
        supported: frozenset[int],
        families: tuple[str, ...] = ("A", "AAAA"),
    ) -> Deferred[Location]:
        """Where the server of a URI is; arguments as for `proxy.core.locate.locate`. Fails with `Unlocatable`."""
        steps = locate(host, port, transport, secure, supported, self._draw, families)

        async def run() -> Location:
            ttl = TTL_CEILING
            troubles: list[str] = []
            try:
                query = next(steps)
                while True:
                    answer, left = await self._ask(query)
                    if answer.trouble:
                        troubles.append(f"{query}: {answer.trouble}")
                    # That there is no NAPTR record is no reason to look again every ten seconds.
                    if answer.records or answer.trouble:
                        ttl = min(ttl, left)
                    query = steps.send(answer)
            except StopIteration as stop:
                return Location(cast("list[Target]", stop.value), max(ttl, 1.0), troubles)

        return Deferred.fromCoroutine(run())

    async def _ask(self, query: Query) -> tuple[Answer, float]:
        """The answer, from the cache if it lives there, and the seconds it is good for."""
        key = (query.name.lower(), query.rtype)
        now = self._reactor.seconds()
        ends, lookup = self._cache.get(key, (0.0, None))
        if lookup is not None and ends > now:
            self.results[CACHED] += 1
            return lookup.answer, ends - now
        # deferToThreadPool uses nothing but callFromThread of the reactor.
        reactor = cast(IReactorFromThreads, self._reactor)
        lookup = await deferToThreadPool(reactor, self._pool, self._questioner.ask, query)
        self.results[lookup.result] += 1
        if not lookup.answer.trouble:
            self._cache.pop(key, None)
            self._cache[key] = (self._reactor.seconds() + lookup.ttl, lookup)
            if len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)
        return lookup.answer, lookup.ttl
