"""One SIP message as it was seen on the wire, kept octet for octet, with just enough reading for assertions.

Written apart from `proxy.sip` on purpose: the tests here must not share the proxy's own idea of a message.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
    "k": "supported",
    "c": "content-type",
}


@dataclass(frozen=True)
class Seen:
    """A message with where it came from and went; `raw` is what was on the wire."""

    raw: bytes
    source: str = ""
    lines: list[str] = field(init=False, repr=False)
    body: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        head, _, body = self.raw.partition(b"\r\n\r\n")
        object.__setattr__(self, "lines", head.decode("utf-8", "surrogateescape").split("\r\n"))
        object.__setattr__(self, "body", body)

    @property
    def start(self) -> str:
        return self.lines[0]

    @property
    def status(self) -> int:
        """The status code, 0 for a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """The method of a request, or of the request that a response answers."""
        return self.first("CSeq").split()[-1] if self.status else self.start.split(" ", 1)[0]

    @property
    def uri(self) -> str:
        """The Request-URI."""
        return self.start.split(" ")[1]

    def all(self, name: str) -> list[str]:
        """Every value of this header, in order; lists are split at commas outside quotes and <>."""
        wanted = name.lower()
        found: list[str] = []
        for line in self.lines[1:]:
            key, _, value = line.partition(":")
            key = key.strip().lower()
            if COMPACT.get(key, key) == wanted:
                found += split_list(value) if wanted in LISTS else [value.strip()]
        return found

    def first(self, name: str) -> str:
        """The first value of this header, or the empty string."""
        values = self.all(name)
        return values[0] if values else ""

    def line(self, name: str) -> str:
        """The first whole line of this header as it stands on the wire."""
        return next((text for text in self.lines[1:] if text.lower().startswith(name.lower() + ":")), "")

    @property
    def contact(self) -> str:
        """The addr-spec of the first Contact."""
        return addr_spec(self.first("Contact"))


LISTS = frozenset({"via", "contact", "route", "record-route", "path", "supported", "unsupported"})


def split_list(value: str) -> list[str]:
    """The elements of a comma separated header value (RFC 3261 section 7.3.1)."""
    parts = re.findall(r'(?:"(?:\\.|[^"\\])*"|<[^>]*>|[^,"<])+', value)
    return [part.strip() for part in parts if part.strip()]


def addr_spec(value: str) -> str:
    """The URI of a name-addr or addr-spec, without header parameters."""
    inside = re.search(r"<([^>]*)>", value)
    return inside[1] if inside else value.split(";", 1)[0].strip()


def credentials(challenge: str, user: str, password: str, method: str, uri: str) -> str:
    """The value of an Authorization header for an MD5 challenge, with or without qop=auth (RFC 2617)."""
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    realm, nonce = given["realm"], given["nonce"]
    first, second = _md5(f"{user}:{realm}:{password}"), _md5(f"{method}:{uri}")
    answer = f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", algorithm=MD5'
    if "qop" in given:
        proof = _md5(f"{first}:{nonce}:00000001:7c1f0a:auth:{second}")
        return f'{answer}, response="{proof}", qop=auth, nc=00000001, cnonce="7c1f0a"'
    proof = _md5(f"{first}:{nonce}:{second}")
    return f'{answer}, response="{proof}"'


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
