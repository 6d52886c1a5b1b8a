"""Cuts a stream into SIP messages by Content-Length (RFC 3261 section 18.3, RFC 5626 section 4.4.1).

Nothing else is parsed here. The head of a message ends at an empty line, and lines end in CRLF and nothing
else: a bare LF or CR never ends a line or a head on a stream. Peers that disagree about where a message ends
can be made to see a message that was never sent ("smuggling"), so a Content-Length that can be read in two
ways ends the connection.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.sip.errors import FramingError

_BLANK_LINE: Final = b"\r\n\r\n"
_LEADING_CRLFS: Final = re.compile(rb"(?:\r\n)*").match

# > Content-Length  =  ( "Content-Length" / "l" ) HCOLON 1*DIGIT
# The value reaches to the CRLF that no space or tab follows (folding); a bare CR or LF in it makes it no number.
_CONTENT_LENGTH: Final = re.compile(
    rb"\r\n(?:content-length|l)(?:[ \t]|\r\n(?=[ \t]))*:([^\r]*(?:\r(?!\n(?![ \t]))[^\r]*)*)", re.IGNORECASE
).findall
_MAX_DIGITS: Final = 18

# Consumed octets are given back once there are that many and they are at least half of the buffer.
_COMPACT_AT: Final = 65536


class StreamFramer:
    """Takes octets as they come from a stream and hands out whole messages.

    Limits: `max_head` octets of a head with its empty line, `max_body` octets of a body, `max_lines` lines of
    a head (start line and continuation lines included). With `require_length` a message without
    Content-Length is refused; without it, it has no body. What is buffered is bounded by the limits, provided
    that `next` is called after each `feed` until it returns None.

    Work and copying are in proportion to the octets fed, whatever the pieces they come in.
    """

    __slots__ = (
        "_buffer", "_crlfs", "_end", "_error", "_max_body", "_max_head", "_max_lines", "_pings",
        "_require_length", "_scanned", "_start", "broken",
    )  # fmt: skip

    def __init__(self, max_head: int, max_body: int, max_lines: int, require_length: bool = True) -> None:
        self._max_head = max_head
        self._max_body = max_body
        self._max_lines = max_lines
        self._require_length = require_length
        self._buffer: bytes | bytearray = b""
        self._start = 0  # where the current message begins
        self._scanned = 0  # no empty line begins before this place
        self._end = 0  # where the current message ends; 0 while its head is not complete
        self._crlfs = 0  # 1 after an odd number of CRLFs between messages
        self._pings = 0
        self._error: FramingError | None = None
        self.broken = b""
        """After a FramingError: the head of the message at fault, for the answer. A head that was cut off for
        its size or number of lines ends after its last whole line, with an empty line added."""

    def feed(self, data: bytes) -> None:
        """Take octets from the stream. After a FramingError they are thrown away."""
        if self._error is not None:
            return
        buffer, start = self._buffer, self._start
        if not buffer:
            # The usual case: nothing is left over. The octets are kept as they are, not copied.
            self._buffer = data
            return
        if isinstance(buffer, bytes):
            self._buffer = buffer = bytearray(memoryview(buffer)[start:])
            self._moved(start)
        elif start >= _COMPACT_AT and start * 2 >= len(buffer):
            del buffer[:start]
            self._moved(start)
        buffer += data

    def next(self) -> bytes | None:
        """Return the octets of the next message (head, empty line, body), or None: more must be fed first.

        Raises:
            FramingError: the stream cannot be cut any further; answer if possible (`broken`), then close it.
                `label` is head_too_long, too_many_lines, no_content_length, bad_content_length or
                body_too_long. Every further call raises it again.
        """
        if self._error is not None:
            raise self._error
        buffer = self._buffer
        end = self._end
        if not end:
            end = self._complete_head()
        if not end or len(buffer) < end:
            return None
        message = bytes(buffer[self._start : end])
        self._end = 0
        if end == len(buffer):
            self._let_go()
        else:
            self._start = self._scanned = end
        return message

    @property
    def pending(self) -> bool:
        """Whether a message has begun and is not complete."""
        return len(self._buffer) > self._start

    def take_pings(self) -> int:
        """Return how many keep-alive pings (two CRLFs between messages) came since the last call.

        Each is to be answered with a single CRLF on the same connection (RFC 5626 section 4.4.1).
        """
        pings, self._pings = self._pings, 0
        return pings

    def _let_go(self) -> None:
        """Forget octets that are all consumed: an idle connection must not hold on to its last piece."""
        self._buffer = b""
        self._start = self._scanned = 0

    def _moved(self, distance: int) -> None:
        """Follow the octets of the buffer, which moved to the front."""
        self._start = 0
        self._scanned -= distance
        if self._end:
            self._end -= distance

    def _complete_head(self) -> int:
        """Return where the message ends, or 0 when its head is not complete yet."""
        buffer = self._buffer
        start = self._skip_crlfs()
        blank = buffer.find(_BLANK_LINE, max(self._scanned, start))
        size = (len(buffer) if blank < 0 else blank + 4) - start
        if size > self._max_head:
            raise self._fail(f"the head has more than {self._max_head} octets", 513, "head_too_long", self._cut(start))
        if blank < 0:
            if start == len(buffer):
                self._let_go()
                return 0
            # An empty line may have begun in the last three octets.
            self._scanned = max(start, len(buffer) - 3)
            return 0
        self._crlfs = 0
        head = bytes(buffer[start : blank + 4])
        if head.count(b"\r\n") - 1 > self._max_lines:
            raise self._fail(f"the head has more than {self._max_lines} lines", 513, "too_many_lines", self._cut(start))
        self._end = blank + 4 + self._body_length(head)
        return self._end

    def _skip_crlfs(self) -> int:
        """Step over CRLFs between messages, counting pings, and return where the next message begins."""
        buffer, start = self._buffer, self._start
        if buffer[start : start + 2] != b"\r\n":
            return start
        found = _LEADING_CRLFS(buffer, start)
        end = start if found is None else found.end()
        pairs, self._crlfs = divmod(self._crlfs + (end - start) // 2, 2)
        self._pings += pairs
        self._start = end
        return end

    def _body_length(self, head: bytes) -> int:
        values = _CONTENT_LENGTH(head)
        if not values:
            if self._require_length:
                raise self._fail(
                    "there is no Content-Length, which a stream needs (RFC 3261 section 18.3)",
                    400, "no_content_length", head,
                )  # fmt: skip
            return 0
        lengths = set()
        for value in values:
            digits = value.replace(b"\r\n", b" ").strip(b" \t")
            if not digits.isdigit():
                raise self._fail("the Content-Length is not a number", 400, "bad_content_length", head)
            if len(digits) > _MAX_DIGITS:
                digits = digits.lstrip(b"0")[:_MAX_DIGITS] or b"0"
            lengths.add(int(digits))
        if len(lengths) > 1:
            raise self._fail("there are Content-Lengths that differ", 400, "bad_content_length", head)
        length = lengths.pop()
        if length > self._max_body:
            raise self._fail(f"the body has more than {self._max_body} octets", 513, "body_too_long", head)
        return length

    def _cut(self, start: int) -> bytes:
        """Return the whole lines of a head that goes beyond the limits, as far as they are within them."""
        octets = bytes(self._buffer[start : start + self._max_head])
        lines = octets.split(b"\r\n")[:-1][: self._max_lines]
        return b"\r\n".join(lines) + _BLANK_LINE if lines else b""

    def _fail(self, text: str, status: int, label: str, head: bytes) -> FramingError:
        self.broken = head
        self._let_go()
        self._error = FramingError(text, status, label)
        return self._error
