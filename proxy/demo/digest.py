"""Digest authentication with MD5 and `qop=auth`, both sides of it (RFC 3261 section 22, RFC 2617 section 3).

MD5 is what SIP phones speak; it guards a demo account here and nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

# One parameter of a challenge or of credentials: a token, "=", and a token or quoted string.
# A name begins where no name goes on: from within a long one the search would begin anew at each of its octets.
_PARAMETER = re.compile(rb'(?<![A-Za-z0-9_-])([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


def md5(text: bytes) -> bytes:
    return hashlib.md5(text, usedforsecurity=False).hexdigest().encode()


def parse_parameters(value: bytes) -> dict[bytes, bytes]:
    """The parameters of a `Digest` header value by lower-case name; empty for another scheme."""
    scheme, _, rest = value.partition(b" ")
    if scheme.lower() != b"digest":
        return {}
    found = {}
    for match in _PARAMETER.finditer(rest):
        quoted = match.group(2)
        plain = re.sub(rb"\\(.)", rb"\1", quoted) if quoted is not None else match.group(3)
        found[match.group(1).lower()] = plain
    return found


def expected_response(parameters: Mapping[bytes, bytes], user: bytes, password: bytes, method: bytes) -> bytes:
    """The `response` that fits credentials with these parameters (realm, nonce, uri, and qop, nc, cnonce if used)."""

    def parameter(name: bytes) -> bytes:
        return parameters.get(name, b"")

    secret = md5(b"%b:%b:%b" % (user, parameter(b"realm"), password))
    request = md5(b"%b:%b" % (method, parameter(b"uri")))
    nonce = parameter(b"nonce")
    if parameter(b"qop") == b"auth":
        nonce = b"%b:%b:%b:auth" % (nonce, parameter(b"nc"), parameter(b"cnonce"))
    return md5(b"%b:%b:%b" % (secret, nonce, request))


def challenge(realm: bytes, nonce: bytes, stale: bool = False) -> bytes:
    """The value of WWW-Authenticate."""
    text = b'Digest realm="%b",nonce="%b",algorithm=MD5,qop="auth"' % (realm, nonce)
    return text + b",stale=true" if stale else text


def credentials(
    challenge_value: bytes, user: bytes, password: bytes, method: bytes, uri: bytes, cnonce: bytes
) -> bytes:
    """The value of Authorization that answers a challenge; ValueError if the challenge is not one we can answer."""
    asked = parse_parameters(challenge_value)
    if b"nonce" not in asked or b"realm" not in asked:
        raise ValueError("the challenge has no realm or no nonce")
    if asked.get(b"algorithm", b"MD5").upper() != b"MD5":
        raise ValueError("the challenge asks for another algorithm than MD5")
    used = {b"realm": asked[b"realm"], b"nonce": asked[b"nonce"], b"uri": uri}
    text = b'Digest username="%b",realm="%b",nonce="%b",uri="%b"' % (user, asked[b"realm"], asked[b"nonce"], uri)
    if b"auth" in [word.strip() for word in asked.get(b"qop", b"").split(b",")]:
        used |= {b"qop": b"auth", b"nc": b"00000001", b"cnonce": cnonce}
        text += b',qop=auth,nc=00000001,cnonce="%b"' % cnonce
    if b"opaque" in asked:
        text += b',opaque="%b"' % asked[b"opaque"]
    return text + b',response="%b",algorithm=MD5' % expected_response(used, user, password, method)
