"""A scripted SIP client over plain sockets: as broken as the test wants it, and the far end of calls.

It does nothing by itself: every message leaves because the test says so. It keeps what it got octet for
octet, absorbs retransmissions (equal octets) and never retransmits: loopback loses nothing.
"""

from __future__ import annotations

import itertools
import os
import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from sip_wire import Seen, addr_spec, credentials
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.typing import Origin
from websockets.uri import parse_uri

Address = tuple[str, int]
PATIENCE = 5.0
SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.168.77.7\r\ns=-\r\nc=IN IP4 192.168.77.7\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


class NothingCameError(AssertionError):
    """The client waited for a message that did not arrive."""


@dataclass
class Dialog:
    """One side of a dialog: what RFC 3261 section 12 lets this side put into its next request."""

    call_id: str
    local: str
    remote: str
    target: str
    routes: list[str]
    sequence: int = 1


@dataclass
class Identity:
    """Who the client claims to be and how it writes its own address.

    `contact` is the whole header value, None for a client that sends none outside REGISTER, where it
    writes `register_contact`. `via` is the sent-by it writes; None means its true address.
    """

    user: str
    domain: str
    password: str = ""
    contact: str | None = None
    register_contact: str | None = None
    via: str | None = None
    via_parameters: str = ""
    headers: Sequence[str] = ()


@dataclass
class Asked:
    """A request that was sent: what is needed to match its responses and to acknowledge it."""

    method: str
    uri: str
    octets: bytes
    call_id: str
    sequence: int
    branch: str
    headers: list[str] = field(default_factory=list)


