"""Where the server is: looked up at the start, and again whenever its records have run out (RFC 3263).

What was known stays when a later look fails, or had to do without answers: a fallback that came of a dead name
server must not replace what a living one said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from proxy.core.locate import Unlocatable
from proxy.effects import Note
from proxy.flow import TCP, UDP
from proxy.resolver import Location

Address = tuple[int, str, int]

# The transports that our server-side sockets always speak.
SUPPORTED = frozenset((UDP, TCP))
# Seconds: no look comes sooner than that after the last, and one that failed is repeated so soon.
SHORTEST = 5.0
RETRY = 10.0


class ServerName(Protocol):
    """One URI of the server."""

    @property
    def scheme(self) -> str: ...

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int | None: ...

    @property
    def transport(self) -> str | None: ...


class Resolver(Protocol):
    """What is needed of `proxy.resolver.Resolver`."""

    def locate(
        self,
        host: str,
        port: int,
        transport: str | None,
        secure: bool,
        supported: frozenset[int],
        families: tuple[str, ...],
    ) -> Deferred[Location]:
        """Where the server of a URI is. Fails with `Unlocatable`."""


class NotFoundError(Exception):
    """A target has no address; the text says which and why."""


class Whereabouts:
    """Knows the addresses of all targets in the order to try, and tells when they change.

    `moved` is called with new addresses; `note` takes lines for the operator.
    """

    log = Logger()

    def __init__(
        self,
        resolver: Resolver,
        reactor: Any,
        names: Sequence[ServerName],
        families: tuple[str, ...],
        moved: Callable[[tuple[Address, ...]], None],
        note: Callable[[Note], None],
        supported: frozenset[int] = SUPPORTED,
    ) -> None:
        """`supported` are the transports of our server-side sockets."""
        # The names under which each IP address was found.
        self.names: dict[str, tuple[str, ...]] = {}
        self._supported = supported
        self.addresses: tuple[Address, ...] = ()
        self._resolver = resolver
        self._reactor = reactor
        self._names = names
        self._families = families
        self._moved = moved
        self._note = note
        self._call: Any = None
        self._failing = False
        self._stopped = False

    async def find(self) -> tuple[Address, ...]:
        """The first look; later ones follow by themselves. Raises NotFoundError for a target without address."""
        found, ttl, troubles = await self._look()
        self.addresses = found
        if troubles:
            # Better some address than none; soon somebody may know more.
            self._fail("; ".join(troubles), "what was found without it is used")
        self._later(RETRY if troubles else ttl)
        return found

    def stop(self) -> None:
        """Look no more."""
        self._stopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None

    async def _look(self) -> tuple[tuple[Address, ...], float, list[str]]:
        found: list[Address] = []
        troubles: list[str] = []
        names: dict[str, dict[str, None]] = {}
        ttl = float("inf")
        for name in self._names:
            try:
                location = await self._resolver.locate(
                    name.host, name.port or 0, name.transport, name.scheme == "sips", self._supported, self._families
                )
            except Unlocatable as error:
                raise NotFoundError(f"{name} cannot be resolved: {error.reason}") from error
            found += location.addresses
            for _, host, _ in location.addresses:
                names.setdefault(host, {})[name.host] = None
            troubles += location.troubles
            ttl = min(ttl, location.ttl)
        self.names = {host: tuple(known) for host, known in names.items()}
        # Two targets may be one machine: it is tried once, at its better place.
        return tuple(dict.fromkeys(found)), ttl, troubles

    def _later(self, seconds: float) -> None:
        if not self._stopped:
            self._call = self._reactor.callLater(max(seconds, SHORTEST), self._again)

    def _again(self) -> None:
        self._call = None
        Deferred.fromCoroutine(self._refresh()).addErrback(self._slipped)

    async def _refresh(self) -> None:
        try:
            found, ttl, troubles = await self._look()
        except NotFoundError as error:
            found, ttl, troubles = (), RETRY, [str(error)]
        if self._stopped:
            return
        if troubles:
            self._fail("; ".join(troubles), "the known addresses stay")
            self._later(RETRY)
            return
        if self._failing:
            self._failing = False
            self._note(Note("info", "the server's name is resolved again", {}))
        self._later(ttl)
        if found != self.addresses:
            self.addresses = found
            self._moved(found)

    def _fail(self, reason: str, consequence: str) -> None:
        """Say it once, until a look succeeds."""
        if not self._failing:
            self._failing = True
            text = "the server's name: {reason}; {consequence}"
            self._note(Note("warn", text, {"reason": reason, "consequence": consequence}))

    def _slipped(self, failure: Any) -> None:
        """An error of ours must not end the looking."""
        self.log.failure("internal error while looking up the server, please report this", failure)
        self._later(RETRY)
