"""Defects that no single message shows: no answer, credentials that are never accepted, calls for a name nobody has.

Only what is certain is told: a capture of one direction, or one that ends early, shows no symptom. What is remembered
is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from proxy.capture.captured import Captured, Endpoint
from proxy.sip.errors import HeaderError
from proxy.sip.message import Request, Response
from proxy.sip.registry import ACK, AUTHORIZATION, INVITE, PROXY_AUTHORIZATION, REGISTER

_MOST: Final = 4096
_USERS: Final = 16
# RFC 3261 section 17: after 64 times T1 a request is given up; a little more for the clock of a capture.
_GIVEN_UP: Final = 33.0
# So many refusals in a row of requests that brought credentials. One is usual (a stale nonce), two may be.
_REFUSALS: Final = 3

NO_ANSWER: Final = "no-answer"
AUTH_LOOP: Final = "auth-loop"
WRONG_USER: Final = "ruri-wrong-user"

SUMMARIES: Final = {
    NO_ANSWER: ("Requests get no answer at all.", "RFC 3261 section 17.1"),
    AUTH_LOOP: ("Credentials are refused again and again.", "RFC 3261 section 22"),
    WRONG_USER: ("The server calls a user that the client does not know as its own: 404.", "RFC 3261 section 8.2.2.1"),
}

K = TypeVar("K")
V = TypeVar("V")
Pair = tuple[str, str]
# Told with the message to show, the end it is about, the name of the symptom and its reason.
Tell = Callable[[Captured, Endpoint | None, str, str], None]


class _Asked:
    __slots__ = ("captured", "copies", "request")

    def __init__(self, captured: Captured, request: Request) -> None:
        self.captured = captured
        self.request = request
        self.copies = 1


def _host(end: Endpoint | None) -> str:
    return end[0] if end else ""


class Symptoms:
    """Takes the messages of a capture in their order. `is_server` tells which ends are servers."""

    def __init__(self, tell: Tell, is_server: Callable[[Endpoint | None], bool]) -> None:
        self._tell = tell
        self._is_server = is_server
        self._asked: dict[tuple[bytes, bytes, str, str], _Asked] = {}
        self._ways: set[Pair] = set()
        self._credentials: dict[tuple[bytes, int, bytes], bool] = {}
        self._refused: dict[tuple[bytes, bytes], int] = {}
        self._users: dict[Endpoint, set[bytes]] = {}
        self._now = 0.0

    def take(self, captured: Captured, message: Request | Response) -> None:
        """Take a message that came again, too."""
        if captured.time is not None:
            self._now = max(self._now, captured.time)
            self._give_up()
        way = (_host(captured.source), _host(captured.destination))
        if len(self._ways) < _MOST:
            self._ways.add(way)
        try:
            if isinstance(message, Request):
                self._request(captured, message, way)
            else:
                self._response(captured, message, way)
        except HeaderError:
            return  # what cannot be read is a defect of its own

    def finish(self) -> None:
        """The capture is at its end: what waited long enough has no answer."""
        self._give_up()

    # -- requests

    def _request(self, captured: Captured, request: Request, way: Pair) -> None:
        method = request.method
        if method == ACK:
            return
        key = (request.via.branch or b"", method, *way)
        known = self._asked.get(key)
        if known is not None:
            known.copies += 1
            return
        _remember(self._asked, key, _Asked(captured, request))
        answers = request.names.count(AUTHORIZATION) + request.names.count(PROXY_AUTHORIZATION)
        if answers:
            _remember(self._credentials, (request.call_id, request.cseq[0], method), True)
        if method == REGISTER and captured.source is not None:
            self._learn_users(captured.source, request)

    def _learn_users(self, source: Endpoint, request: Request) -> None:
        users = self._users.get(source)
        if users is None:
            users = set()
            _remember(self._users, source, users)
        for address in (request.to, *request.contacts):
            user = address.uri.user if address.addr != b"*" else None
            if user and len(users) < _USERS:
                users.add(user)

    # -- responses

    def _response(self, captured: Captured, response: Response, way: Pair) -> None:
        number, method = response.cseq
        key = (response.via.branch or b"", method, way[1], way[0])
        asked = self._asked.get(key)
        if asked is not None and response.status >= 200:
            del self._asked[key]
        elif asked is not None:
            asked.copies = 0  # it is being worked on
        if asked is not None and response.status == 404 and method == INVITE:
            self._wrong_user(captured, asked)
        if response.status in (401, 407):
            self._refusal(captured, response, number, method, asked)
        elif response.status < 300 and response.status >= 200:
            self._refused.pop((response.call_id, method), None)

    def _wrong_user(self, captured: Captured, asked: _Asked) -> None:
        client = captured.source
        users = self._users.get(client) if client is not None else None
        user = asked.request.request_uri.user
        if users and user and user not in users and not self._is_server(client):
            wanted = b", ".join(sorted(users)).decode("utf-8", "replace")
            text = f"the Request-URI names {user.decode('utf-8', 'replace')}; the client registered as {wanted}"
            self._tell(asked.captured, client, WRONG_USER, text)

    def _refusal(
        self, captured: Captured, response: Response, number: int, method: bytes, asked: _Asked | None
    ) -> None:
        # Each refusal counts once, however often it is sent.
        if not self._credentials.pop((response.call_id, number, method), False) or asked is None:
            return
        key = (response.call_id, method)
        count = self._refused.get(key, 0) + 1
        _remember(self._refused, key, count)
        if count == _REFUSALS:
            text = f"{method.decode('ascii', 'replace')} with credentials is answered {response.status} every time: "
            self._tell(asked.captured, asked.captured.source, AUTH_LOOP, text + "wrong password, user or realm")

    # -- silence

    def _give_up(self) -> None:
        for key in list(self._old()):
            asked = self._asked.pop(key)
            if asked.copies < 2 or (key[3], key[2]) not in self._ways:
                continue  # a request that was not even repeated, or a capture that shows no answers at all
            captured = asked.captured
            client = captured.destination if self._is_server(captured.source) else captured.source
            text = f"sent {asked.copies} times within {_GIVEN_UP - 1:.0f} seconds, and no answer came"
            self._tell(captured, client, NO_ANSWER, text)

    def _old(self) -> Iterator[tuple[bytes, bytes, str, str]]:
        for key, asked in self._asked.items():
            time = asked.captured.time
            if time is None or self._now - time < _GIVEN_UP:
                return
            yield key


def _remember(table: dict[K, V], key: K, value: V) -> None:
    """Keep a value, the oldest one making room."""
    if key not in table and len(table) >= _MOST:
        del table[next(iter(table))]
    table[key] = value
