"""The registrar of the demo's server: accounts with passwords, and the Contacts they registered (RFC 3261 10.3).

Path is ignored, as many servers in the field do; so nothing but the Contact leads to a client.
"""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass

from proxy.demo.compose import Header
from proxy.demo.digest import challenge, expected_response, parse_parameters
from proxy.sip.message import Request
from proxy.sip.registry import AUTHORIZATION, CONTACT, EXPIRES

LONGEST = 3600
SHORTEST = 30
_NONCES_KEPT = 1000


@dataclass
class Stored:
    """One registered Contact: its URI as the server got it, and when it lapses (seconds on the server's clock)."""

    addr: bytes
    lapses: float


class RefusedError(Exception):
    """The answer that a request gets instead of what it asked for."""

    def __init__(self, status: int, headers: list[Header] | None = None, reason: bytes | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers or []
        self.reason = reason


class Registrar:
    """The accounts of one domain."""

    def __init__(self, domain: bytes) -> None:
        self.domain = domain
        self._passwords: dict[bytes, bytes] = {}
        self._contacts: dict[bytes, list[Stored]] = {}
        self._nonces: deque[bytes] = deque(maxlen=_NONCES_KEPT)

    def add_account(self, user: bytes, password: bytes) -> None:
        self._passwords[user] = password

    def remove_account(self, user: bytes) -> None:
        """Forget a user and its Contacts."""
        self._passwords.pop(user, None)
        self._contacts.pop(user, None)

    def authenticate(self, request: Request) -> bytes:
        """The user whose credentials the request carries; raises RefusedError with the challenge or with 403."""
        given = parse_parameters(request.value(AUTHORIZATION) or b"")
        nonce = given.get(b"nonce", b"")
        if given.get(b"realm") != self.domain or nonce not in self._nonces:
            fresh = secrets.token_hex(16).encode()
            self._nonces.append(fresh)
            raise RefusedError(401, [(b"WWW-Authenticate", challenge(self.domain, fresh, stale=bool(nonce)))])
        user = given.get(b"username", b"")
        password = self._passwords.get(user)
        if password is None or expected_response(given, user, password, request.method) != given.get(b"response"):
            raise RefusedError(403)
        return user

    def register(self, request: Request, user: bytes, now: float) -> list[Header]:
        """Carry out a REGISTER of that user; returns the headers of its 200 (RFC 3261 section 10.3 steps 6 to 8).

        Raises RefusedError if the request is for another user, or `*` comes with an expiry.
        """
        if request.to.uri.user != user:
            raise RefusedError(403)
        stored = self._current(user, now)
        asked = request.value(EXPIRES)
        for contact in request.contacts if CONTACT in request.names else []:
            expires = _seconds(contact.param(b"expires") if contact.addr != b"*" else None, _seconds(asked, LONGEST))
            if contact.addr == b"*":
                if expires:
                    raise RefusedError(400, reason=b"Contact * needs Expires 0")
                stored.clear()
                continue
            stored[:] = [other for other in stored if other.addr != contact.addr]
            if expires:
                stored.append(Stored(contact.addr, now + min(max(expires, SHORTEST), LONGEST)))
        self._contacts[user] = stored
        return [(b"Contact", b"<%b>;expires=%d" % (entry.addr, entry.lapses - now)) for entry in stored]

    def contact_of(self, user: bytes, now: float) -> bytes | None:
        """The Contact URI that the user registered last and that has not lapsed."""
        stored = self._current(user, now)
        return stored[-1].addr if stored else None

    def _current(self, user: bytes, now: float) -> list[Stored]:
        return [entry for entry in self._contacts.get(user, []) if entry.lapses > now]


def _seconds(text: bytes | None, default: int) -> int:
    """A delta-seconds value; what is none counts as absent (RFC 3261 section 20.19)."""
    return int(text) if text is not None and text.isdigit() and len(text) < 11 else default
