"""What a TCP connection carries, as far as it is SIP: bare, or in WebSocket frames behind an HTTP handshake.

A connection may begin before the capture, and octets may be missing: then the next place where a message clearly begins
is looked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from websockets.extensions.permessage_deflate import PerMessageDeflate

from proxy.capture.captured import ENCRYPTED, UNFRAMED
from proxy.capture.sniff import looks_like_sip, looks_like_tls, may_become_sip
from proxy.capture.web_frames import FrameReader, begins_frame, compressions
from proxy.flow import TCP, WS
from proxy.sip.errors import FramingError
from proxy.sip.framing import StreamFramer

_MAX_HEAD: Final = 32_768
_MAX_BODY: Final = 65_536
_MAX_LINES: Final = 2000
_HANDSHAKE: Final = 16_384

# What a direction is found to be.
_UNKNOWN: Final = 0
_SIP: Final = 1
_HTTP: Final = 2
_FRAMES: Final = 3
_OTHER: Final = 4

# Takes a message: octets, transport, packet number, time.
Deliver = Callable[[bytes, int, int, float], None]


class Conversation:
    """What both directions of a connection have to know of each other."""

    __slots__ = ("client_frames", "encrypted", "server_frames", "websocket")

    def __init__(self) -> None:
        self.encrypted = False
        self.websocket = False  # once the server agreed
        self.client_frames: PerMessageDeflate | None = None
        self.server_frames: PerMessageDeflate | None = None


class StreamReader:
    """Reads one direction."""

    __slots__ = (
        "_aligned",
        "_buffer",
        "_conversation",
        "_deliver",
        "_framer",
        "_frames",
        "_kind",
        "_lost",
        "_of_client",
    )

    def __init__(self, conversation: Conversation, deliver: Deliver, lost: Counter[str]) -> None:
        self._conversation = conversation
        self._deliver = deliver
        self._lost = lost
        self._kind = _UNKNOWN
        self._aligned = True  # whether what comes next begins where something begins
        self._buffer = b""
        self._framer: StreamFramer | None = None
        self._frames: FrameReader | None = None
        self._of_client = True

    def feed(self, octets: bytes, gap: bool, number: int, time: float) -> None:
        """Take octets in their order; with `gap` something is missing before them."""
        if gap:
            self._aligned = False
            if self._kind != _OTHER:
                self._lose_way()
        if self._kind == _UNKNOWN:
            octets = self._buffer + octets
            self._buffer = b""
            self._recognise(octets)
            # Behind a gap this is the tail of something, which the next piece does not go on with.
            if self._kind == _UNKNOWN and self._aligned and may_become_sip(octets):
                self._buffer = octets
        if self._kind == _HTTP:
            octets = self._shake_hands(octets)
        if self._kind == _SIP:
            self._cut(octets, number, time)
        elif self._kind == _FRAMES and octets:
            self._unpack(octets, number, time)

    def _lose_way(self) -> None:
        """Forget what had begun, but not that this is WebSocket."""
        self._framer = None
        self._frames = None
        self._buffer = b""
        self._kind = _UNKNOWN

    def _recognise(self, octets: bytes) -> None:
        """Find out what begins here; what is none of the known things stays unknown until something is."""
        if looks_like_tls(octets):
            self._kind = _OTHER
            if not self._conversation.encrypted:
                self._conversation.encrypted = True
                self._lost[ENCRYPTED] += 1
        elif octets[:4] == b"GET " or octets[:9] == b"HTTP/1.1 ":
            self._kind = _HTTP
        elif looks_like_sip(octets):
            self._kind = _SIP
            self._aligned = True
        else:
            for of_client in (True, False):
                if begins_frame(octets, of_client):
                    self._kind = _FRAMES
                    self._of_client = of_client
                    return

    def _shake_hands(self, octets: bytes) -> bytes:
        """Read the HTTP head; returns what comes behind it."""
        octets = self._buffer + octets
        head, blank, rest = octets.partition(b"\r\n\r\n")
        if not blank:
            if len(octets) > _HANDSHAKE:
                self._kind = _OTHER
                octets = b""
            self._buffer = octets
            return b""
        self._buffer = b""
        conversation = self._conversation
        self._of_client = head.startswith(b"GET ")
        lowered = head.lower()
        if self._of_client:
            self._kind = _FRAMES if b"\r\nsec-websocket-key" in lowered else _OTHER
        elif lowered.startswith(b"http/1.1 101") and b"\r\nsec-websocket-accept" in lowered:
            self._kind = _FRAMES
            conversation.websocket = True
            conversation.client_frames, conversation.server_frames = compressions(head)
        else:
            self._kind = _OTHER
        return rest if self._kind == _FRAMES else b""

    def _cut(self, octets: bytes, number: int, time: float) -> None:
        """Cut bare SIP into messages."""
        if self._framer is None:
            self._framer = StreamFramer(_MAX_HEAD, _MAX_BODY, _MAX_LINES)
        framer = self._framer
        framer.feed(octets)
        while True:
            try:
                message = framer.next()
            except FramingError as error:
                # Without Content-Length nobody knows where the message ends: that is what is wrong with it.
                if error.label == "no_content_length":
                    self._deliver(framer.broken, TCP, number, time)
                else:
                    self._lost[UNFRAMED] += 1
                self._lose_way()
                return
            if message is None:
                return
            if looks_like_sip(message):
                self._deliver(message, TCP, number, time)
            else:
                self._lost[UNFRAMED] += 1
                self._lose_way()
                return

    def _unpack(self, octets: bytes, number: int, time: float) -> None:
        """Take the messages out of WebSocket frames."""
        if self._frames is None:
            conversation = self._conversation
            compression = conversation.client_frames if self._of_client else conversation.server_frames
            self._frames = FrameReader(self._of_client, compression)
        for message in self._frames.feed(octets):
            if looks_like_sip(message):
                self._deliver(message, WS, number, time)
        if self._frames.broken:
            self._lost[UNFRAMED] += 1
            self._lose_way()
