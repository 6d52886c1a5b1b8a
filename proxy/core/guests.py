"""Guests: clients that never registered (protocol 2.6). Memory only, bounded, the oldest goes first."""

from __future__ import annotations

from proxy.core.settings import CoreSettings
from proxy.core.tokens import TokenMint
from proxy.flow import Flow
from proxy.sip.uri import escape_user


class Guests:
    """The own Contacts of guests by (token, user), remembered once the far side has learned what stands for them."""

    __slots__ = ("_contacts", "_mint", "_settings", "_shown")

    def __init__(self, settings: CoreSettings, mint: TokenMint) -> None:
        self._settings = settings
        self._mint = mint
        self._contacts: dict[tuple[bytes, bytes], tuple[bytes, float]] = {}
        self._shown: dict[tuple[object, bytes], bytes] = {}

    def __len__(self) -> int:
        return len(self._contacts)

    def token(self, flow: Flow) -> bytes:
        return self._mint.guest(flow)

    def shown(self, flow: Flow, user: bytes, address: bytes) -> bytes:
        """The URI that stands for a guest towards the server; `address` is our `HOST:PORT;transport=T` there."""
        key = (flow.key, user)
        shown = self._shown.get(key)
        if shown is None:
            if len(self._shown) >= self._settings.max_guests:
                self._shown.clear()
            shown = self._shown[key] = b"sip:%b@%b;b=%b" % (user, address, self._mint.guest(flow))
        return shown

    def remember(self, token: bytes, user: bytes, contact: bytes, now: float) -> None:
        """Keep the Contact that a guest wrote, to be put back into requests for it."""
        key = (token, user)
        self._contacts.pop(key, None)
        if len(self._contacts) >= self._settings.max_guests:
            del self._contacts[next(iter(self._contacts))]
        self._contacts[key] = (contact, now)

    def contact(self, token: bytes, user: bytes, now: float) -> bytes | None:
        """The Contact that this guest wrote; None if there was none or it was forgotten."""
        key = (token, user)
        known = self._contacts.get(key)
        if known is None:
            return None
        # Used again: it is the youngest now, and lives on.
        del self._contacts[key]
        self._contacts[key] = (known[0], now)
        return known[0]

    def expire(self, now: float) -> None:
        """Forget what nobody used for `limits.guest_ttl`; the table is in order of last use."""
        limit = now - self._settings.guest_ttl
        while self._contacts:
            key = next(iter(self._contacts))
            if self._contacts[key][1] > limit:
                return
            del self._contacts[key]


def source_uri(flow: Flow, user: bytes) -> bytes:
    """Where a guest was heard, as a URI: what stands in for a Contact that is not known."""
    host = flow.remote_host.encode()
    if b":" in host:
        host = b"[%b]" % host
    return b"sip:%b@%b:%d;transport=%b" % (escape_user(user), host, flow.remote_port, flow.listener.uri_transport)
