"""What a message says of its body: its type, and whether anybody may edit it (RFC 3261 sections 7.4, 20.12, 20.15)."""

from __future__ import annotations

from typing import Final

from proxy.sip.message import Message
from proxy.sip.registry import AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, IDENTITY, PROXY_AUTHORIZATION

# What may say that a digest covers the body: `qop=auth-int` (RFC 3261 section 22.4, RFC 7616 section 3.4.3).
_DIGESTS: Final = (AUTHORIZATION, PROXY_AUTHORIZATION, b"authentication-info", b"proxy-authentication-info")
# Bodies that are signed or encrypted (RFC 8551 section 3, RFC 3156), whole or in part.
_SEALED: Final = (b"pkcs7", b"multipart/signed", b"multipart/encrypted", b"application/pgp")


def media_type(message: Message) -> bytes:
    """The type of the body in lower case and without parameters, `application/sdp`; empty if it is not told."""
    value = message.value(CONTENT_TYPE)
    return b"" if value is None else value.partition(b";")[0].strip(b" \t").lower()


def sealed(message: Message) -> str:
    """Why nobody on the way may edit the body of this message; empty if it may be edited."""
    names = message.names
    if IDENTITY in names:
        return "the Identity header may sign it"
    if CONTENT_ENCODING in names:
        return "it is encoded"
    kind = (message.value(CONTENT_TYPE) or b"").lower()
    if any(word in kind for word in _SEALED):
        return "it is signed or encrypted"
    for name in _DIGESTS:
        if name in names and any(b"auth-int" in value.lower() for value in message.values(name)):
            return "a digest covers it (auth-int)"
    return ""
