"""A connection of ours while it is being made, and the messages that wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import Protocol as Contract

from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import NoRouteError
from twisted.internet.error import TimeoutError as TimedOut
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.python.failure import Failure

from proxy.flow import Flow
from proxy.transport.connection import ConnectionOwner, StreamConnection

CONNECT_TIMEOUT = 8.0  # seconds; well within Timer B and F, so that the next target is still of use

_FAILURES: dict[type[BaseException], str] = {
    Refused: "refused",
    TimedOut: "connect_timeout",
    NoRouteError: "no_route",
}


class AttemptOwner(ConnectionOwner, Contract):
    """What an attempt needs of its port."""

    clock: Callable[[], float]
    verifier: Any

    def failed(self, flow: Flow, reason: str) -> None:
        """The connection could not be made."""


class Attempt(ClientFactory):
    """One connection of ours while it is being made. `early` are the messages that wait, `waiting` their octets.

    `given_up` is why we do not want it any more, if so.
    """

    noisy = False

    def __init__(self, port: AttemptOwner, flow: Flow) -> None:
        self.flow = flow
        self.begun = port.clock()
        self.early: list[bytes] = []
        self.waiting = 0
        self._port = port
        self._reactor: Any = None
        self._connector: Any = None
        self.given_up = ""

    def begin(self, reactor: Any, local: tuple[str, int] | None) -> None:
        """Connect, from the address `local` if there is one."""
        flow = self.flow
        self._reactor = reactor
        self._connector = reactor.connectTCP(
            flow.remote_host, flow.remote_port, self, timeout=CONNECT_TIMEOUT, bindAddress=local
        )

    def buildProtocol(self, addr: Any) -> Protocol:
        if self._port.secure:
            made: Protocol = self._port.verifier.wrap(self, self, self.flow.address, self._reactor)
            return made
        return StreamConnection(self._port, self.flow)

    def proven(self, transport: Any) -> None:
        """TLS is made, with the right one: from now on the connection carries messages."""
        connection: Any = StreamConnection(self._port, self.flow)
        transport.wrappedProtocol = connection
        connection.makeConnection(transport)

    def refused(self, reason: str) -> None:
        """There is no TLS, or it was made with somebody else."""
        self._port.failed(self.flow, self.given_up or reason)

    def give_up(self, reason: str) -> None:
        """Make no connection after all."""
        self.given_up = reason
        self._connector.disconnect()

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:  # noqa: N802 - Twisted's
        kind = reason.type
        self._port.failed(self.flow, self.given_up or (_FAILURES.get(kind) if kind else None) or "connect_failed")
