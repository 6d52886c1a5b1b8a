"""One SIP message in a file of its own, as an editor may have left it."""

from __future__ import annotations

import re
from typing import Final

_LENGTH: Final = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*(\d{1,10})[ \t]*$", re.IGNORECASE | re.MULTILINE)


def read_octets(text: bytes) -> bytes:
    """The message in a file that an editor may have saved with LF line ends, or ended with an empty line more."""
    text = text.lstrip(b"\r\n")
    if b"\r\n" in text:
        return text
    head, blank, body = text.partition(b"\n\n")
    if not blank:
        return head.rstrip(b"\n").replace(b"\n", b"\r\n") + b"\r\n\r\n"
    found = _LENGTH.search(head)
    length = int(found[1]) if found else -1
    if len(body) != length:
        crlf = body.replace(b"\n", b"\r\n")
        # As many octets as Content-Length says: that is how it was on the wire. One line end more is the editor's.
        body = crlf[:-2] if len(crlf) == length + 2 else crlf
    if not body.strip():
        body = b""
    return head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + body
