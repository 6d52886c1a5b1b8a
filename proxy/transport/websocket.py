"""SIP over WebSocket (RFC 7118, RFC 6455): one SIP message in each WebSocket message, text or binary.

Framing is that of the `websockets` package, without its input and output. Compression is not offered: SIP messages
are short, and what a peer can make of a small frame is not.
"""

from __future__ import annotations

import logging
import re
from typing import Final
from typing import Protocol as Contract

from websockets.exceptions import NegotiationError, PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from proxy.events import GOING_AWAY, MessageReceived
from proxy.flow import Flow
from proxy.transport.announced import Network, forwarded_for, is_in
from proxy.transport.connection import Connection, ConnectionOwner
from proxy.transport.contract import WebSocketRules

SUBPROTOCOL: Final = Subprotocol("sip")
# Octets of a handshake: those of a browser have less than a thousand, cookies aside.
MAX_HANDSHAKE: Final = 16_384
# The keep-alive of RFC 5626 section 3.5.1, and its answer; over WebSocket each is a message of its own.
_PING: Final = b"\r\n\r\n"
_PONG: Final = b"\r\n"
_DATA: Final = (Opcode.TEXT, Opcode.BINARY)
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]{1,255})(?::[0-9]{0,5})?\Z")
_CLOSE_CODES: Final = {"shutdown": CloseCode.GOING_AWAY}

# It would write a line for every connection.
_SILENT = logging.getLogger("sipmend.websockets")
_SILENT.propagate = False
_SILENT.addHandler(logging.NullHandler())
_SILENT.setLevel(logging.CRITICAL)


class WebSocketOwner(ConnectionOwner, Contract):
    """What a WebSocket needs of its port."""

    rules: WebSocketRules

    def greets(self, connection: Connection) -> None:
        """It is up and has to shake hands."""

    def new_flow(self, source: tuple[str, int]) -> Flow:
        """A flow for a connection that has come in."""


