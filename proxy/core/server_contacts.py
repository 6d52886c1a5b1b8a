"""Contacts of the server for which clients were shown others: their requests name the server's own again.

The rules `contact-private-server` and `contact-bad-param-chars` show them (`sip.stand_in`). What clients name is undone
whatever these rules are set to by now: a dialog may be older than that (RFC 3261 section 12.2.1.1).
"""

from __future__ import annotations

from typing import Final

from proxy.core.own_repairs import OwnRepairs
from proxy.effects import Effect
from proxy.flow import Flow
from proxy.repair.inherent import RESTORE_TARGET
from proxy.sip.address import parse_name_addr
from proxy.sip.errors import HeaderError
from proxy.sip.message import Request, line_value
from proxy.sip.registry import REFER_TO
from proxy.sip.stand_in import PARAM, lenient, stood_for

_MARK: Final = b";" + PARAM + b"="
_REASON: Final = "the client was shown a URI of ours for this one"


def restored(received: Request, flow: Flow, own: OwnRepairs, out: list[Effect]) -> Request:
    """A copy of the client's request that names the server's own Contacts, in Request-URI and Refer-To."""
    request = received.copy()
    if _MARK in request.uri:
        _restore_uri(request, flow, own, out)
    if REFER_TO in request.names:
        index = request.names.index(REFER_TO)
        if _MARK in request.lines[index]:
            _restore_refer_to(request, index, flow, own, out)
    return request


def _restore_uri(request: Request, flow: Flow, own: OwnRepairs, out: list[Effect]) -> None:
    before = request.uri
    uri = stood_for(request.request_uri)
    if uri is None:
        return
    request.set_uri(uri, lenient(uri))
    own.record(RESTORE_TARGET, request, flow, "to-server", before, uri, _REASON, out)


def _restore_refer_to(request: Request, index: int, flow: Flow, own: OwnRepairs, out: list[Effect]) -> None:
    """The URI of a transfer; its header fields (`?Replaces=`) stay."""
    line = request.lines[index]
    try:
        address = parse_name_addr(line_value(line))
        uri = stood_for(address.uri)
    except HeaderError:
        return
    if uri is None:
        return
    if address.uri.headers:
        uri += b"?" + address.uri.headers
    after = line.partition(b":")[0] + b": " + address.with_addr(uri)
    request.replace(index, after)
    own.record(RESTORE_TARGET, request, flow, "to-server", line, after, _REASON, out, header="Refer-To")
