"""Who sent a message: canonical AoRs, and the USER part of the Contact that we write (protocol 2).

Canonical forms are memoised by the octets they came from: the same few URIs come in every message of a client.
"""

from __future__ import annotations

from proxy.core.settings import CoreSettings
from proxy.sip.address import NameAddr
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Response
from proxy.sip.registry import PRIVACY
from proxy.sip.uri import Uri, canonical_user, escape_user, parse_uri

_MEMO_LIMIT = 8192
_VISUAL_SEPARATORS = b"-.()"


class Identity:
    """Canonical AoRs under one configuration. `own_hosts` are the hosts (lower case) that mean `domain`."""

    __slots__ = ("_domain", "_memo", "_own_hosts")

    def __init__(self, settings: CoreSettings) -> None:
        self._domain = settings.domain
        own = {settings.domain, *settings.aliases}
        for listener in settings.listeners:
            own.add(listener.public_host.lower())
            own.update(listener.names)
        self._own_hosts = frozenset(own)
        self._memo: dict[bytes, bytes] = {}

    def aor(self, address: NameAddr) -> bytes:
        """The canonical AoR `user@host` of a From or To; empty where it has none (protocol 2.1)."""
        raw = address.addr
        known = self._memo.get(raw)
        if known is None:
            if len(self._memo) >= _MEMO_LIMIT:
                self._memo.clear()
            known = self._memo[raw] = self._canonical(raw)
        return known

    def is_ours(self, aor: bytes) -> bool:
        """Whether the AoR lies in the domain of the server."""
        return aor.endswith(b"@" + self._domain)

    def is_own_host(self, host: bytes) -> bool:
        """Whether the host is the domain, an alias, or one of our own addresses and names."""
        return host.lower() in self._own_hosts

    def _canonical(self, raw: bytes) -> bytes:
        try:
            uri = parse_uri(raw)
        except HeaderError:
            return b""
        if uri.scheme == b"tel":
            number = raw.partition(b":")[2].partition(b";")[0].translate(None, _VISUAL_SEPARATORS)
            return number + b"@" + self._domain
        if uri.scheme not in (b"sip", b"sips"):
            return b""
        host = uri.host.lower()
        if host in self._own_hosts:
            host = self._domain
        return canonical_user(uri.user or b"") + b"@" + host


def contact_key(uri: Uri) -> tuple[bytes, bytes]:
    """User and host of a Contact, by which a client is recognised: parameters and port do not count (protocol 2.5)."""
    return (uri.user or b"", uri.host.lower())


def first_contact(message: Message) -> tuple[bytes, bytes] | None:
    """`contact_key` of the first Contact; None for `*`, and where one cannot be read (the rules see to it)."""
    try:
        contacts = message.contacts
        return contact_key(contacts[0].uri) if contacts and contacts[0].addr != b"*" else None
    except HeaderError:
        return None


def user_of(aor: bytes) -> bytes:
    """The user part of an AoR, escaped as it is written in a URI; `anonymous` without one (protocol 2.3)."""
    return escape_user(aor.rpartition(b"@")[0]) or b"anonymous"


def hides_sender(message: Message) -> bool:
    """Whether the sender wants no identity shown: Privacy other than none, or an anonymous From (RFC 3323)."""
    if message.places().privacy > 0 and (message.value(PRIVACY) or b"").lower() != b"none":
        return True
    try:
        user = message.from_.uri.user
    except HeaderError:
        return False
    return user is None or user.lower() == b"anonymous"


def hides_answerer(response: Response) -> bool:
    """Whether the sender of a response began the dialog as anonymous: then its own side is the To."""
    try:
        user = response.to.uri.user
    except HeaderError:
        return False
    return user is not None and user.lower() == b"anonymous"
