"""Somebody who talks SIP to the core in a ladder: writes requests, responses, ACKs and CANCELs as a user agent would.

Every method returns a step; nothing happens before the ladder is played.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.flow import URI_TRANSPORTS, VIA_TRANSPORTS, Flow
from tests.support import steps
from tests.support.sip_text import (
    REASONS,
    SipText,
    addr_spec,
    compose,
    header_name,
    split_list,
    tag_of,
)

if TYPE_CHECKING:
    from tests.support.world import World

WITH_CONTACT = {"REGISTER", "INVITE", "SUBSCRIBE", "REFER", "NOTIFY", "UPDATE"}
DIALOG_FORMING = {"INVITE", "SUBSCRIBE", "REFER", "NOTIFY"}
Header = str | int | list[str] | tuple[str, ...] | None


class Dialog:
    """What RFC 3261 section 12 makes a user agent remember."""

    def __init__(self, call_id: str, local: str, remote: str, target: str, routes: list[str], number: int) -> None:
        self.call_id = call_id
        self.local = local
        self.remote = remote
        self.target = target
        self.routes = routes
        self.number = number
        self.invite_number = number


class Party:
    """One user agent (or server) at one flow at a time."""

    def __init__(
        self, world: World, name: str, flow: Flow, user: str | None = None, contact: str = "", via: str = ""
    ) -> None:
        self.world = world
        self.name = name
        self.flow = flow
        self.flows = [flow]
        self.listening = True
        self.user = name if user is None else user
        host = f"[{flow.remote_host}]" if ":" in flow.remote_host else flow.remote_host
        transport = URI_TRANSPORTS[flow.listener.transport].decode()
        self.contact = contact or f"<sip:{self.user}@{host}:{flow.remote_port};transport={transport}>"
        self.via = via or f"SIP/2.0/{VIA_TRANSPORTS[flow.listener.transport].decode()} {host}:{flow.remote_port}"
        self.aor = f"<sip:{self.user}@example.com>"
        self.sent: list[SipText] = []
        self.received: list[SipText] = []
        self.dialog: Dialog | None = None

    def __repr__(self) -> str:
        return self.name

    # -- steps

    def sends(self, what: str | int, lines: tuple[str, ...] = (), body: bytes = b"", **headers: Header) -> steps.Step:
        """Send `METHOD URI`, or a status as answer to the last request received (of the method `answers`).

        Headers are keyword arguments: None leaves one out, a list makes several lines. `lines` are raw header lines
        behind the start line, `flow` another flow than the present one.
        """
        return steps.Sends(self, lambda: self._message(what, lines, body, headers), str(what))

    def sends_octets(self, octets: bytes | str) -> steps.Step:
        """Send that, with LF as CRLF in a text and placeholders filled."""
        return steps.Sends(self, lambda: self._octets(octets), "octets")

    def continues(self, what: str, **headers: Any) -> steps.Step:
        """Send a request within the dialog, by its remote target and route set."""
        return steps.Sends(self, lambda: self._within(what, headers), f"{what} in the dialog")

    def acks(self, **headers: Header) -> steps.Step:
        """ACK the last final response that was not a 2xx (17.1.1.3)."""
        return steps.Sends(self, lambda: self._ack(headers), "ACK")

    def cancels(self, **headers: Header) -> steps.Step:
        """CANCEL the last INVITE sent (9.1)."""
        return steps.Sends(self, lambda: self._of_invite("CANCEL", headers), "CANCEL")

    def repeats(self, method: str = "") -> steps.Step:
        """Send the last message (of that method) once more."""
        return steps.Sends(self, lambda: self._last_sent(method).octets, f"{method or 'the last message'} again")

    def forwards(self, method: str, **headers: Header) -> steps.Step:
        """Pass on the last request of that method as a proxying server does: own Via, one hop less."""
        return steps.Sends(self, lambda: self._forward(method, headers), f"{method} as a proxy")

    def gets(self, what: str | int, again: bool = False, at: float | None = None, **headers: Header) -> steps.Step:
        """Expect `METHOD [URI]`, or a status (and phrase). Headers that differ from what was sent have to be named.

        `again`: octet for octet what this party got before; `at`: seconds since the ladder began.
        """
        return steps.Gets(self, what, again, at, headers)

    def closes(self, reason: str = "closed by the far end") -> steps.Step:
        """The connection ends."""
        return steps.Closes(self, reason)

    def fails(self, reason: str = "connection refused") -> steps.Step:
        """A datagram for this party could not be sent."""
        return steps.Fails(self, reason)

    def connects(self, address: str) -> steps.Step:
        """A new connection (or, by UDP, another address); what is sent from now on goes by it."""
        return steps.Connects(self, address)

    def is_connected(self) -> steps.Step:
        """Expect that the core opens a connection to this party."""
        return steps.Opened(self)

    def is_pinged(self, at: float) -> steps.Step:
        """Expect two CRLFs at that time."""
        return steps.Pinged(self, at)

    def is_closed(self, reason: str = "{*}") -> steps.Step:
        """Expect that the core closes this party's connection."""
        return steps.Closed(self, reason)

    # -- messages

    def _message(self, what: str | int, lines: tuple[str, ...], body: bytes, headers: dict[str, Any]) -> bytes:
        lines = tuple(self.world.names.fill(line) for line in lines)
        if isinstance(what, int) or what[:3].isdigit():
            return self._response(str(what), lines, body, headers)
        method, _, uri = self.world.names.fill(what).partition(" ")
        number = self.world.calls = self.world.calls + 1
        usual: dict[str, Any] = {
            "via": f"{self.via};branch=z9hG4bK-{self.name}-{number}",
            "max-forwards": 70,
            "from": f"{self.aor};tag={self.name}-{number}",
            "to": self.aor if method == "REGISTER" else f"<{uri}>",
            "call-id": f"{self.name}-{number}",
            "cseq": 1,
            "contact": self.contact if method in WITH_CONTACT else None,
        }
        return self._compose(f"{method} {uri} SIP/2.0", usual, lines, body, headers, method)

    def _compose(
        self,
        start: str,
        usual: dict[str, Any],
        lines: tuple[str, ...],
        body: bytes,
        headers: dict[str, Any],
        method: str,
    ) -> bytes:
        fill = self.world.names.fill
        for keyword, value in headers.items():
            if isinstance(value, list | tuple):
                usual[header_name(keyword)] = [fill(one) for one in value]
            else:
                usual[header_name(keyword)] = fill(value) if isinstance(value, str) else value
        if isinstance(usual.get("cseq"), int):
            usual["cseq"] = f"{usual['cseq']} {method}"
        usual.setdefault("content-length", len(body))
        return compose(start, usual, lines, body)

    def _response(self, what: str, lines: tuple[str, ...], body: bytes, headers: dict[str, Any]) -> bytes:
        request = self._request(str(headers.pop("answers", "")))
        status = int(what[:3])
        phrase = what[4:] or REASONS[status]
        to = request.value("to")
        if status > 100 and not tag_of(to):
            to += f";tag={self.name}-tag"
        dialog = request.method in DIALOG_FORMING and 100 < status < 300
        target = request.method in ("INVITE", "SUBSCRIBE", "UPDATE") and 100 < status < 300
        usual: dict[str, Any] = {
            "via": request.values("via"),
            "record-route": request.values("record-route") if dialog else None,
            "from": request.value("from"),
            "to": to,
            "call-id": request.call_id,
            "cseq": request.value("cseq"),
            "contact": self.contact if target else None,
        }
        return self._compose(f"SIP/2.0 {status} {phrase}", usual, lines, body, headers, request.method)

    def _request(self, method: str) -> SipText:
        for text in reversed(self.received):
            if not text.is_response and text.method in ({method} if method else {text.method} - {"ACK"}):
                return text
        raise AssertionError(f"{self.name} got no {method or 'request'} to answer")

    def _last_sent(self, method: str) -> SipText:
        for text in reversed(self.sent):
            if not method or text.method == method:
                return text
        raise AssertionError(f"{self.name} sent no {method or 'message'}")

    def _octets(self, octets: bytes | str) -> bytes:
        if isinstance(octets, bytes):
            return octets
        return self.world.names.fill(octets).replace("\n", "\r\n").encode("utf-8", "surrogateescape")

    def _within(self, what: str, headers: dict[str, Any]) -> bytes:
        method, _, uri = self.world.names.fill(what).partition(" ")
        dialog = self.dialog
        assert dialog is not None, f"{self.name} is in no dialog"
        number = self.world.calls = self.world.calls + 1
        if method == "ACK":
            sequence = dialog.invite_number
        else:
            sequence = dialog.number = dialog.number + 1
            if method == "INVITE":
                dialog.invite_number = sequence
        usual: dict[str, Any] = {
            "via": f"{self.via};branch=z9hG4bK-{self.name}-{number}",
            "max-forwards": 70,
            "route": dialog.routes or None,
            "from": dialog.local,
            "to": dialog.remote,
            "call-id": dialog.call_id,
            "cseq": sequence,
            "contact": self.contact if method in WITH_CONTACT else None,
        }
        lines, body = headers.pop("lines", ()), headers.pop("body", b"")
        return self._compose(f"{method} {uri or dialog.target} SIP/2.0", usual, lines, body, headers, method)

    def _ack(self, headers: dict[str, Any]) -> bytes:
        invite = self._last_sent("INVITE")
        final = [text for text in self.received if text.key() == invite.key() and text.status >= 300]
        assert final, f"{self.name} got no final response to acknowledge"
        return self._of_invite("ACK", {"to": final[-1].value("to"), **headers})

    def _of_invite(self, method: str, headers: dict[str, Any]) -> bytes:
        invite = self._last_sent("INVITE")
        usual: dict[str, Any] = {
            "via": invite.value("via"),
            "max-forwards": 70,
            "route": invite.values("route") or None,
            "from": invite.value("from"),
            "to": invite.value("to"),
            "call-id": invite.call_id,
            "cseq": invite.number,
        }
        headers = dict(headers)
        uri = str(headers.pop("uri", invite.uri))
        return self._compose(f"{method} {uri} SIP/2.0", usual, (), b"", headers, method)

    def _forward(self, method: str, headers: dict[str, Any]) -> bytes:
        request = self._request(method)
        number = self.world.calls = self.world.calls + 1
        fill = self.world.names.fill
        headers = {header_name(keyword): value for keyword, value in headers.items()}
        uri = fill(str(headers.pop("uri", request.uri)))
        lines = [f"Via: {self.via};branch=z9hG4bK-{self.name}-{number}"]
        if "record-route" in headers:
            lines.append(f"Record-Route: {fill(str(headers.pop('record-route')))}")
        for line, name in zip(request.lines, request.names, strict=True):
            if name == "max-forwards":
                lines.append(f"Max-Forwards: {int(request.value(name)) - 1}")
            elif name not in headers:
                lines.append(line)
        for name, value in headers.items():
            given = value if isinstance(value, list | tuple) else [] if value is None else [value]
            lines += [f"{name}: {fill(str(one))}" for one in given]
        return compose(f"{method} {uri} SIP/2.0", {}, tuple(lines), request.body)

    # -- what a user agent remembers

    def note_sent(self, text: SipText) -> None:
        self.sent.append(text)
        if text.is_response and text.method in DIALOG_FORMING and 100 < text.status < 300 and tag_of(text.value("to")):
            asked = [known for known in self.received if not known.is_response and known.key() == text.key()]
            if not asked:
                return  # a stray response: it makes no dialog
            request = asked[-1]
            routes = [route for value in request.values("record-route") for route in split_list(value)]
            self._enter(text, text.value("to"), text.value("from"), request, routes, 0)

    def note_received(self, text: SipText) -> None:
        self.received.append(text)
        if text.is_response and text.method in DIALOG_FORMING and 100 < text.status < 300 and tag_of(text.value("to")):
            routes = [route for value in text.values("record-route") for route in split_list(value)][::-1]
            self._enter(text, text.value("from"), text.value("to"), text, routes, text.number)

    def _enter(self, text: SipText, local: str, remote: str, naming: SipText, routes: list[str], number: int) -> None:
        known = self.dialog
        target = addr_spec(naming.value("contact"))
        if known is not None and known.call_id == text.call_id and tag_of(known.remote) == tag_of(remote):
            known.target = target or known.target
            return
        self.dialog = Dialog(text.call_id, local, remote, target, routes, number)
