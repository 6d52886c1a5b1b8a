"""Messages above a limit (RFC 3261 section 21.5.7): what is too much, and whom to tell it."""

from __future__ import annotations

from proxy.core.settings import CoreSettings
from proxy.sip.errors import SipError
from proxy.sip.message import Request
from proxy.sip.parser import parse_message

_BLANK_LINES = (b"\r\n\r\n", b"\n\r\n", b"\n\n")


def check_size(octets: bytes, settings: CoreSettings) -> None:
    """A whole message is within `max_head` and `max_message`. Raises SipError, status 513."""
    if _head_size(octets.lstrip(b"\r\n")) > settings.max_head:
        raise SipError(f"the head has more than {settings.max_head} octets", 513, "head_too_long")
    if len(octets) > settings.max_message:
        raise SipError(f"the message has more than {settings.max_message} octets", 513, "message_too_long")


def read_first_lines(octets: bytes, settings: CoreSettings) -> Request | None:
    """The request as far as its lines are within the limits; None if they do not say what an answer needs (8.2.6)."""
    head = octets.lstrip(b"\r\n")[: settings.max_head]
    size = _head_size(head)
    # Without an empty line in it the last line may be cut off.
    head = head[:size] if size < len(head) or head.endswith(_BLANK_LINES) else head[: head.rfind(b"\n") + 1]
    lines = head.rstrip(b"\r\n").split(b"\n")[: settings.max_header_lines]
    try:
        message = parse_message(b"\n".join(lines).rstrip(b"\r") + b"\r\n\r\n", settings.max_header_lines)
    except SipError:
        return None
    places = message.places()
    return message if isinstance(message, Request) and places.complete and places.via > 0 else None


def _head_size(octets: bytes) -> int:
    """How long the head is, with the empty line at its end; all of it if there is none."""
    size = len(octets)
    for blank in _BLANK_LINES:
        end = octets.find(blank)
        if 0 <= end < size:
            size = min(size, end + len(blank))
    return size
