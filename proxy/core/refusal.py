"""Requests that are answered and not forwarded. A refusal is given without state: a flood of them costs no memory.

The same request gets the same To tag again (RFC 3261 section 8.2.7), by which its ACK is known and absorbed.
"""

from __future__ import annotations

from typing import Final

from proxy.core.node import Node
from proxy.core.replies import clean_phrase, make_reply
from proxy.core.response_routing import reply_flow, stamp_via
from proxy.core.validation import ExtensionError
from proxy.effects import Effect, Send
from proxy.flow import Flow
from proxy.sip.errors import HeaderError, SipError
from proxy.sip.message import Message, Request
from proxy.sip.registry import ACK, CALL_ID, FROM, STATUS_LABELS, VIA
from proxy.transaction.key import ServerKey

RETRY_AFTER: Final = (b"Retry-After: 5",)


def refusal_tag(request: Request, node: Node) -> bytes:
    """The To tag of every answer that we ourselves give within one Call-ID and From tag."""
    try:
        said = request.call_id + b"\n" + (request.from_.tag or b"")
    except HeaderError:
        said = b"%b\n%b" % (request.value(CALL_ID) or b"", request.value(FROM) or b"")
    return node.mint.tag(said)


def refuse(
    request: Request, flow: Flow, error: SipError, node: Node, out: list[Effect], via_before: bytes | None = None
) -> None:
    """Answer with the error's status, with what is wrong as reason phrase; an ACK is dropped. Counted either way.

    `via_before` is the client's own Via line where a rule put another in its place; empty bytes if it had none.
    """
    node.counts.dropped[error.label] += 1
    if request.method == ACK:
        return
    headers: tuple[bytes, ...] = ()
    if isinstance(error, ExtensionError):
        headers = (b"Unsupported: " + error.unsupported,)
    elif error.status == 503:
        headers = RETRY_AFTER
    try:
        home = reply_flow(request, flow, node.flows, node.counts)
        stamp_via(request, flow)
        if via_before is not None:
            restore_via(request, via_before)
        tag = refusal_tag(request, node)
        octets = make_reply(request, error.status, tag, clean_phrase(error.text), headers)
    except SipError:
        return  # without a readable Via no answer would find its way; it is counted above
    node.counts.responses[(flow.listener.side, error.status)] += 1
    out.append(Send(home, octets, STATUS_LABELS[error.status // 100]))


def answer_ok(
    request: Request,
    key: ServerKey | None,
    flow: Flow,
    node: Node,
    out: list[Effect],
    headers: tuple[bytes, ...] = (),
) -> None:
    """Answer 200 ourselves, by a server transaction with this key; with None nothing is kept of it."""
    home = reply_flow(request, flow, node.flows, node.counts)
    stamp_via(request, flow)
    octets = make_reply(request, 200, refusal_tag(request, node), headers=headers)
    node.counts.responses[(flow.listener.side, 200)] += 1
    if key is None:
        out.append(Send(home, octets, STATUS_LABELS[2]))
    else:
        node.layer.answer(node.layer.open_server(request, key, home, out), 200, octets, out)


def restore_via(message: Message, own: bytes) -> None:
    """Give the client back the Via line that it wrote (empty: it wrote none) where ours stands in for it."""
    index = message.index(VIA)
    if index > 0:
        if own:
            message.replace(index, own)
        else:
            message.remove(index)