class SipClient:
    """A client on one socket that sends everything to `server` unless told otherwise."""

    def __init__(
        self,
        who: Identity,
        local: str,
        server: Address,
        transport: str = "udp",
        port: int = 0,
        ca: Path | None = None,
    ) -> None:
        """`transport` is udp, tcp, tls, ws or wss; inside TLS the server is held against the CA in the file `ca`."""
        self.who = who
        self.server = server
        self.transport = transport
        self.received: list[Seen] = []
        self.sent: list[bytes] = []
        self.repeated = 0
        self._unread: list[Seen] = []
        self._buffer = b""
        self._counter = itertools.count(1)
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self.socket = socket.socket(socket.AF_INET6 if ":" in local else socket.AF_INET, kind)
        self.socket.bind((local, port))
        self._websocket: ClientProtocol | None = None
        if transport != "udp":
            self.socket.settimeout(PATIENCE)
            self.socket.connect(server)
        if transport in ("tls", "wss"):
            context = ssl.create_default_context(cafile=ca)
            self.socket = context.wrap_socket(self.socket, server_hostname=server[0])
        if transport in ("ws", "wss"):
            self._open_websocket()
        self.address: Address = self.socket.getsockname()[:2]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def _open_websocket(self) -> None:
        """Shake hands (RFC 7118 section 4.1)."""
        uri = parse_uri(f"{self.transport}://{self.server[0]}:{self.server[1]}/sip")
        websocket = self._websocket = ClientProtocol(uri, origin=Origin("https://phone.test"), subprotocols=["sip"])
        websocket.send_request(websocket.connect())
        self._push()
        while not (answered := websocket.events_received()):
            websocket.receive_data(self.socket.recv(65535))
        assert answered[0].status_code == 101, answered[0]
        assert websocket.subprotocol == "sip"

    def _push(self) -> None:
        """Send what the WebSocket has to say."""
        if self._websocket is not None:
            self.socket.sendall(b"".join(self._websocket.data_to_send()))

    def send(self, octets: bytes | str, to: Address | None = None) -> None:
        """Put the octets on the wire as they are; over WebSocket without Content-Length, as browsers do."""
        octets = octets.encode("utf-8", "surrogateescape") if isinstance(octets, str) else octets
        self.sent.append(octets)
        if self.transport == "udp":
            self.socket.sendto(octets, to or self.server)
        elif self._websocket is not None:
            self._websocket.send_text(re.sub(rb"\r\nContent-Length: \d+", b"", octets))
            self._push()
        else:
            self.socket.sendall(octets)

    def expect(self, wanted: str | int, patience: float = PATIENCE, where: Callable[[Seen], bool] = bool) -> Seen:
        """The next message that is this request (a method) or this response (a status code).

        `100` is passed over unless asked for; other messages stay for later calls. Raises NothingCameError.
        """
        deadline = time.monotonic() + patience
        while True:
            for index, seen in enumerate(self._unread):
                if wanted == (seen.status or seen.method) and where(seen):
                    return self._unread.pop(index)
            if not self._wait(deadline - time.monotonic()):
                got = ", ".join(seen.start for seen in self._unread) or "nothing"
                raise NothingCameError(f"{self.who.user} waited {patience} s for {wanted}, got {got}")

    def final(self, asked: Asked, patience: float = PATIENCE) -> Seen:
        """The final response to this request."""
        deadline = time.monotonic() + patience
        while True:
            for index, seen in enumerate(self._unread):
                if seen.status >= 200 and answers(seen, asked):
                    return self._unread.pop(index)
            if not self._wait(deadline - time.monotonic()):
                raise NothingCameError(f"{self.who.user} got no final response to {asked.method} {asked.uri}")

    def silence(self, seconds: float = 1.0) -> list[Seen]:
        """Everything still unread once `seconds` have passed; an empty list means that nothing came."""
        self.listen(seconds)
        unread, self._unread = self._unread, []
        return unread

    def listen(self, seconds: float) -> None:
        """Take what comes within these seconds, and answer WebSocket pings; messages stay for later calls."""
        deadline = time.monotonic() + seconds
        while self._wait(deadline - time.monotonic()):
            pass

    def _wait(self, seconds: float) -> bool:
        """Read once; False when nothing arrived within the seconds."""
        waiting = self.socket.pending() if isinstance(self.socket, ssl.SSLSocket) else 0
        if seconds <= 0 or not (waiting or select.select([self.socket], [], [], seconds)[0]):
            return False
        if self.transport == "udp":
            octets, source = self.socket.recvfrom(65535)
            self._take(octets, host_port(source[:2]))
            return True
        octets = self.socket.recv(65535)
        if not octets:
            return False
        if self._websocket is None:
            self._buffer += octets
            self._cut()
            return True
        self._websocket.receive_data(octets)
        for frame in self._websocket.events_received():
            if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
                self._take(bytes(frame.data), f"{self.server[0]}:{self.server[1]}")
        self._push()  # pongs
        return True

    def _cut(self) -> None:
        """Cut the stream into messages by Content-Length."""
        self._buffer = self._buffer.lstrip(b"\r\n")
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            length = int(Seen(head).first("Content-Length") or 0)
            if len(rest) < length:
                return
            self._buffer = rest[length:].lstrip(b"\r\n")
            self._take(head + b"\r\n\r\n" + rest[:length], f"{self.server[0]}:{self.server[1]}")

    def _take(self, octets: bytes, source: str) -> None:
        if not octets.strip(b"\r\n\0"):
            return
        if any(seen.raw == octets for seen in self.received):
            self.repeated += 1
            return
        seen = Seen(octets, source)
        self.received.append(seen)
        self._unread.append(seen)

    def via(self, branch: str) -> str:
        """The Via line this client writes."""
        sent_by = self.who.via or host_port(self.address)
        return f"Via: SIP/2.0/{self.transport.upper()} {sent_by};branch={branch}{self.who.via_parameters}"

    def write(self, method: str, uri: str, headers: Sequence[str], sequence: int, call_id: str, body: str) -> Asked:
        """Write and send one request with these headers after the Via."""
        branch = f"z9hG4bK{os.urandom(6).hex()}"
        kind = ["Content-Type: application/sdp"] if body else []
        lines = [
            f"{method} {uri} SIP/2.0",
            self.via(branch),
            "Max-Forwards: 70",
            *headers,
            f"Call-ID: {call_id}",
            f"CSeq: {sequence} {method}",
            *self.who.headers,
            *kind,
            f"Content-Length: {len(body)}",
            "",
            body,
        ]
        octets = "\r\n".join(lines).encode()
        self.send(octets)
        return Asked(method, uri, octets, call_id, sequence, branch, list(headers))

    def ask(
        self,
        method: str,
        uri: str,
        headers: Sequence[str] = (),
        body: str = "",
        dialog: Dialog | None = None,
        acknowledge: bool = True,
    ) -> tuple[Asked, Seen]:
        """Send a request, answer one challenge; returns the request that was decided and its final response.

        An INVITE's failure is acknowledged; its success is the caller's to acknowledge.
        """
        asked = self.start(method, uri, headers, body, dialog)
        answer = self.final(asked)
        if answer.status in (401, 407) and self.who.password:
            if method == "INVITE":
                self.acknowledge_failure(asked, answer)
            asked = self.again(asked, answer, body)
            answer = self.final(asked)
        if method == "INVITE" and answer.status >= 300 and acknowledge:
            self.acknowledge_failure(asked, answer)
        return asked, answer

    def start(
        self, method: str, uri: str, headers: Sequence[str] = (), body: str = "", dialog: Dialog | None = None
    ) -> Asked:
        """Send a request without waiting for anything; `dialog` makes it an in-dialog request."""
        if dialog:
            dialog.sequence += 1
            lines = [f"Route: {route}" for route in dialog.routes]
            lines += [f"From: {dialog.local}", f"To: {dialog.remote}", *headers]
            return self.write(method, uri or dialog.target, lines, dialog.sequence, dialog.call_id, body)
        own = f"<sip:{self.who.user}@{self.who.domain}>"
        lines = [f"From: {own};tag=t{os.urandom(5).hex()}"]
        lines += [f"To: {own}" if method == "REGISTER" else f"To: <{uri}>", *headers]
        return self.write(method, uri, lines, next(self._counter) * 10, f"{os.urandom(8).hex()}@client", body)

    def again(self, asked: Asked, challenge: Seen, body: str = "") -> Asked:
        """Send the request again with credentials for the challenge (RFC 3261 section 22.2)."""
        kind, answer = ("WWW-Authenticate", "Authorization")
        if challenge.status == 407:
            kind, answer = ("Proxy-Authenticate", "Proxy-Authorization")
        proof = credentials(challenge.first(kind), self.who.user, self.who.password, asked.method, asked.uri)
        headers = [*asked.headers, f"{answer}: {proof}"]
        return self.write(asked.method, asked.uri, headers, asked.sequence + 1, asked.call_id, body)

    def acknowledge_failure(self, asked: Asked, answer: Seen) -> None:
        """The ACK of the INVITE transaction itself (RFC 3261 section 17.1.1.3)."""
        origin = Seen(asked.octets)
        lines = [
            f"ACK {asked.uri} SIP/2.0",
            self.via(asked.branch),
            "Max-Forwards: 70",
            *[f"Route: {route}" for route in origin.all("Route")],
            origin.line("From"),
            f"To: {answer.first('To')}",
            f"Call-ID: {asked.call_id}",
            f"CSeq: {asked.sequence} ACK",
            "Content-Length: 0",
            "",
            "",
        ]
        self.send("\r\n".join(lines))

    def contact_lines(self) -> list[str]:
        """The Contact line of requests and responses that carry one, none if the client leaves it out."""
        return [f"Contact: {self.who.contact}"] if self.who.contact else []

    def register(self, expires: int = 600, headers: Sequence[str] = ()) -> Seen:
        """Register with digest; returns the final response."""
        lines = [f"Contact: {self.who.register_contact or self.who.contact}", f"Expires: {expires}", *headers]
        return self.ask("REGISTER", f"sip:{self.who.domain}", lines)[1]

    def invite(self, uri: str, headers: Sequence[str] = ()) -> Asked:
        """Send INVITE, answer the challenge if there is one, and return the request that is now under way."""
        lines = [*self.contact_lines(), *headers]
        asked = self.start("INVITE", uri, lines, SDP)
        if not self.who.password:
            return asked
        challenge = self.final(asked)
        self.acknowledge_failure(asked, challenge)
        if challenge.status not in (401, 407):
            raise AssertionError(f"INVITE {uri} was answered {challenge.start}")
        return self.again(asked, challenge, SDP)

    def established(self, asked: Asked, answer: Seen) -> Dialog:
        """The caller's dialog from the 2xx; sends the ACK."""
        dialog = Dialog(
            asked.call_id,
            Seen(asked.octets).first("From"),
            answer.first("To"),
            answer.contact,
            answer.all("Record-Route")[::-1],
            asked.sequence,
        )
        self.acknowledge(dialog)
        return dialog

    def acknowledge(self, dialog: Dialog) -> None:
        """The ACK of a 2xx: a request of its own (RFC 3261 section 13.2.2.4)."""
        dialog.sequence -= 1
        self.start("ACK", dialog.target, dialog=dialog)

    def reply(self, request: Seen, status: int, phrase: str = "OK", contact: bool = True, body: str = "") -> bytes:
        """Answer a request where it came from; the dialog's To tag is added where it is missing."""
        to = request.first("To")
        tag = "" if ";tag=" in to or status == 100 else f";tag={request.first('Call-ID')[:8]}{self.who.user}"
        lines = [f"SIP/2.0 {status} {phrase}", *[f"Via: {via}" for via in request.all("Via")]]
        lines += [f"Record-Route: {route}" for route in request.all("Record-Route")]
        lines += [request.line("From"), f"To: {to}{tag}", request.line("Call-ID"), request.line("CSeq")]
        lines += self.contact_lines() if contact and status > 100 else []
        lines += ["Content-Type: application/sdp"] if body else []
        octets = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode()
        host, _, port = request.source.rpartition(":")
        self.send(octets, (host.strip("[]"), int(port)))
        return octets

    def accept(self, invite: Seen) -> Dialog:
        """Answer 180 and 200; returns the called side's dialog. The ACK is the caller's to expect."""
        self.reply(invite, 180, "Ringing")
        answer = Seen(self.reply(invite, 200, body=SDP))
        return Dialog(
            invite.first("Call-ID"),
            answer.first("To"),
            invite.first("From"),
            invite.contact,
            invite.all("Record-Route"),
            100,
        )

    def in_dialog(self, method: str, dialog: Dialog, body: str = "", contact: bool = True) -> Asked:
        """Send a request inside the dialog."""
        carries = contact and method in ("INVITE", "UPDATE")
        return self.start(method, "", self.contact_lines() if carries else [], body, dialog)


def host_port(address: Address) -> str:
    """As it stands in a Via or a URI: an IPv6 address has brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def answers(seen: Seen, asked: Asked) -> bool:
    """Whether this response belongs to this request."""
    return seen.first("Call-ID") == asked.call_id and seen.first("CSeq") == f"{asked.sequence} {asked.method}"


__all__ = [
    "SDP",
    "Address",
    "Asked",
    "Dialog",
    "Identity",
    "NothingCameError",
    "Seen",
    "SipClient",
    "addr_spec",
]
