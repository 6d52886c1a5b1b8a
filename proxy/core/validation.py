"""Request validation (RFC 3261 section 16.3): what cannot be forwarded gets the answer of the RFC.

A loop is looked for by `forwarding`, which knows the marks in our own Vias.
"""

from __future__ import annotations

from typing import Final

from proxy.sip.address import known_uri
from proxy.sip.errors import HeaderError, SipError
from proxy.sip.message import Message, Request, line_value
from proxy.sip.params import split_list
from proxy.sip.parser import BAD_CONTENT_LENGTH, LINE_WITHOUT_COLON, MISSING_OCTETS, OTHER_VERSION
from proxy.sip.registry import (
    ACK,
    CALL_ID,
    CANCEL,
    CONTACT,
    CSEQ,
    FROM,
    MAX_FORWARDS,
    OPTIONS,
    PROXY_REQUIRE,
    REQUIRE,
    SPELLINGS,
    TO,
    VIA,
)
from proxy.sip.uri import Uri
from proxy.sip.via import parse_via

# The line as nearly everybody writes it, with hops to spend.
_USUAL_MAX_FORWARDS = frozenset([b"Max-Forwards: %d" % hops for hops in range(1, 256)])
# The most that we let pass, as RFC 5393 section 5.3.3 recommends.
MOST_BREADTH: Final = 60

# Contacts in one message of a client, and the length of a line that is not worth counting them.
MOST_CONTACTS: Final = 50
_USUAL_CONTACT: Final = 300

_FATAL = {
    OTHER_VERSION: (505, "this element speaks SIP/2.0 only", "version"),
    BAD_CONTENT_LENGTH: (400, "Content-Length is not one number", "bad_content_length"),
    MISSING_OCTETS: (400, "the body is shorter than Content-Length says", "body_too_short"),
    LINE_WITHOUT_COLON: (400, "a header line has no colon", "malformed"),
}


def check_syntax(message: Message) -> None:
    """The mandatory headers are there, once, and nothing about the message is fatal (16.3 step 1). Raises SipError."""
    if not message.places().complete:
        _complain(message)
    if message.oddities:
        for oddity in message.oddities:
            if oddity in _FATAL:
                status, text, label = _FATAL[oddity]
                raise SipError(text, status, label)


def _complain(message: Message) -> None:
    """Say which mandatory header is not there once."""
    for name in (FROM, TO, CALL_ID, CSEQ):
        n = message.names.count(name)
        if n != 1:
            what = "is missing" if n == 0 else "stands there more than once"
            raise HeaderError(f"{SPELLINGS[name].decode()} {what}")


def check_request(request: Request, supported: frozenset[bytes] = frozenset()) -> bool:
    """All steps of 16.3 but the loop. Raises SipError with the status to answer.

    Returns whether its way ends here although nothing is wrong: an OPTIONS without hops left (16.3 step 3).
    The loop of step 4 is looked for later, and nobody can tell: Proxy-Require (step 5) is part of what a loop is known
    by, and a request whose Proxy-Require we refuse never left here. Step 6 is the server's.
    """
    places = request.places()
    if request.oddities or not places.complete:
        check_syntax(request)
    # The views raise where a header cannot be read.
    request.from_  # noqa: B018  # for the error
    request.to  # noqa: B018  # for the error
    request.call_id  # noqa: B018  # for the error
    if request.cseq[1] != request.method:
        raise SipError("the method of CSeq is not that of the request")
    uri = request_uri(request)
    # tel, and the URNs of services such as urn:service:sos (RFC 5031), are for the server to route.
    if uri.scheme != b"sip" and uri.scheme not in (b"sips", b"tel", b"urn"):
        raise SipError(f"the scheme {uri.scheme.decode('ascii', 'replace')} cannot be routed here", 416, "scheme")
    if uri.headers:
        raise SipError("the Request-URI carries header fields")
    if places.limits and (places.limits > 1 or request.lines[places.max_forwards] not in _USUAL_MAX_FORWARDS):
        hops = _hops_left(request.values(MAX_FORWARDS))
        if not hops and request.method == OPTIONS:
            return True
        if not hops and request.method != CANCEL:
            raise SipError("Max-Forwards has reached 0", 483, "too_many_hops")
    if places.breadths and request.method != CANCEL and 0 in breadths_of(request, places.breadths):
        # Not even the one branch that we need is allowed (RFC 5393 section 5.3.3).
        raise SipError("Max-Breadth has reached 0", 440, "max_breadth")
    if places.contacts:
        check_contacts(request)
    # > Require and Proxy-Require MUST NOT be used in a SIP CANCEL request, or in an ACK request sent for a non-2xx
    # > response. These header fields MUST be ignored if they are present in these requests. (8.2.2.3)
    if places.proxy_require > 0 and request.method not in (CANCEL, ACK):
        wanted = [tag.strip() for value in request.values(PROXY_REQUIRE) for tag in value.split(b",")]
        unknown = [tag for tag in wanted if tag and tag.lower() not in supported]
        if unknown:
            raise ExtensionError(PROXY_REQUIRE, unknown)
    return False


def check_contacts(message: Message) -> None:
    """No more Contacts than any client has: each is read, judged and written anew. Raises SipError."""
    places = message.places()
    if places.contacts <= 1 and (places.contact < 0 or len(message.lines[places.contact]) < _USUAL_CONTACT):
        return
    if sum(message.lines[index].count(b",") + 1 for index in message.indexes(CONTACT)) > MOST_CONTACTS:
        raise SipError(f"more than {MOST_CONTACTS} Contacts", 400, "too_many_contacts")


def check_required(request: Request) -> None:
    """A request that ends here requires no extension of the one who answers (8.2.2.3). Raises SipError."""
    wanted = [tag.strip() for value in request.values(REQUIRE) for tag in value.split(b",")]
    unknown = [tag for tag in wanted if tag]
    if unknown:
        raise ExtensionError(REQUIRE, unknown)


def _hops_left(values: list[bytes]) -> bool:
    """Whether there are hops left, whichever of several lines counts (16.3 step 3)."""
    if not all(value.isdigit() and len(value) <= 10 for value in values):
        raise SipError("Max-Forwards is not a number")
    return all(int(value) for value in values)


def breadths_of(request: Request, indexes: tuple[int, ...]) -> list[int]:
    """What these lines of Max-Breadth say, 61 for all that is more than 60; nothing if one of them cannot be read."""
    found = []
    for index in indexes:
        digits = line_value(request.lines[index])
        if not digits.isdigit():
            return []
        digits = digits.lstrip(b"0") or b"0"
        found.append(min(int(digits), MOST_BREADTH + 1) if len(digits) <= 2 else MOST_BREADTH + 1)
    return found


def check_other_vias(request: Request) -> None:
    """The Vias below the topmost are such that the request could be answered along them. Raises HeaderError."""
    values = [via for value in request.values(VIA) for via in split_list(value)]
    for via in values[1:]:
        parse_via(via)


class ExtensionError(SipError):
    """Proxy-Require (16.3 step 5) or Require (8.2.2.3) names what this proxy does not support; the answer lists it."""

    def __init__(self, header: bytes, unsupported: list[bytes]) -> None:
        super().__init__(f"{SPELLINGS[header].decode()} names an unknown extension", 420, "extension")
        self.unsupported = b", ".join(unsupported)


def request_uri(request: Request) -> Uri:
    """The Request-URI, parsed once for all messages that carry the same; raises UriError."""
    view = request._request_uri
    if view is None:
        view = request._request_uri = known_uri(request.uri)
    return view
