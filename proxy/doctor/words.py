"""How octets and figures of a capture are shown to people: nothing of it may act on a terminal, nor tell a secret."""

from __future__ import annotations

import re
from typing import Final

from proxy.capture.captured import Tally

# What could move the cursor, change colours or turn the direction of writing.
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_RESPONSE: Final = re.compile(r'\b(response|rspauth|cnonce|nonce)\s*=\s*"?[^",\s]*"?', re.IGNORECASE)
_SECRET_LINES: Final = re.compile(
    r"^((?:proxy-)?authorization\s*:\s*(?:basic|bearer)\s+|a=crypto:.*inline:).*", re.IGNORECASE
)


def plain(text: str) -> str:
    """Text with control characters shown as escapes, tabs and line ends included."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text.replace("\t", " ").replace("\n", "\\x0a"))


def line(octets: bytes) -> str:
    """A header line to show; digests and keys are hidden."""
    text = plain(octets.decode("utf-8", "backslashreplace"))
    text = _SECRET_LINES.sub(lambda found: found[1] + "(hidden)", text)
    if text[:20].lower().lstrip().startswith(("authorization", "proxy-authorization")):
        text = _RESPONSE.sub(lambda found: f'{found[1]}="(hidden)"', text)
    return text


def seen(tally: Tally, messages: int) -> str:
    """What was read, in a sentence."""
    return f"{tally.packets:,} packets or lines, {messages:,} SIP messages"
