"""SIP messages out of the WebSocket frames of one direction (RFC 6455, RFC 7118), unmasked and put together.

The frames are read by the `websockets` package, without its input and output.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.headers import parse_extension
from websockets.protocol import OPEN, Protocol, Side

from proxy.capture.sniff import looks_like_sip

# Octets of one message; SIP has far less.
MAX_MESSAGE: Final = 98_304
_DATA: Final = (Opcode.TEXT, Opcode.BINARY)
_FIRST: Final = (1, 2)


class FrameReader:
    """Reads frames: those of the client, which are masked, or those of the server."""

    __slots__ = ("_masked", "_pieces", "_protocol")

    def __init__(self, from_client: bool, compression: PerMessageDeflate | None = None) -> None:
        self._masked = from_client
        self._pieces = bytearray()
        self._protocol = Protocol(Side.SERVER if from_client else Side.CLIENT, state=OPEN, max_size=MAX_MESSAGE)
        if compression is not None:
            self._protocol.extensions = [compression]

    @property
    def broken(self) -> bool:
        """Whether the octets were no frames any more, or too large; nothing comes after that."""
        return self._protocol.parser_exc is not None

    def feed(self, octets: bytes) -> list[bytes]:
        """The messages that these octets complete, keep-alives left out."""
        self._protocol.receive_data(octets)
        messages: list[bytes] = []
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event, messages)
        self._protocol.data_to_send()  # answers that it would give; nobody gets them
        return messages

    def _take(self, frame: Frame, messages: list[bytes]) -> None:
        if frame.opcode in _DATA:
            self._pieces = bytearray(frame.data)
        elif frame.opcode is Opcode.CONT:
            self._pieces += frame.data
        else:
            return
        if frame.fin:
            octets, self._pieces = bytes(self._pieces), bytearray()
            if octets.strip():
                messages.append(octets)
        elif len(self._pieces) > MAX_MESSAGE:
            self._pieces = bytearray()


def begins_frame(octets: bytes, from_client: bool) -> bool:
    """Whether a frame with a SIP message begins here: for a connection whose handshake is not in the capture."""
    if len(octets) < 2 or octets[0] & 0x70 or octets[0] & 15 not in _FIRST or bool(octets[1] & 0x80) != from_client:
        return False
    length = octets[1] & 0x7F
    at = 2 + (2 if length == 126 else 8 if length == 127 else 0)
    mask = b"\0\0\0\0"
    if from_client:
        mask = octets[at : at + 4]
        at += 4
    start = octets[at : at + 4096]
    if len(mask) < 4:
        return False
    return looks_like_sip(bytes(octet ^ mask[n % 4] for n, octet in enumerate(start)))


def compressions(head: bytes) -> tuple[PerMessageDeflate | None, PerMessageDeflate | None]:
    """What the server's answer to the handshake says of compression: for frames of the client, and its own."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() != b"sec-websocket-extensions":
            continue
        try:
            offers = parse_extension(value.decode("ascii", "replace").strip())
        except InvalidHeader:
            return None, None
        for word, params in offers:
            if word == "permessage-deflate":
                return _deflate(params, False), _deflate(params, True)
    return None, None


def _deflate(params: Sequence[tuple[str, str | None]], of_server: bool) -> PerMessageDeflate | None:
    try:
        factory = ClientPerMessageDeflateFactory(client_max_window_bits=True)
        seen = factory.process_response_params(params, [])
    except NegotiationError:
        return None
    if of_server:
        return seen
    return PerMessageDeflate(
        seen.local_no_context_takeover,
        seen.remote_no_context_takeover,
        seen.local_max_window_bits,
        seen.remote_max_window_bits,
    )
