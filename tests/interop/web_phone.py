"""A scripted client whose SDP a browser takes: it signals calls with pages; media is not its business."""

from __future__ import annotations

import re
from pathlib import Path

from flow_client import FlowClient
from kamailio_peer import DOMAIN
from peer_process import fresh_address
from sip_client import Address, Asked, Dialog, Identity, Seen, host_port

FINGERPRINT = ":".join(["A5"] * 32)
OFFER = (
    "v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {mid}\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF {payload}\r\nc=IN IP4 0.0.0.0\r\na=rtcp-mux\r\na=mid:{mid}\r\na={direction}\r\n"
    "a=ice-ufrag:tests\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 {fingerprint}\r\n"
    "a=setup:{setup}\r\na=rtpmap:{payload} opus/48000/2\r\n"
)
TURNED = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


def offer(version: int = 1) -> str:
    """An offer of audio."""
    return _sdp("0", "111", "sendrecv", "actpass", version)


def answer_to(offered: bytes, version: int = 1) -> str:
    """The answer to a browser's offer of audio."""
    text = offered.decode()
    mid = re.search(r"a=mid:(\S+)", text)
    payload = re.search(r"a=rtpmap:(\d+) opus", text)
    direction = re.search(r"^a=(sendonly|recvonly|inactive)\r?$", text, re.MULTILINE)
    assert mid, text
    assert payload, text
    turned = TURNED[direction[1]] if direction else "sendrecv"
    return _sdp(mid[1], payload[1], turned, "active", version)


def _sdp(mid: str, payload: str, direction: str, setup: str, version: int) -> str:
    return OFFER.format(
        mid=mid, payload=payload, direction=direction, setup=setup, version=version, fingerprint=FINGERPRINT
    )


class WebPhone(FlowClient):
    """A `FlowClient` that offers and answers what WebRTC needs."""

    def call(self, user: str) -> Asked:
        """Send INVITE, with credentials after the challenge."""
        uri = f"sip:{user}@{DOMAIN}"
        asked = self.start("INVITE", uri, self.contact_lines(), offer())
        challenge = self.final(asked)
        self.acknowledge_failure(asked, challenge)
        assert challenge.status == 407, challenge.lines
        return self.again(asked, challenge, offer())

    def pick_up(self, invite: Seen) -> Dialog:
        """Answer 200 to the page's offer; returns this side's dialog."""
        answer = self.answer(invite, 200, "OK", body=answer_to(invite.body))
        routes = invite.all("Record-Route")
        return Dialog(invite.first("Call-ID"), answer.first("To"), invite.first("From"), invite.contact, routes, 100)

    def is_reinvited(self, direction: str, version: int) -> None:
        """Take a re-INVITE whose offer has this direction, answer it, and take the ACK."""
        invite = self.expect("INVITE", 10)
        assert f"a={direction}".encode() in invite.body, invite.body
        self.answer(invite, 200, "OK", body=answer_to(invite.body, version))
        self.expect("ACK", 10)

    def hangs_up(self, own: Dialog) -> None:
        """BYE, and its 200."""
        assert self.final(self.in_dialog("BYE", own), 10).status == 200

    def is_hung_up(self) -> Seen:
        """Take the BYE and answer it."""
        bye = self.expect("BYE", 10)
        self.answer(bye, 200, "OK", contact=False)
        return bye


def web_phone(user: str, server: Address, transport: str = "udp", ca: Path | None = None) -> WebPhone:
    """A phone with a true Contact on an address of its own; over TLS it trusts the CA in the file `ca`."""
    phone = WebPhone(Identity(user, DOMAIN, f"{user}pw"), fresh_address(), server, transport, ca=ca)
    phone.who.contact = f"<sip:{user}@{host_port(phone.address)};transport={transport}>"
    phone.who.via_parameters = ";rport"
    return phone
