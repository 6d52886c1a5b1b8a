"""The transactions of the demo's server and clients: retransmission, matching, absorption (RFC 3261 section 17).

A user agent hands requests in with `ask` and `answer`; the requests of others reach it through `serve`, each once.
No dialog and no header but those that match messages is known here.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from proxy.demo.wire import Clock, Message, UnreachableError, Way
from proxy.sip.errors import SipError
from proxy.sip.message import Request, Response
from proxy.sip.parser import parse_message
from proxy.sip.registry import ACK, CALL_ID, FROM, INVITE, ROUTE, TO, VIA

T1 = 0.5
T2 = 4.0

# direction ("sent" or "received"), the message, the way, whether it is a repetition
Watch = Callable[[str, Message, Way, bool], None]
Serve = Callable[[Request, Way], None]
Key = tuple[bytes | None, bytes, bytes, bytes, int]


class NoAnswerError(Exception):
    """A request was not answered in time, or could not leave; the text says which."""


class Repetition:
    """Calls `send` after `t1` seconds and then at doubling intervals of at most `cap`, until stopped.

    After `lasts` seconds it stops by itself and calls `expired`. Without `send` it only waits for that end.
    """

    def __init__(
        self,
        clock: Clock,
        t1: float,
        cap: float,
        lasts: float,
        send: Callable[[], None] | None,
        expired: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._cap = cap
        self._send = send
        self._expired = expired
        self._end = clock.callLater(lasts, self._expire)
        self._next = clock.callLater(t1, self._repeat, t1) if send else None

    def _repeat(self, interval: float) -> None:
        self._next = self._clock.callLater(min(2 * interval, self._cap), self._repeat, min(2 * interval, self._cap))
        if self._send is not None:
            self._send()

    def quiet(self) -> None:
        """Send no more, but still expire."""
        if self._next is not None and self._next.active():
            self._next.cancel()

    def stop(self) -> None:
        self.quiet()
        if self._end.active():
            self._end.cancel()

    def _expire(self) -> None:
        self.quiet()
        self._expired()


class Asked:
    """A client transaction. `final` fires with the final response, or fails with NoAnswerError."""

    def __init__(self, request: Request, way: Way, provisional: Callable[[Response], None] | None) -> None:
        self.request = request
        self.way = way
        self.provisional = provisional
        self.final: Deferred[Response] = Deferred()
        self.acknowledgement: bytes | None = None
        self.repetition: Repetition | None = None


class Answered:
    """A server transaction: the last response, which every repetition of the request gets again."""

    def __init__(self) -> None:
        self.response: bytes | None = None
        self.way: Way | None = None
        self.repetition: Repetition | None = None


class Agent:
    """The transaction layer of one user agent. `t1` is RFC 3261's estimate of the round-trip time in seconds."""

    def __init__(self, clock: Clock, serve: Serve, watch: Watch, t1: float = T1) -> None:
        self._clock = clock
        self._serve = serve
        self._watch = watch
        self._t1 = t1
        self._asked: dict[tuple[bytes | None, bytes], Asked] = {}
        self._answered: dict[Key, Answered] = {}
        # INVITEs whose final response waits for its ACK, by Call-ID and sequence number
        self._unconfirmed: dict[tuple[bytes, int], Answered] = {}

    def stop(self) -> None:
        """Forget everything; no timer stays armed."""
        repetitions = [asked.repetition for asked in self._asked.values()]
        for answered in [*self._answered.values(), *self._unconfirmed.values()]:
            repetitions.append(answered.repetition)
        for repetition in repetitions:
            if repetition is not None:
                repetition.stop()
        self._asked.clear()
        self._answered.clear()
        self._unconfirmed.clear()

    # -- as a client

    def ask(
        self,
        octets: bytes,
        way: Way,
        provisional: Callable[[Response], None] | None = None,
        patience: float | None = None,
    ) -> Asked:
        """Send a request and repeat it until it is answered (RFC 3261 sections 17.1.1.2 and 17.1.2.2).

        It is given up after 64 * T1, or after `patience` seconds.
        """
        request = parse_message(octets)
        if not isinstance(request, Request):
            raise ValueError("a response cannot be asked")
        asked = Asked(request, way, provisional)
        key = request.via.branch, request.method
        self._asked[key] = asked
        cap = 64 * self._t1 if request.method == INVITE else T2
        again = None if way.reliable else (lambda: self._send(octets, way, again=True))
        lasts = 64 * self._t1 if patience is None else patience
        asked.repetition = Repetition(self._clock, self._t1, cap, lasts, again, lambda: self._give_up(key, lasts))
        try:
            self._send(octets, way)
        except UnreachableError as problem:
            self._watch("sent", request, way, False)
            del self._asked[key]
            asked.repetition.stop()
            asked.final.errback(NoAnswerError(str(problem)))
        return asked

    def acknowledge(self, asked: Asked, octets: bytes, way: Way) -> None:
        """Send the ACK of a 2xx, now and for each repetition of the 2xx (RFC 3261 section 13.2.2.4)."""
        asked.acknowledgement = octets
        asked.way = way
        self._send(octets, way)

    def _give_up(self, key: tuple[bytes | None, bytes], lasted: float) -> None:
        asked = self._asked.pop(key)
        asked.final.errback(NoAnswerError(f"no answer to {asked.request.method.decode()} within {lasted:g} s"))

    def _take_response(self, response: Response, way: Way) -> None:
        asked = self._asked.get((response.via.branch, response.cseq[1]))
        repeated = asked is not None and asked.final.called
        self._watch("received", response, way, repeated)
        if asked is None:
            return
        invite = asked.request.method == INVITE
        if response.status < 200:
            if asked.repetition is not None and invite:
                asked.repetition.quiet()
            if asked.provisional is not None:
                asked.provisional(response)
            return
        if not repeated:
            self._linger((response.via.branch, response.cseq[1]), asked)
        if invite and response.status >= 300:
            self._send(acknowledgement(asked.request, response), asked.way, repeated)
        elif repeated and asked.acknowledgement is not None:
            self._send(asked.acknowledgement, asked.way, again=True)
        if not repeated:
            asked.final.callback(response)

    def _linger(self, key: tuple[bytes | None, bytes], asked: Asked) -> None:
        """Stop asking, but know the transaction for repetitions of its final response."""

        def forget() -> None:
            self._asked.pop(key, None)

        if asked.repetition is not None:
            asked.repetition.stop()
        asked.repetition = Repetition(self._clock, self._t1, T2, 64 * self._t1, None, forget)

    # -- as a server

    def answer(self, request: Request, way: Way, octets: bytes, expired: Callable[[], object] | None = None) -> None:
        """Send a response to a request; the final one to INVITE is repeated until its ACK comes.

        `expired` is called if the ACK never comes (RFC 3261 sections 13.3.1.4 and 17.2.1).
        """
        answered = self._answered.get(_key(request))
        if answered is None:
            return  # forgotten: nobody waits for this answer any more
        response = parse_message(octets)
        answered.response = octets
        answered.way = home = _home(request, way)
        if request.method == INVITE and isinstance(response, Response) and response.status >= 200:
            self._await_ack(request, octets, home, home.reliable and response.status >= 300, expired)
            self._remember(_key(request), answered)
        self._send(octets, home)

    def _await_ack(
        self, request: Request, octets: bytes, home: Way, once: bool, expired: Callable[[], object] | None
    ) -> None:
        place = request.call_id, request.cseq[0]

        def give_up() -> None:
            self._unconfirmed.pop(place, None)
            if expired is not None:
                expired()

        self._unconfirmed[place] = waiting = Answered()
        again = None if once else (lambda: self._send(octets, home, again=True))
        waiting.repetition = Repetition(self._clock, self._t1, T2, 64 * self._t1, again, give_up)

    def _remember(self, key: Key, answered: Answered) -> None:
        def forget() -> None:
            self._answered.pop(key, None)

        if answered.repetition is not None:
            answered.repetition.stop()
        answered.repetition = Repetition(self._clock, self._t1, T2, 64 * self._t1, None, forget)

    def _take_request(self, request: Request, way: Way) -> None:
        if request.method == ACK:
            self._take_ack(request, way)
            return
        key = _key(request)
        answered = self._answered.get(key)
        self._watch("received", request, way, answered is not None)
        if answered is None:
            self._answered[key] = answered = Answered()
            if request.method != INVITE:
                self._remember(key, answered)
            self._serve(request, way)
        elif answered.response is not None and answered.way is not None:
            self._send(answered.response, answered.way, again=True)

    def _take_ack(self, request: Request, way: Way) -> None:
        waiting = self._unconfirmed.pop((request.call_id, request.cseq[0]), None)
        self._watch("received", request, way, waiting is None)
        if waiting is None:
            return
        if waiting.repetition is not None:
            waiting.repetition.stop()
        self._serve(request, way)

    # -- both

    def received(self, message: Message, way: Way) -> None:
        """Take a message from a socket. One without the headers that match it is dropped."""
        try:
            if isinstance(message, Request):
                self._take_request(message, way)
            else:
                self._take_response(message, way)
        except (SipError, UnreachableError):
            return  # as an ordinary server does: what makes no sense, or nobody can be told, is let go

    def _send(self, octets: bytes, way: Way, again: bool = False) -> None:
        way.send(octets)
        self._watch("sent", parse_message(octets), way, again)


def _key(request: Request) -> Key:
    via = request.via
    return via.branch, via.sent_by, request.method, request.call_id, request.cseq[0]


def _home(request: Request, way: Way) -> Way:
    """Where the response goes: to the source port only if `rport` asked for it (RFC 3261 section 18.2.2, RFC 3581)."""
    return way if request.via.rport is not None else way.at_port(request.via.port or 5060)


def acknowledgement(request: Request, response: Response) -> bytes:
    """The ACK of a final response that is no 2xx: hop by hop (RFC 3261 section 17.1.1.3)."""
    lines = [b"ACK %b SIP/2.0" % request.uri, b"Via: " + (request.value(VIA) or b"")]
    lines += [b"Route: " + route for route in request.values(ROUTE)]
    lines += [b"From: " + (request.value(FROM) or b""), b"To: " + (response.value(TO) or b"")]
    lines += [b"Call-ID: " + (request.value(CALL_ID) or b""), b"CSeq: %d ACK" % request.cseq[0]]
    return b"\r\n".join([*lines, b"Max-Forwards: 70", b"Content-Length: 0", b"", b""])
