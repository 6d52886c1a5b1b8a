"""What cannot be taken as a message: above a limit, malformed, or no SIP at all. Answered where possible, counted."""

from __future__ import annotations

from proxy.core.node import Node
from proxy.core.oversize import read_first_lines
from proxy.core.refusal import refuse
from proxy.effects import CloseFlow, Effect
from proxy.events import FramingFailed
from proxy.flow import CLIENT, SERVER, Flow
from proxy.sip.errors import SipError
from proxy.sip.message import Request
from proxy.sip.parser import parse_message
from proxy.sip.registry import VIA

_TOO_LARGE = 513


class Unreadable:
    """Says what is wrong to those who can be told."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    def message(self, octets: bytes, flow: Flow, error: SipError, out: list[Effect]) -> None:
        """One message that could not be parsed: only what is too large says whom to answer (21.5.7)."""
        node = self._node
        request = read_first_lines(octets, node.settings) if error.status == _TOO_LARGE else None
        if request is None or (flow.listener.side == SERVER and not node.targets.is_server(flow.remote_host)):
            node.counts.dropped[error.label] += 1
        else:
            refuse(request, flow, error, node, out)

    def stream(self, event: FramingFailed, out: list[Effect]) -> None:
        """A stream that cannot be cut any further: nobody knows where the next message would begin (18.3)."""
        error = SipError(event.explanation, event.status, event.reason)
        request = None if event.status == _TOO_LARGE else self._parsed(event.octets)
        if request is None:
            self.message(event.octets, event.flow, error, out)
        else:
            refuse(request, event.flow, error, self._node, out)
        out.append(CloseFlow(event.flow, event.reason))

    def mend_via(self, request: Request, flow: Flow, out: list[Effect]) -> bytes | None:
        """Let the rules mend a Via that is missing or unreadable; returns the client's own line, or b""."""
        if flow.listener.side != CLIENT:
            return None
        index = request.index(VIA)
        before = request.lines[index] if index > 0 else b""
        self._node.via_repairs.request_in(request, flow, None, True, None, out)
        index = request.index(VIA)
        return before if index > 0 and request.lines[index] != before else None

    def _parsed(self, octets: bytes) -> Request | None:
        try:
            message = parse_message(octets, self._node.settings.max_header_lines)
        except SipError:
            return None
        return message if isinstance(message, Request) else None
