"""The calls of one user agent of the demo: made, answered, renewed and ended (RFC 3261 sections 13 to 15).

How the agent writes its own address and where its requests go is told by its `Look`; that is where clients are broken.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Protocol

from proxy.demo.agent import Agent, NoAnswerError
from proxy.demo.compose import Header, request, response
from proxy.demo.dialog import Dialog, of_callee, of_caller
from proxy.demo.wire import Clock, UnreachableError, Way
from proxy.sip.message import Request, Response
from proxy.sip.registry import ACK, BYE, CANCEL, INVITE, UPDATE

RING = 0.2


class CallFailedError(Exception):
    """A request of ours did not achieve what it was for; the text says how it failed."""


class Look(Protocol):
    """How one user agent writes about itself."""

    def via(self, way: Way) -> bytes:
        """The Via value, without branch, of a request that leaves on that way."""

    def own(self) -> list[Header]:
        """The headers that go into requests and responses of dialogs: Contact, User-Agent or Server."""

    def way_to(self, uri: bytes) -> Way:
        """Where a request for that URI goes; raises CallFailedError."""

    def media(self, offered: bytes) -> bytes | None:
        """An SDP offer (nothing offered) or answer; None if there is no common media."""


class Calls:
    """The dialogs of one user agent by Call-ID.

    `ended` is called with the Call-ID when the other end hangs up, `confirmed` when it acknowledged our 2xx.
    """

    def __init__(self, clock: Clock, agent: Agent, look: Look) -> None:
        self._clock = clock
        self._agent = agent
        self._look = look
        self._dialogs: dict[bytes, Dialog] = {}
        self._ringing: dict[bytes, tuple[Request, Way]] = {}
        self.ended: Callable[[bytes], None] = _nobody
        self.confirmed: Callable[[bytes], None] = _nobody

    def __contains__(self, call_id: bytes) -> bool:
        return call_id in self._dialogs

    def is_confirmed(self, call_id: bytes) -> bool:
        """Whether the call is up for both ends: its 2xx has its ACK."""
        return call_id in self._dialogs and self._dialogs[call_id].confirmed

    # -- requests of ours

    async def ask(
        self, method: bytes, uri: bytes, headers: list[Header], patience: float, body: bytes = b""
    ) -> tuple[Request, Response]:
        """Send a request outside of dialogs; raises CallFailedError if it gets no final response in time."""
        way = self._look.way_to(uri)
        octets = request(method, uri, [(b"Via", self._branch(way)), *headers], body)
        asked, final = await self._ask(octets, way, patience)
        if method == INVITE and final.status < 300:
            dialog = of_caller(asked, final)
            dialog.confirmed = True
            self._dialogs[dialog.call_id] = dialog
        return asked, final

    async def hang_up(self, call_id: bytes, patience: float) -> Response:
        """End a call with BYE; raises CallFailedError if no answer comes."""
        return await self._ask_within(self._dialogs.pop(call_id), BYE, [], b"", patience)

    async def renew(self, call_id: bytes, patience: float) -> Response:
        """Offer the media of a call anew (re-INVITE), as for hold; raises CallFailedError if no answer comes."""
        offered = self._look.media(b"") or b""
        return await self._ask_within(self._dialogs[call_id], INVITE, self._look.own(), offered, patience)

    async def _ask_within(
        self, dialog: Dialog, method: bytes, headers: list[Header], body: bytes, patience: float
    ) -> Response:
        way = self._look.way_to(dialog.next_hop())
        _, final = await self._ask(dialog.compose(method, self._branch(way), headers, body), way, patience, dialog)
        return final

    async def _ask(
        self, octets: bytes, way: Way, patience: float, dialog: Dialog | None = None
    ) -> tuple[Request, Response]:
        asked = self._agent.ask(octets, way, patience=patience)
        try:
            final = await asked.final
        except NoAnswerError as problem:
            raise CallFailedError(str(problem)) from problem
        if asked.request.method == INVITE and final.status < 300:
            if dialog is None:
                dialog = of_caller(asked.request, final)
            else:
                dialog.refresh(final)
            home = self._look.way_to(dialog.next_hop())
            ack = dialog.compose(ACK, self._branch(home), sequence=asked.request.cseq[0])
            try:
                self._agent.acknowledge(asked, ack, home)
            except UnreachableError as problem:
                raise CallFailedError(str(problem)) from problem
        return asked.request, final

    def _branch(self, way: Way) -> bytes:
        via = self._look.via(way)
        head, mark, parameters = via.partition(b";")
        return b"%b;branch=z9hG4bK%b%b%b" % (head, secrets.token_hex(8).encode(), mark, parameters)

    # -- requests of others

    def answer_call(self, asked: Request, way: Way) -> bytes:
        """Ring and, a moment later, answer an INVITE outside of dialogs; returns its Call-ID."""
        tag = secrets.token_hex(4).encode()
        call_id = asked.call_id
        if self._look.media(asked.body) is None:
            self.reply(asked, way, 488, tag=tag)
            return call_id
        self._ringing[call_id] = asked, way
        self.reply(asked, way, 180, self._look.own(), tag=tag)
        self._clock.callLater(RING, self._pick_up, call_id, tag)
        return call_id

    def _pick_up(self, call_id: bytes, tag: bytes) -> None:
        if call_id not in self._ringing:
            return  # cancelled meanwhile
        asked, way = self._ringing.pop(call_id)
        self._dialogs[call_id] = of_callee(asked, tag)
        octets = response(asked, 200, way.address, self._look.own(), self._look.media(asked.body) or b"", tag)
        try:
            # Without ACK there is no call (RFC 3261 section 13.3.1.4).
            self._agent.answer(asked, way, octets, expired=lambda: self._dialogs.pop(call_id, None))
        except UnreachableError:
            del self._dialogs[call_id]

    def take(self, asked: Request, way: Way) -> bool:
        """Deal with a request of a dialog, or about one; False if it is not for us."""
        call_id = asked.call_id
        if asked.method == CANCEL:
            self._cancel(asked, way)
            return True
        if asked.to.tag is None:
            return False
        dialog = self._dialogs.get(call_id)
        if asked.method == ACK:
            if dialog is not None:
                dialog.confirmed = True
                self.confirmed(call_id)
        elif dialog is None:
            self.reply(asked, way, 481)
        elif asked.method == BYE:
            del self._dialogs[call_id]
            self.reply(asked, way, 200)
            self.ended(call_id)
        elif asked.method in (INVITE, UPDATE):
            dialog.refresh(asked)
            body = self._look.media(asked.body) if asked.body or asked.method == INVITE else b""
            self.reply(asked, way, 488 if body is None else 200, self._look.own(), body or b"")
        else:
            self.reply(asked, way, 200)
        return True

    def _cancel(self, asked: Request, way: Way) -> None:
        ringing = self._ringing.pop(asked.call_id, None)
        self.reply(asked, way, 200 if ringing else 481)
        if ringing is not None:
            self.reply(*ringing, 487, tag=secrets.token_hex(4).encode())

    def reply(
        self,
        asked: Request,
        way: Way,
        status: int,
        headers: list[Header] | None = None,
        body: bytes = b"",
        tag: bytes = b"",
        reason: bytes | None = None,
    ) -> None:
        """Answer a request. An answer that cannot leave is lost, as on any network."""
        octets = response(asked, status, way.address, headers or (), body, tag, reason)
        try:
            self._agent.answer(asked, way, octets)
        except UnreachableError:
            return


def _nobody(call_id: bytes) -> None:
    """Nobody wants to know."""
