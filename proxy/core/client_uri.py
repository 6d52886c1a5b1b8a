"""A client's Contact URI as the Request-URI of what is sent to it (protocol 5.1)."""

from __future__ import annotations

from proxy.core.validation import request_uri
from proxy.sip.errors import UriError
from proxy.sip.message import Request
from proxy.sip.params import param_span
from proxy.sip.uri import parse_uri


def readdress(request: Request, contact: bytes) -> None:
    """Name a client by the Contact it has by now, unless the request names it by a gruu (protocol 4.4)."""
    if request_uri(request).param(b"gr") is None:
        request.set_uri(as_request_uri(contact))


def as_request_uri(contact: bytes) -> bytes:
    """A client's Contact URI as Request-URI: octet for octet, but without what none may have (16.6 step 2, 19.1.1).

    That is `method` and header fields; both are rare.
    """
    if b"?" not in contact and b"method" not in contact.lower():
        return contact
    try:
        uri = parse_uri(contact)
    except UriError:
        return contact
    bare = contact[: len(contact) - len(uri.headers)].removesuffix(b"?") if uri.headers else contact
    head = len(bare) - len(uri.params)
    span = param_span(uri.params, b"method")
    if span is None:
        return bare
    return bare[: head + span[0] - len(b";method")] + bare[head + span[1] :]
