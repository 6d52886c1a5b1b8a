"""Which transaction a message belongs to (RFC 3261 sections 17.1.3 and 17.2.3, with the RFC 2543 rule).

The key of a server transaction is wider than the RFC's: two gadgets behind NAT may both send
`Via: 192.168.1.5:5060;branch=z9hG4bK1`, so Call-ID, CSeq number and our side count too.
"""

from __future__ import annotations

from typing import Final

from proxy.sip.message import Request
from proxy.sip.registry import ACK, CANCEL, INVITE, VIA

COOKIE: Final = b"z9hG4bK"

ServerKey = tuple[bytes, bytes, bytes, bytes, int, int]


def server_key(request: Request, side: int) -> ServerKey:
    """The key under which a request finds its server transaction; an ACK finds the INVITE's.

    Raises HeaderError where Via, CSeq, From or Call-ID cannot be read.
    """
    via = request.via
    branch = via.branch
    if branch is not None and len(branch) > 7 and branch.startswith(COOKIE):
        return branch_key(request, branch, via.sent_by, side)
    method = request.method
    if method == ACK:
        method = INVITE
    # RFC 2543: top Via, Request-URI and From tag stand in for the branch. The To tag is compared for ACK by the layer.
    via_value = request.value(VIA) or b""
    mark = b"%b\n%b\n%b" % (via_value, request.uri, request.from_.tag or b"")
    return (mark, b"", method, request.call_id, request.cseq[0], side)


def branch_key(request: Request, branch: bytes, sent_by: bytes, side: int) -> ServerKey:
    """The same where the branch (unique, with its cookie) and sent-by of the top Via are known."""
    method = request.method
    return (branch, sent_by, INVITE if method == ACK else method, request.call_id, request.cseq[0], side)


def invite_key(key: ServerKey) -> ServerKey:
    """The key of the INVITE that a CANCEL with this key is about (9.2)."""
    return (key[0], key[1], INVITE, key[3], key[4], key[5])


def reused_key(key: ServerKey) -> ServerKey:
    """The key of a request with credentials that has the branch of the one without (section 8.1.1.7 forbids it)."""
    return (key[0], key[1], key[2] + b"\n", key[3], key[4], key[5])


def client_key(branch: bytes, method: bytes) -> bytes:
    """The key of a client transaction: our branches are unique, and a CANCEL shares its INVITE's (9.1)."""
    return branch + b"~" if method == CANCEL else branch
