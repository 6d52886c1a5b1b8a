"""OPTIONS of our own (RFC 3261 section 11): the question whether somebody is there, to targets and to clients."""

from __future__ import annotations

from proxy.core.node import Node
from proxy.effects import Effect
from proxy.flow import Flow
from proxy.sip.message import Request
from proxy.sip.registry import CALL_ID, CONTENT_LENGTH, CSEQ, FROM, MAX_FORWARDS, OPTIONS, START, TO, VIA
from proxy.transaction.layer import ClientTransaction
from proxy.transaction.machine import ClientUser

_NAMES = [START, VIA, MAX_FORWARDS, FROM, TO, CALL_ID, CSEQ, CONTENT_LENGTH]


def send_options(
    node: Node, uri: bytes, sender: bytes, flow: Flow, user: ClientUser, out: list[Effect]
) -> ClientTransaction:
    """Ask who is behind the flow by that URI, as a new request from `sender` (a URI); `user` hears what comes of it."""
    branch = node.mint.branch(b"")
    token = node.mint.branch(b"")[len(b"z9hG4bK") :]
    lines = [
        b"OPTIONS %b SIP/2.0" % uri,
        flow.listener.via + branch,
        b"Max-Forwards: 70",
        b"From: <%b>;tag=%b" % (sender, token),
        b"To: <%b>" % uri,
        b"Call-ID: %b" % token,
        b"CSeq: 1 OPTIONS",
        b"Content-Length: 0",
    ]
    request = Request(lines, _NAMES[:], b"", None, OPTIONS, uri)
    return node.layer.open_client(request, branch, flow, user, out)
