"""Asking a STUN server from the client's end (RFC 8489 section 6.2.1): one request, and a socket for it.

The socket is for where no listener has one that could ask.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol

from proxy.stun import TRANSACTION, StunError, binding_request, read_answer
from proxy.transport.contract import MAPPED, Asks, Heard

# Section 6.2.1: the first retransmission after RTO, each further one after twice the time; Rc requests in all, and
# Rm times RTO after the last of them nothing is expected any more. That is after 39.5 s.
RTO: Final = 0.5
REQUESTS: Final = 7
LAST_WAIT: Final = 16
# Where the server's name has a further address, that is tried sooner: after 11.5 s.
FEWER_REQUESTS: Final = 4


class NoAnswerError(Exception):
    """A STUN server told no address; the text says which server and why."""


class StoppedError(Exception):
    """Nobody wants to know any more."""


class Transaction:
    """One binding request to one address, sent until it is answered or given up."""

    def __init__(self, socket: Asks, reactor: Any, host: str, port: int, requests: int) -> None:
        self.answer: Deferred[tuple[str, int]] = Deferred()
        self._socket = socket
        self._reactor = reactor
        self._host = host
        self._port = port
        self._requests = requests
        self._id = os.urandom(TRANSACTION)
        self._sent = 0
        self._call: Any = None

    def send(self) -> None:
        """Send the request once more, if it is not time to give up."""
        self._call = None
        if self._sent == self._requests:
            waited = RTO * (2 ** (self._sent - 1) - 1 + LAST_WAIT)
            self._end(NoAnswerError(f"does not answer within {waited:g} s"))
            return
        try:
            self._socket.ask(binding_request(self._id), self._host, self._port)
        except OSError as error:
            self._end(NoAnswerError(f"cannot be sent to: {error.strerror or error}"))
            return
        self._sent += 1
        wait = RTO * (2 ** (self._sent - 1) if self._sent < self._requests else LAST_WAIT)
        self._call = self._reactor.callLater(wait, self.send)

    def hear(self, octets: bytes, host: str, port: int) -> bool:
        """Take a STUN response; false if it is none to this request, or not from whom was asked."""
        if port != self._port or not _same(host, self._host):
            return False
        try:
            told = read_answer(octets, self._id)
        except StunError as error:
            self._end(NoAnswerError(str(error)))
            return True
        if told is None:
            return False
        self._end(told)
        return True

    def stop(self) -> None:
        self._end(StoppedError())

    def _end(self, outcome: tuple[str, int] | Exception) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if isinstance(outcome, Exception):
            self.answer.errback(outcome)
        else:
            self.answer.callback(outcome)


class AskingPort(DatagramProtocol):
    """Bound to a port that the system chooses. What is no answer to a question is thrown away."""

    noisy = False

    def __init__(self, host: str, reactor: Any) -> None:
        self.heard: Heard | None = None
        self._host = host
        self._reactor = reactor
        self._port: Any = None

    def listen(self) -> None:
        """Bind it; raises twisted.internet.error.CannotListenError."""
        self._port = self._reactor.listenUDP(0, self, interface=self._host)

    def ask(self, octets: bytes, host: str, port: int) -> None:
        """Send a question. Raises OSError where the socket refuses it."""
        transport: Any = self.transport
        if self._host == "::" and ":" not in host:
            host = MAPPED + host
        transport.socket.sendto(octets, (host, port))

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        if self.heard is not None:
            self.heard(datagram, addr[0].removeprefix(MAPPED), addr[1])

    def stop(self) -> None:
        """Close it."""
        if self._port is not None:
            self._port.stopListening()
            self._port = None


def _same(host: str, asked: str) -> bool:
    return host == asked or ip_address(host.partition("%")[0]) == ip_address(asked.partition("%")[0])
