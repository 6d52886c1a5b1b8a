"""A dialog as its two ends keep it, and the requests within it (RFC 3261 section 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.demo.compose import Header, request
from proxy.sip.address import parse_name_addr
from proxy.sip.message import Message, Request, Response
from proxy.sip.registry import CONTACT, FROM, RECORD_ROUTE, TO
from proxy.sip.route import parse_routes


@dataclass
class Dialog:
    """What one end needs for its next request.

    `local` and `remote` are From and To values with their tags; `confirmed` tells whether the INVITE has its ACK.
    """

    call_id: bytes
    local: bytes
    remote: bytes
    target: bytes
    routes: list[bytes]
    sequence: int
    confirmed: bool = False

    def next_hop(self) -> bytes:
        """The URI to send to: the first route, else the remote target. Routes are taken to be loose."""
        return parse_name_addr(self.routes[0]).addr if self.routes else self.target

    def compose(
        self, method: bytes, via: bytes, headers: Sequence[Header] = (), body: bytes = b"", sequence: int | None = None
    ) -> bytes:
        """The next request in the dialog; with `sequence` (for ACK) the number of the INVITE it belongs to."""
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        leading: list[Header] = [(b"Via", via)]
        leading += [(b"Route", route) for route in self.routes]
        leading += [(b"From", self.local), (b"To", self.remote), (b"Call-ID", self.call_id)]
        leading.append((b"CSeq", b"%d %b" % (sequence, method)))
        return request(method, self.target, [*leading, *headers], body)

    def refresh(self, message: Message) -> None:
        """Take the remote target from a target refresh request or its 2xx (RFC 3261 section 12.2.1.2)."""
        if CONTACT in message.names:
            self.target = message.contacts[0].addr


def of_caller(asked: Request, response: Response) -> Dialog:
    """The dialog at the caller, from its INVITE and the 2xx (RFC 3261 section 12.1.2).

    Without a Contact in the 2xx there is no remote target; the Request-URI stands in, as tolerant clients do.
    """
    target = response.contacts[0].addr if CONTACT in response.names else asked.uri
    return Dialog(
        call_id=asked.call_id,
        local=asked.value(FROM) or b"",
        remote=response.value(TO) or b"",
        target=target,
        routes=_record_routes(response)[::-1],
        sequence=asked.cseq[0],
    )


def of_callee(asked: Request, tag: bytes) -> Dialog:
    """The dialog at the called side, from the INVITE and the tag of its own 2xx (RFC 3261 section 12.1.1)."""
    return Dialog(
        call_id=asked.call_id,
        local=(asked.value(TO) or b"") + b";tag=" + tag,
        remote=asked.value(FROM) or b"",
        target=asked.contacts[0].addr if CONTACT in asked.names else asked.from_.addr,
        routes=_record_routes(asked),
        sequence=0,
    )


def _record_routes(message: Message) -> list[bytes]:
    return [route.raw for route in parse_routes(message.values(RECORD_ROUTE))]
