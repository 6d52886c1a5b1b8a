"""A scripted client that plays whole call flows: CANCEL, PRACK, refusals with headers, several phones of one user."""

from __future__ import annotations

from collections.abc import Sequence

from clients import PRIVATE_CONTACT, PRIVATE_VIA
from kamailio_peer import DOMAIN
from peer_process import fresh_address
from sip_client import SDP, Address, Asked, Dialog, Identity, Seen, SipClient


class FlowClient(SipClient):
    """A `SipClient` whose phone is one of several of its user: its To tags are its own."""

    def answer(
        self, request: Seen, status: int, phrase: str, headers: Sequence[str] = (), body: str = "", contact: bool = True
    ) -> Seen:
        """Answer a request, with further header lines; returns what was sent."""
        to = request.first("To")
        if ";tag=" not in to and status > 100:
            to += f";tag={self.who.user}{self.address[1]}x{request.first('Call-ID')[:8]}"
        lines = [f"SIP/2.0 {status} {phrase}", *[f"Via: {via}" for via in request.all("Via")]]
        lines += [f"Record-Route: {route}" for route in request.all("Record-Route")]
        lines += [request.line("From"), f"To: {to}", request.line("Call-ID"), request.line("CSeq"), *headers]
        lines += self.contact_lines() if contact and status < 300 else []
        lines += ["Content-Type: application/sdp"] if body else []
        octets = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode()
        host, _, port = request.source.rpartition(":")
        self.send(octets, (host.strip("[]"), int(port)))
        return Seen(octets)

    def pick_up(self, invite: Seen) -> Dialog:
        """Answer 200; returns this side's dialog."""
        answer = self.answer(invite, 200, "OK", body=SDP)
        return Dialog(
            invite.first("Call-ID"),
            answer.first("To"),
            invite.first("From"),
            invite.contact,
            invite.all("Record-Route"),
            100,
        )

    def cancel(self, asked: Asked) -> None:
        """Send CANCEL for an INVITE that was sent (RFC 3261 section 9.1)."""
        origin = Seen(asked.octets)
        lines = [
            f"CANCEL {asked.uri} SIP/2.0",
            self.via(asked.branch),
            "Max-Forwards: 70",
            *[f"Route: {route}" for route in origin.all("Route")],
            origin.line("From"),
            origin.line("To"),
            origin.line("Call-ID"),
            f"CSeq: {asked.sequence} CANCEL",
            "Content-Length: 0",
            "",
            "",
        ]
        self.send("\r\n".join(lines))

    def is_cancelled(self, invite: Seen) -> Seen:
        """Take the CANCEL of this INVITE, answer both, and take the ACK; returns the CANCEL."""
        cancel = self.expect("CANCEL", where=lambda seen: seen.first("Call-ID") == invite.first("Call-ID"))
        assert cancel.all("Via") == invite.all("Via")[:1], (invite.lines, cancel.lines)
        assert (cancel.uri, cancel.first("From")) == (invite.uri, invite.first("From"))
        assert cancel.all("Route") == invite.all("Route")
        self.answer(cancel, 200, "OK", contact=False)
        self.refuse(invite, 487, "Request Terminated")
        return cancel

    def refuse(self, invite: Seen, status: int, phrase: str, headers: Sequence[str] = ()) -> None:
        """Refuse, and take the ACK, which belongs to the INVITE's transaction (RFC 3261 section 17.1.1.3)."""
        sent = self.answer(invite, status, phrase, headers)
        ack = self.expect("ACK", where=lambda seen: seen.first("Call-ID") == invite.first("Call-ID"))
        assert ack.all("Via") == invite.all("Via")[:1], (invite.lines, ack.lines)
        assert (ack.uri, ack.first("To")) == (invite.uri, sent.first("To"))
        assert ack.all("Route") == invite.all("Route")

    def refused(self, asked: Asked, status: int) -> Seen:
        """Take this refusal and acknowledge it."""
        answer = self.final(asked)
        assert answer.status == status, answer.lines
        self.acknowledge_failure(asked, answer)
        return answer


def talk(one: SipClient, own: Dialog, other: SipClient) -> None:
    """UPDATE and re-INVITE from one side of a call that is up; 2xx, ACK and Request-URI as they must be."""
    update = one.in_dialog("UPDATE", own)
    other.reply(other.expect("UPDATE"), 200)
    assert one.final(update).status == 200
    reinvite = one.in_dialog("INVITE", own, SDP)
    arrived = other.expect("INVITE")
    other.reply(arrived, 200, body=SDP)
    assert one.final(reinvite).status == 200
    one.acknowledge(own)
    assert other.expect("ACK").uri == arrived.uri
    assert arrived.first("Call-ID") == own.call_id


def hang_up(one: SipClient, own: Dialog, other: SipClient) -> None:
    """BYE from one side."""
    bye = one.in_dialog("BYE", own)
    arrived = other.expect("BYE")
    assert arrived.first("Call-ID") == own.call_id
    other.reply(arrived, 200)
    assert one.final(bye).status == 200


def flow_client(user: str, server: Address, broken: bool, transport: str = "udp", page: int = 0) -> FlowClient:
    """A client on an address of its own, as `clients.new_client`; `page` numbers the browsers of one user."""
    client = FlowClient(Identity(user, DOMAIN, f"{user}pw"), fresh_address(), server, transport)
    host, port = client.address
    if page:
        client.who.register_contact = (
            f'<sip:x{page}r7f3@page{page}.invalid;transport=ws>;+sip.instance="<urn:uuid:{page}>"'
        )
        client.who.via = f"page{page}.invalid"
    elif broken:
        client.who.register_contact = f"<sip:{user}-x7f3@{PRIVATE_CONTACT}>"
        client.who.via = f"{PRIVATE_VIA}:{port}"
    else:
        client.who.contact = f"<sip:{user}@{host}:{port};transport={transport}>"
        client.who.via_parameters = ";rport"
    return client
