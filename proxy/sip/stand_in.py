"""A URI of ours that stands for somebody else's, and brings it along (RFC 3261 section 19.1.1).

What it stands for is written into a parameter, in letters and digits only, so that every grammar lets it pass and it
comes back octet for octet. It grants nothing: a client may write any Request-URI, and all of them go to the server.
"""

from __future__ import annotations

import re
from base64 import b32hexdecode, b32hexencode
from binascii import Error as NotEncoded
from typing import Final

from proxy.sip.errors import UriError
from proxy.sip.uri import Uri, parse_uri

PARAM: Final = b"sm"
# The longest URI that is worth it, in octets: written so, it is longer by three fifths.
_LONGEST: Final = 300
_PLAIN_USER: Final = re.compile(rb"[A-Za-z0-9\-_.!~*'()&=+$,/%]+").fullmatch
_HARMLESS: Final = re.compile(rb"[!-~]+").fullmatch
_BRACKETS: Final = re.compile(rb"[<>]").search


def stand_in(uri: bytes, home: bytes) -> bytes | None:
    """The URI at `home` (host[:port];transport=...) that stands for this one; None for one that is too long or broken.

    The user is the same if it is a plain one.
    """
    if len(uri) > _LONGEST:
        return None
    try:
        user = lenient(uri).user
    except UriError:
        return None
    who = user + b"@" if user and _PLAIN_USER(user) else b""
    return b"sip:%b%b;%b=%b" % (who, home, PARAM, b32hexencode(uri).rstrip(b"=").lower())


def stood_for(uri: Uri) -> bytes | None:
    """The URI that this one stands for; None if it stands for itself."""
    text = uri.param(PARAM)
    if not text or not text.isalnum():
        return None
    text = text.upper()
    try:
        other = b32hexdecode(text + b"=" * (-len(text) % 8))
        if _HARMLESS(other) is None or _BRACKETS(other) is not None:
            return None
        found = lenient(other)
    except (NotEncoded, UriError):
        return None
    return other if found.host else None


def lenient(uri: bytes) -> Uri:
    """Take apart a URI that may have quotes in it, which no URI may. Raises UriError for one that is broken else."""
    return parse_uri(uri.replace(b'"', b"%22"))