class WebSocketConnection(Connection):
    """One WebSocket. It has a flow once the handshake is done."""

    def __init__(self, port: WebSocketOwner, source: tuple[str, int], trusted: tuple[Network, ...]) -> None:
        """`source` is the client's address as far as known; where it is a `trusted` proxy, X-Forwarded-For counts."""
        super().__init__(port, None)
        self._owner = port
        self._source = source
        self._trusted = trusted
        limit = port.rules.max_message
        self._protocol = ServerProtocol(subprotocols=[SUBPROTOCOL], max_size=limit, logger=_SILENT)
        self._greeting = 0
        self._tail = b""
        self._refusal = "ws_handshake"
        # A message that comes in several frames, and whether it is text.
        self._pieces = bytearray()
        self._fragmented = False
        self._text = False
        self._alive = self.begun
        self._pinged = self.begun

    def connectionMade(self) -> None:
        super().connectionMade()
        self._owner.greets(self)

    def dataReceived(self, data: bytes) -> None:
        if self.deaf:
            return
        self._alive = now = self.port.clock()
        protocol = self._protocol
        behind = b""
        if self.flow is None:
            data, behind = self._split(data)
            self._greeting += len(data)
        protocol.receive_data(data)
        if self.flow is not None and not self.partial:
            self.begun = now
        for event in protocol.events_received():
            if isinstance(event, Request):
                self._shake_hands(event)
            elif self.flow is not None and isinstance(event, Frame):
                self._take(event, self.flow, now)
            if self._closing:
                break
        self._flush()
        if self.flow is not None:
            self.partial = self._fragmented or bool(self._protocol.reader.buffer)
            if behind and not self._closing:
                self.dataReceived(behind)
        elif self._greeting > MAX_HANDSHAKE and not self._closing:
            self._refuse(self._refusal)

    # -- handshake

    def _split(self, data: bytes) -> tuple[bytes, bytes]:
        """What belongs to the handshake, and what came behind it: frames are not to be read before it is accepted.

        The tail is empty once the end is found: all that the handshake may read is known.
        """
        start = len(self._tail)
        seen = self._tail + data
        end = seen.find(b"\r\n\r\n")
        if end < 0:
            self._tail = seen[-3:]
            return data, b""
        self._tail = b""
        return data[: end + 4 - start], data[end + 4 - start :]

    def _shake_hands(self, request: Request) -> None:
        protocol = self._protocol
        rules = self._owner.rules
        if rules.paths and request.path.partition("?")[0] not in rules.paths:
            self._refusal = "ws_path"
            protocol.send_response(protocol.reject(404, "There is no SIP here.\n"))
            return
        origin = request.headers.get_all("Origin")
        if rules.origins and (origin[0].lower() if origin else "none") not in rules.origins:
            self._refusal = "ws_origin"
            protocol.send_response(protocol.reject(403, "This Origin may not connect.\n"))
            return
        response = protocol.accept(request)
        protocol.send_response(response)
        if response.status_code != 101:
            if isinstance(protocol.handshake_exc, NegotiationError):
                self._refusal = "ws_subprotocol"
            return
        self._flush()
        if self._closing:
            # Lines that end in LF alone, with frames right behind them: those were read too early, and amiss.
            return
        if not self._tail:
            # The one that shook hands would keep the request with all its header fields for as long as the connection.
            self._protocol = ServerProtocol(state=OPEN, max_size=rules.max_message, logger=_SILENT)
        self.flow = self._owner.new_flow(self._find_source(request))
        hosts = request.headers.get_all("Host")
        if len(hosts) == 1:
            self.flow.asked = host_of(hosts[0])
        self.port.made(self)

    def _find_source(self, request: Request) -> tuple[str, int]:
        """The client's address: X-Forwarded-For counts from a trusted proxy only."""
        values = request.headers.get_all("X-Forwarded-For")
        if not values:
            return self._source
        if not (self._trusted and is_in(self._source[0], self._trusted)):
            self.port.counts.dropped["forwarded_for_untrusted"] += 1
            return self._source
        found = forwarded_for(values, self._source, self._trusted)
        if found is None:
            self.port.counts.dropped["forwarded_for_malformed"] += 1
        return found or self._source

    # -- messages

    def _take(self, frame: Frame, flow: Flow, now: float) -> None:
        opcode = frame.opcode
        if opcode in _DATA:
            self._text = opcode is Opcode.TEXT
            if frame.fin:
                self._message(bytes(frame.data), flow, now)
            else:
                self._fragmented = True
                self._pieces += frame.data
        elif opcode is Opcode.CONT:
            self._pieces += frame.data
            if frame.fin:
                octets = bytes(self._pieces)
                self._pieces = bytearray()
                self._fragmented = False
                self._message(octets, flow, now)

    def _message(self, octets: bytes, flow: Flow, now: float) -> None:
        self.heard = self.begun = now
        if self._text and not octets.isascii():
            try:
                octets.decode()
            except UnicodeDecodeError:
                self._protocol.fail(CloseCode.INVALID_DATA, "text that is not UTF-8")
                self._refuse("ws_not_utf8")
                return
        if octets.isspace() or not octets:
            if octets == _PING:
                self.port.counts.keep_alives["in", "ping"] += 1
                self.send(_PONG)
            return
        self.port.deliver(MessageReceived(flow, octets, now))

    def send(self, octets: bytes) -> None:
        """Send one message: as text, which browsers' developer tools show, if it is."""
        protocol = self._protocol
        if protocol.state is not OPEN:
            return
        if octets.isascii() or _is_utf8(octets):
            protocol.send_text(octets)
        else:
            protocol.send_binary(octets)
        self._flush()

    def rest(self, now: float) -> None:
        """Ping a peer that is silent, and close the connection of one that does not answer."""
        limit = self.port.limits.ping
        if now - self._alive < limit:
            return
        if self._pinged <= self._alive:
            self._pinged = now
            self._protocol.send_ping(b"")
            self._flush()
        elif now - self._pinged >= limit:
            self.port.counts.dropped["ping_timeout"] += 1
            self.abort("ping_timeout")

    # -- the end

    def say_goodbye(self, reason: str) -> None:
        if self._protocol.state is OPEN:
            self._protocol.send_close(_CLOSE_CODES.get(reason, CloseCode.NORMAL_CLOSURE))
            self._write()

    def _flush(self) -> None:
        """Write what the protocol has for the peer, and end with it."""
        if self._write() and not self.deaf:
            self._ended()

    def _write(self) -> bool:
        """Write what the protocol has for the peer; true if it says no more after that."""
        ended = False
        for octets in self._protocol.data_to_send():
            if octets:
                super().send(octets)
            else:
                ended = True
        return ended

    def _ended(self) -> None:
        """The peer has said goodbye, or broke the rules, or its handshake was refused."""
        protocol = self._protocol
        if self.flow is None:
            self._refuse(self._refusal)
        elif protocol.parser_exc is not None:
            self._refuse("ws_too_long" if isinstance(protocol.parser_exc, PayloadTooBig) else "ws_protocol")
        else:
            told = protocol.close_rcvd
            self.close(GOING_AWAY if told is not None and told.code == CloseCode.GOING_AWAY else "peer_closed")

    def _refuse(self, reason: str) -> None:
        self.port.counts.dropped[reason] += 1
        self._write()
        self.close(reason)


def host_of(value: str) -> bytes:
    """The host of a Host field, in lower case and without port."""
    found = _HOST.match(value.strip())
    return b"" if found is None else found[1].lower().encode("ascii")


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True
