"""The addresses by which others see our sockets, as STUN servers tell them (RFC 8489): asked at the start, and again.

A question leaves by the listener's own UDP socket, since a NAT in front of us has a mapping for that very port.
Listeners by stream share the answer that a UDP socket got; without one a socket is opened that only asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.python.failure import Failure

from proxy.core.locate import Unlocatable
from proxy.effects import Note
from proxy.events import AddressMapped
from proxy.flow import UDP, Listener, host_octets
from proxy.resolver import Location
from proxy.transport.asking import FEWER_REQUESTS, REQUESTS, AskingPort, NoAnswerError, StoppedError, Transaction
from proxy.transport.contract import Asks, Deliver, Transport

# How many addresses of a server's name are tried.
MOST_ADDRESSES: Final = 3


class ServerName(Protocol):
    """A STUN server as the settings name it."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


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
        """Where a server is. Fails with `Unlocatable`."""


class Question:
    """What is asked of one STUN server by one socket.

    `by` is the index of the UDP listener whose socket asks, None for a socket of its own on `host`. `takers` are the
    listeners that take the answer; each that is among the `fixed` keeps its port and takes the address only.
    """

    __slots__ = ("by", "fixed", "host", "server", "takers")

    def __init__(self, server: ServerName, host: str, by: int | None) -> None:
        self.server = server
        self.host = host
        self.by = by
        self.takers: list[Listener] = []
        self.fixed: set[int] = set()

    def add(self, listener: Listener, fixed: bool) -> None:
        self.takers.append(listener)
        if fixed:
            self.fixed.add(listener.index)

    @property
    def families(self) -> tuple[str, ...]:
        """The records to ask DNS for. On [::] it is IPv4 that has NATs, so the IPv4 address is what is wanted."""
        return ("A", "AAAA") if self.host == "::" else ("AAAA",) if ":" in self.host else ("A",)


class Inquiry:
    """One question, asked again and again."""

    log = Logger()

    def __init__(
        self,
        question: Question,
        socket: Asks,
        resolver: Resolver,
        reactor: Any,
        interval: float,
        deliver: Deliver,
        note: Callable[[Note], None],
    ) -> None:
        self._question = question
        self._socket = socket
        self._resolver = resolver
        self._reactor = reactor
        self._interval = interval
        self._deliver = deliver
        self._note = note
        self._transaction: Transaction | None = None
        self._call: Any = None
        self._known: tuple[str, int] | None = None
        self._failing = False
        self._stopped = False
        socket.heard = self._hear

    async def find(self) -> None:
        """Ask for the first time; later questions follow by themselves. Raises NoAnswerError."""
        self._take(await self._ask())

    def stop(self) -> None:
        """Ask no more; who waits gets StoppedError."""
        self._stopped = True
        self._socket.heard = None
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._transaction is not None:
            self._transaction.stop()

    async def _ask(self) -> tuple[str, int]:
        server = self._question.server
        try:
            location = await self._resolver.locate(
                server.host, server.port, "udp", False, frozenset((UDP,)), self._question.families
            )
        except Unlocatable as error:
            raise NoAnswerError(f"stun:{server}: {error.reason}") from error
        addresses = location.addresses[:MOST_ADDRESSES]
        troubles = []
        for number, (_, host, port) in enumerate(addresses, 1):
            requests = REQUESTS if number == len(addresses) else FEWER_REQUESTS
            try:
                return await self._ask_one(host, port, requests)
            except NoAnswerError as error:
                troubles.append(f"{_shown(host, port)} {error}")
        raise NoAnswerError(f"stun:{server}: {', '.join(troubles)}")

    async def _ask_one(self, host: str, port: int, requests: int) -> tuple[str, int]:
        if self._stopped:
            raise StoppedError
        transaction = self._transaction = Transaction(self._socket, self._reactor, host, port, requests)
        transaction.send()
        try:
            return await transaction.answer
        finally:
            self._transaction = None

    def _hear(self, octets: bytes, host: str, port: int) -> bool:
        return self._transaction is not None and self._transaction.hear(octets, host, port)

    def _take(self, told: tuple[str, int]) -> None:
        """Tell the listeners where they are, and the operator if that is somewhere else than before."""
        if self._failing:
            self._failing = False
            self._note(Note("info", "stun:{server} answers again", {"server": str(self._question.server)}))
        host, port = told
        for listener in self._question.takers:
            wanted = listener.public_port if listener.index in self._question.fixed else port
            before = listener.sent_by.decode()
            if (listener.public_host, listener.public_port) == (host_octets(host), wanted):
                continue
            if self._known is not None:
                text = "the public address of {listener} is {address} now, it was {before}"
                fields: dict[str, object] = {
                    "listener": listener, "address": _shown(host, wanted), "before": before,
                }  # fmt: skip
                self._note(Note("warn", text, fields))
            self._deliver(AddressMapped(listener, host, wanted, monotonic()))
        self._known = told
        self._later()

    def _later(self) -> None:
        if not self._stopped:
            self._call = self._reactor.callLater(self._interval, self._again)

    def _again(self) -> None:
        self._call = None
        Deferred.fromCoroutine(self._refresh()).addErrback(self._slipped)

    async def _refresh(self) -> None:
        try:
            told = await self._ask()
        except NoAnswerError as error:
            if not self._failing:
                self._failing = True
                text = "the public address cannot be asked for again, what was known stays: {reason}"
                self._note(Note("warn", text, {"reason": str(error)}))
            self._later()
        except StoppedError:
            return
        else:
            self._take(told)

    def _slipped(self, failure: Failure) -> None:
        """An error of ours must not end the asking."""
        self.log.failure("internal error while asking a STUN server, please report this", failure)
        self._later()


class PublicAddresses:
    """All questions of one process. `deliver` takes each listener's address, the first and every new one."""

    def __init__(
        self,
        questions: Sequence[Question],
        transports: Sequence[Transport],
        resolver: Resolver,
        reactor: Any,
        interval: float,
        deliver: Deliver,
        note: Callable[[Note], None],
    ) -> None:
        self._own: list[AskingPort] = []
        self._inquiries = []
        self._stopped = False
        for question in questions:
            socket: Any
            if question.by is None:
                socket = AskingPort(question.host, reactor)
                self._own.append(socket)
            else:
                socket = transports[question.by]
            inquiry = Inquiry(question, socket, resolver, reactor, interval, deliver, note)
            self._inquiries.append(inquiry)

    async def find(self) -> bool:
        """Ask them all at once, with every socket bound; true when each is answered, false if stopped meanwhile.

        Raises NoAnswerError for the first that is not.
        """
        for port in self._own:
            try:
                port.listen()
            except CannotListenError as error:
                raise NoAnswerError(f"no socket to ask a STUN server by: {error.socketError}") from error
        waiting = [Deferred.fromCoroutine(inquiry.find()) for inquiry in self._inquiries]
        outcomes: Any = await DeferredList(waiting, consumeErrors=True)
        for _, outcome in outcomes:
            if isinstance(outcome, Failure) and not isinstance(outcome.value, StoppedError):
                outcome.raiseException()
        return not self._stopped

    def stop(self) -> None:
        """Ask no more, and close what was opened to ask."""
        self._stopped = True
        for inquiry in self._inquiries:
            inquiry.stop()
        for port in self._own:
            port.stop()


def _shown(host: str, port: int) -> str:
    return f"{host_octets(host).decode()}:{port}"
