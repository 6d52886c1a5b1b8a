"""Who sent a message: canonical AoRs, and the USER part of the Contact that we write (protocol 2).

Canonical forms are memoised by the octets they came from: the same few URIs come in every message of a client.
"""

from __future__ import annotations

from proxy.core.settings import CoreSettings
from proxy.repair.reach import host_address
from proxy.sip.address import NameAddr
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Response
from proxy.sip.registry import PRIVACY
from proxy.sip.uri import Uri, canonical_user, escape_user, parse_uri

_MEMO_LIMIT = 8192
_LEARNED_LIMIT = 64
_VISUAL_SEPARATORS = b"-.()"


class Identity:
    """Canonical AoRs under one configuration. `own_hosts` are the hosts (lower case) that mean `domain`."""

    __slots__ = ("_domain", "_learned", "_memo", "_named", "_own_hosts")

    def __init__(self, settings: CoreSettings) -> None:
        self._domain = settings.domain
        self._named = host_address(settings.domain) is None
        own = {settings.domain, *settings.aliases}
        for listener in settings.listeners:
            own.add(listener.public_host.lower())
            own.update(listener.names)
        self._own_hosts = frozenset(own)
        self._learned: dict[bytes, None] = {}
        self._memo: dict[bytes, bytes] = {}

    def learn(self, host: bytes) -> None:
        """That host is ours from now on too: a listener is known by it. Those before it stay ours, within bounds."""
        host = host.lower()
        self._learned.pop(host, None)
        self._learned[host] = None
        if len(self._learned) > _LEARNED_LIMIT:
            del self._learned[next(iter(self._learned))]
        self._memo.clear()

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
        host = host.lower()
        return host in self._own_hosts or host in self._learned

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
        return canonical_user(uri.user or b"") + b"@" + self._canonical_host(uri.host.lower())

    def renewed(self, aor: bytes) -> bytes:
        """A canonical AoR of an earlier run, which may have known other hosts as ours."""
        user, _, host = aor.rpartition(b"@")
        return user + b"@" + self._canonical_host(host)

    def _canonical_host(self, host: bytes) -> bytes:
        # No domain is an address: it stands there for want of the domain, whoever repairs that (server-domain).
        # Where the domain itself is one, the others are other domains.
        if self.is_own_host(host) or (self._named and host_address(host) is not None):
            return self._domain
        return host


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


def asks_for_privacy(message: Message) -> bool | None:
    """Whether Privacy asks that no identity be shown: None where it is absent, False for `none` (RFC 3323)."""
    if message.places().privacy <= 0:
        return None
    return (message.value(PRIVACY) or b"").strip().lower() != b"none"


def hides_sender(request: Message) -> bool:
    """Whether the sender of a request wants no identity shown, by Privacy or an anonymous From (RFC 3323)."""
    if asks_for_privacy(request):
        return True
    try:
        user = request.from_.uri.user
    except HeaderError:
        return False
    return user is None or user.lower() == b"anonymous"


def hides_answerer(response: Response) -> bool:
    """Whether the sender of a response wants none shown, or began the dialog as anonymous: its own side is the To."""
    if asks_for_privacy(response):
        return True
    try:
        user = response.to.uri.user
    except HeaderError:
        return False
    return user is not None and user.lower() == b"anonymous"
