"""A SIP client on a UDP socket of its own that is broken in one way: how it writes its own address.

In everything else it is an ordinary client, and as strict as browsers are: a request for another user than the one in
its own Contact is answered 404.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from proxy.demo.agent import Agent, Watch
from proxy.demo.calls import CallFailedError, Calls
from proxy.demo.compose import Header, answer
from proxy.demo.digest import credentials
from proxy.demo.wire import Address, DatagramSocket, DatagramWay, Reactor, Way
from proxy.sip.message import Request, Response
from proxy.sip.registry import ACK, CONTACT, INVITE, REGISTER, WWW_AUTHENTICATE
from proxy.sip.uri import parse_uri

MEDIA_PORT = 40000


@dataclass(frozen=True)
class Flaw:
    """How a client writes its own address. `%(here)s` stands for the true host and port of its socket.

    `contact` is None for a client that sends Contact in REGISTER only; `via` is the sent-by with its parameters.
    """

    user: str
    user_agent: str
    register_contact: str
    contact: str | None
    via: str


class Client:
    """One client of the domain that sends everything to `server`. `listen` before anything else, `stop` at the end."""

    def __init__(
        self, reactor: Reactor, flaw: Flaw, domain: bytes, password: bytes, watch: Watch, t1: float = 0.5
    ) -> None:
        self.flaw = flaw
        self.address: Address = ("", 0)
        self.user = flaw.user.encode()
        self._domain = domain
        self._password = password
        self._agent = Agent(reactor, self._serve, watch, t1)
        self.calls = Calls(reactor, self._agent, self)
        self._socket = DatagramSocket(self._agent.received)
        self._server: Address = ("", 0)
        self._register_call = secrets.token_hex(8).encode()
        self._sequence = 0

    def listen(self, reactor: Reactor, host: str, server: Address) -> Address:
        """Bind to a free port; raises twisted.internet.error.CannotListenError."""
        self._server = server
        self.address = self._socket.listen(reactor, host, 0)
        return self.address

    def stop(self) -> None:
        self._agent.stop()
        self._socket.close()

    @property
    def registered_contact(self) -> bytes:
        """The Contact URI that this client puts into REGISTER."""
        return self._written(self.flaw.register_contact)

    async def register(self, patience: float) -> Response:
        """Register with digest authentication; returns the final response, raises CallFailedError without one."""
        contact = (b"Contact", b"<%b>;expires=300" % self.registered_contact)
        uri = b"sip:" + self._domain
        return await self._authenticated(REGISTER, uri, self.user, self._register_call, [contact], patience)

    async def call(self, user: bytes, patience: float) -> bytes:
        """Call a user of the domain; returns the Call-ID of the answered call, raises CallFailedError."""
        call_id = secrets.token_hex(8).encode()
        uri = b"sip:%b@%b" % (user, self._domain)
        offered = self.media(b"") or b""
        final = await self._authenticated(INVITE, uri, user, call_id, self.own(), patience, offered)
        if final.status >= 300:
            raise CallFailedError(f"INVITE was answered {final.status} {final.reason.decode(errors='replace')}")
        return call_id

    async def _authenticated(
        self,
        method: bytes,
        uri: bytes,
        to: bytes,
        call_id: bytes,
        headers: list[Header],
        patience: float,
        body: bytes = b"",
    ) -> Response:
        """Ask once, and once more with credentials if challenged (RFC 3261 section 22.2)."""
        leading: list[Header] = [
            (b"From", b"<sip:%b@%b>;tag=%b" % (self.user, self._domain, secrets.token_hex(4).encode())),
            (b"To", b"<sip:%b@%b>" % (to, self._domain)),
            (b"Call-ID", call_id),
        ]
        if method == REGISTER:
            headers = [*headers, (b"User-Agent", self.flaw.user_agent.encode())]
        for attempt in (1, 2):
            self._sequence += 1
            counted = [*leading, (b"CSeq", b"%d %b" % (self._sequence, method)), *headers]
            _, final = await self.calls.ask(method, uri, counted, patience, body)
            asked = final.value(WWW_AUTHENTICATE)
            if final.status != 401 or asked is None or attempt == 2:
                break
            value = credentials(asked, self.user, self._password, method, uri, secrets.token_hex(8).encode())
            headers = [*headers, (b"Authorization", value)]
        return final

    # -- how we look

    def _written(self, text: str) -> bytes:
        return text.replace("%(here)s", f"{self.address[0]}:{self.address[1]}").encode()

    def via(self, way: Way) -> bytes:
        return b"SIP/2.0/UDP " + self._written(self.flaw.via)

    def own(self) -> list[Header]:
        own = [(b"User-Agent", self.flaw.user_agent.encode())]
        if self.flaw.contact is not None:
            own.insert(0, (b"Contact", b"<%b>" % self._written(self.flaw.contact)))
        return own

    def way_to(self, uri: bytes) -> Way:
        return DatagramWay(self._socket, self._server)

    def media(self, offered: bytes) -> bytes | None:
        return answer(offered, self.address[0].encode(), MEDIA_PORT)

    # -- requests of others

    def _serve(self, asked: Request, way: Way) -> None:
        if self.calls.take(asked, way) or asked.method == ACK:
            return
        tag = secrets.token_hex(4).encode()
        if asked.method != INVITE:
            self.calls.reply(asked, way, 405, [(b"Allow", b"INVITE, ACK, BYE, CANCEL, UPDATE")], tag=tag)
        elif asked.request_uri.user != parse_uri(self.registered_contact).user:
            self.calls.reply(asked, way, 404, tag=tag)
        else:
            self.calls.answer_call(asked, way)


def is_own_contact_in(response: Response, contact: bytes) -> bool:
    """Whether a 2xx to REGISTER lists the client's Contact as the client wrote it, as browsers demand."""
    return CONTACT in response.names and any(entry.addr == contact for entry in response.contacts)
