"""The demo's SIP server: what a plain PBX does with clients, strict where common PBXs are strict.

It registers with digest authentication, refuses INVITE without Contact as Asterisk does, answers calls to `echo`,
and calls registered users by nothing but the Contact they stored. No name is looked up: a Contact must be a number.
"""

from __future__ import annotations

import ipaddress
import secrets

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError

from proxy.demo.agent import Agent, Watch
from proxy.demo.calls import CallFailedError, Calls
from proxy.demo.compose import Header, answer
from proxy.demo.echo import MediaEcho
from proxy.demo.registrar import RefusedError, Registrar
from proxy.demo.wire import Address, DatagramSocket, DatagramWay, Reactor, StreamSocket, Way
from proxy.sip.errors import SipError
from proxy.sip.message import Request, Response
from proxy.sip.registry import ACK, CONTACT, INVITE, OPTIONS, REGISTER, REQUIRE
from proxy.sip.uri import parse_uri

ALLOW = b"INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, UPDATE"
SERVER = b"sipmend-demo-server"
ECHO = b"echo"
CALL_BACK = b"callback"
_PAUSE = 1.5
# How many ports are tried for one that both TCP and UDP can have.
_ATTEMPTS = 20


class Server:
    """One domain on one UDP and TCP port. `listen` before anything else; `stop` frees everything."""

    def __init__(self, reactor: Reactor, domain: bytes, watch: Watch, t1: float = 0.5) -> None:
        self.registrar = Registrar(domain)
        self.address: Address = ("", 0)
        self._domain = domain
        self._reactor = reactor
        self._agent = Agent(reactor, self._serve, watch, t1)
        self.calls = Calls(reactor, self._agent, self)
        self.calls.confirmed = self._on_confirmed
        self._udp = DatagramSocket(self._agent.received)
        self._tcp = StreamSocket(self._agent.received)
        self._echo = MediaEcho()
        self._media_host = b""
        # users who asked to be called back, by the Call-ID of the call in which they asked
        self._asked_back: dict[bytes, bytes] = {}

    def listen(self, host: str, port: int = 0, media_host: str = "") -> Address:
        """Bind UDP, and TCP on the same port; raises twisted.internet.error.CannotListenError.

        The echo listens at `media_host` (default: `host`), which callers must be able to reach.
        """
        self.address = self._listen(host, port)
        self._echo.listen(self._reactor, media_host or host)
        self._media_host = (media_host or host).encode()
        return self.address

    def _listen(self, host: str, port: int) -> Address:
        """Bind TCP and UDP; with port 0 to one that is free for both."""
        attempts = 1 if port else _ATTEMPTS
        while True:
            attempts -= 1
            address = self._tcp.listen(self._reactor, host, port)
            try:
                return self._udp.listen(self._reactor, host, address[1])
            except CannotListenError:
                self._tcp.close()
                if not attempts:
                    raise

    def stop(self) -> None:
        self._agent.stop()
        self._udp.close()
        self._tcp.close()
        self._echo.close()

    # -- calls of ours

    async def call(self, user: bytes, patience: float) -> bytes:
        """Call a user at the Contact it registered; returns the Call-ID of the answered call.

        Raises CallFailedError if there is no Contact, it leads nowhere, or nobody answers within `patience` seconds.
        """
        target = self.registrar.contact_of(user, self._reactor.seconds())
        if target is None:
            raise CallFailedError(f"{user.decode()} is not registered")
        call_id = secrets.token_hex(8).encode()
        headers: list[Header] = [
            (b"From", b"<sip:echo@%b>;tag=%b" % (self._domain, secrets.token_hex(4).encode())),
            (b"To", b"<sip:%b@%b>" % (user, self._domain)),
            (b"Call-ID", call_id),
            (b"CSeq", b"1 INVITE"),
        ]
        offered = self.media(b"") or b""
        _, final = await self.calls.ask(INVITE, target, headers + self.own(), patience, offered)
        if final.status >= 300:
            raise CallFailedError(f"INVITE {target.decode()} was answered {final.status} {final.reason.decode()}")
        return call_id

    async def hang_up(self, call_id: bytes, patience: float) -> Response:
        """End a call with BYE; raises CallFailedError if no answer comes."""
        return await self.calls.hang_up(call_id, patience)

    # -- how we look

    def via(self, way: Way) -> bytes:
        return b"SIP/2.0/%b %b:%d;rport" % (way.via_transport, self.address[0].encode(), self.address[1])

    def own(self) -> list[Header]:
        host, port = self.address
        return [(b"Contact", b"<sip:echo@%b:%d>" % (host.encode(), port)), (b"Server", SERVER), (b"Allow", ALLOW)]

    def way_to(self, uri: bytes) -> Way:
        """By UDP to the host and port of the URI, or on the TCP connection that comes from there."""
        try:
            parsed = parse_uri(uri)
            host = str(ipaddress.IPv4Address(parsed.host.decode("ascii", "replace")))
        except (SipError, ValueError) as problem:
            raise CallFailedError(f"the Contact {uri.decode(errors='replace')} leads to no address") from problem
        address = host, parsed.port or 5060
        if (parsed.param(b"transport") or b"udp").lower() == b"tcp":
            way = self._tcp.ways.get(address)
            if way is None:
                raise CallFailedError(f"there is no TCP connection from {host}:{address[1]}")
            return way
        return DatagramWay(self._udp, address)

    def media(self, offered: bytes) -> bytes | None:
        return answer(offered, self._media_host, self._echo.port)

    # -- requests of others

    def _serve(self, asked: Request, way: Way) -> None:
        try:
            if not self.calls.take(asked, way):
                self._outside_of_dialogs(asked, way)
        except RefusedError as refused:
            tag = secrets.token_hex(4).encode()
            self.calls.reply(asked, way, refused.status, refused.headers, tag=tag, reason=refused.reason)

    def _outside_of_dialogs(self, asked: Request, way: Way) -> None:
        tag = secrets.token_hex(4).encode()
        if asked.method == ACK:
            return
        if asked.method == OPTIONS:
            self.calls.reply(asked, way, 200, [(b"Allow", ALLOW), (b"Server", SERVER)], tag=tag)
        elif asked.method == REGISTER:
            user = self.registrar.authenticate(asked)
            headers = self.registrar.register(asked, user, self._reactor.seconds())
            self.calls.reply(asked, way, 200, [*headers, (b"Server", SERVER)], tag=tag)
        elif asked.method == INVITE:
            self._invited(asked, way)
        else:
            raise RefusedError(405, [(b"Allow", ALLOW)])

    def _invited(self, asked: Request, way: Way) -> None:
        if CONTACT not in asked.names:
            # Asterisk says so before it asks for a password: without Contact there is nowhere to send the BYE.
            raise RefusedError(400, reason=b"Missing Contact header")
        user = self.registrar.authenticate(asked)
        if asked.from_.uri.user != user:
            raise RefusedError(403)
        required = asked.value(REQUIRE)
        if required:
            raise RefusedError(420, [(b"Unsupported", required)])
        called = asked.request_uri.user
        if called not in (ECHO, CALL_BACK):
            raise RefusedError(404)
        call_id = self.calls.answer_call(asked, way)
        if called == CALL_BACK:
            self._asked_back[call_id] = user

    def _on_confirmed(self, call_id: bytes) -> None:
        user = self._asked_back.pop(call_id, None)
        if user is not None:
            self._reactor.callLater(_PAUSE, self._start_call_back, call_id, user)

    def _start_call_back(self, call_id: bytes, user: bytes) -> None:
        # Its failures show on the phone, which hears nothing; there is nobody else to tell.
        Deferred.fromCoroutine(self._hang_up_and_call(call_id, user))

    async def _hang_up_and_call(self, call_id: bytes, user: bytes) -> None:
        try:
            if call_id in self.calls:
                await self.calls.hang_up(call_id, 32.0)
            pause: Deferred[None] = Deferred()
            self._reactor.callLater(_PAUSE, pause.callback, None)
            await pause
            await self.call(user, 60.0)
        except CallFailedError:
            return
