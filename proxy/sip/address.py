"""Addresses in From, To, Contact, Route and their like: name-addr and addr-spec (RFC 3261 sections 20.10,
25.1).

The octets of an element survive: `raw` is what was written, and `with_addr` exchanges the URI and nothing
else. The URI itself is parsed only when somebody asks for it.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.sip import abnf
from proxy.sip.errors import HeaderError
from proxy.sip.params import header_param, param_span, split_list
from proxy.sip.uri import Uri, parse_uri, shown

__all__ = ["NameAddr", "known_uri", "parse_name_addr", "split_list"]

_OPENING: Final = ord("<")
_CLOSING: Final = ord(">")
_QUOTE: Final = ord('"')
_COMMA: Final = ord(",")
_SEMICOLON: Final = ord(";")
_BACKSLASH: Final = ord("\\")

# > name-addr  =  [ display-name ] LAQUOT addr-spec RAQUOT
# Display names are taken wider than `*(token LWS)`: unquoted umlauts, dots and colons are common and
# harmless. ";", "," and unpaired quotes are not, they change where the element ends.
_NAME_ADDR: Final = re.compile(
    rb'([^"<>,;]*(?:(?:' + abnf.QUOTED + rb'[^"<>,;]*)+|))'
    rb"<([^<>]+)>" + abnf.SWS + rb'(;[^",]*(?:(?:' + abnf.QUOTED + rb'[^",]*)+|)|)',
    re.DOTALL,
).fullmatch
# > Even if the "display-name" is empty, the "name-addr" form MUST be used if the "addr-spec" contains a
# > comma, semicolon, or question mark.
_ADDR_SPEC: Final = re.compile(
    rb'([^ \t\r\n<>",;?]+)' + abnf.SWS + rb'(;[^"<>,]*(?:(?:' + abnf.QUOTED + rb'[^"<>,]*)+|)|)', re.DOTALL
).fullmatch
# A quote that is not closed is taken to the end, so that no octet is looked at twice.
_QUOTED_OR_OPEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*("|\\?\Z)', re.DOTALL).sub


# What URIs were parsed to; bounded in entries and in octets, as clients choose the keys.
_MEMO_ENTRIES: Final = 4096
_MEMO_LENGTH: Final = 512
_known: dict[bytes, Uri] = {}


class NameAddr:
    """One address with its display name and header parameters, all as written.

    `raw` is the whole element without outer whitespace, `display` the display name with its quotes, `addr`
    the URI, `params` the header parameters with their leading ";" or b"". `bracketed` tells whether the URI
    stood in "<>"; without them, what follows the first ";" belongs to the header and not to the URI. `*` in
    Contact is an `addr` too.
    """

    __slots__ = ("_start", "_tag", "_tag_read", "_uri", "addr", "bracketed", "display", "params", "raw")

    def __init__(self, raw: bytes, display: bytes, addr: bytes, params: bytes, bracketed: bool, start: int) -> None:
        self.raw = raw
        self.display = display
        self.addr = addr
        self.params = params
        self.bracketed = bracketed
        self._start = start
        self._uri: Uri | None = None
        self._tag: bytes | None = None
        self._tag_read = False

    def __repr__(self) -> str:
        return f"NameAddr({self.raw!r})"

    @property
    def uri(self) -> Uri:
        """The URI, parsed once. Raises UriError when it is broken."""
        uri = self._uri
        if uri is None:
            uri = self._uri = known_uri(self.addr)
        return uri

    @property
    def tag(self) -> bytes | None:
        """The tag of From or To (RFC 3261 section 19.3), or None."""
        if not self._tag_read:
            self._tag_read = True
            self._tag = header_param(self.params, b"tag")
        return self._tag

    def param(self, name: bytes) -> bytes | None:
        """Return the header parameter `name` (given in lower case) as written; b"" for a flag, None if
        absent.

        A quoted value comes with its quotes.
        """
        return header_param(self.params, name)

    def with_tag(self, tag: bytes) -> NameAddr:
        """The same address with this tag; for one in brackets that has no parameters yet."""
        params = b";tag=" + tag
        other = NameAddr(self.raw + params, self.display, self.addr, params, True, self._start)
        other._uri = self._uri
        other._tag = tag
        other._tag_read = True
        return other

    def tagged(self, tag: bytes) -> bytes:
        """The element with this tag in the place of the one it has, if any, and every other octet as it was.

        With an empty one it has no tag.
        """
        head, params = self.raw[: len(self.raw) - len(self.params)], self.params
        span = param_span(params, b"tag")
        if tag:
            if span is None:
                return b"%b;tag=%b" % (self.raw, tag)
            return b"%b%b=%b%b" % (head, params[: span[0]], tag, params[span[1] :])
        while span is not None:
            params = params[: params.rindex(b";", 0, span[0])] + params[span[1] :]
            span = param_span(params, b"tag")
        return head + params

    def with_addr(self, addr: bytes) -> bytes:
        """Return the element with `addr` for its URI and every other octet as it was.

        A URI that stood bare gets its angle brackets, so that the parameters of the new one stay its own.
        """
        raw, start = self.raw, self._start
        end = start + len(self.addr)
        if self.bracketed:
            return raw[:start] + addr + raw[end:]
        return raw[:start] + b"<" + addr + b">" + raw[end:]


def known_uri(raw: bytes) -> Uri:
    """`parse_uri`, once for all places that say the same. Raises UriError."""
    uri = _known.get(raw)
    if uri is None:
        uri = parse_uri(raw)
        if len(_known) >= _MEMO_ENTRIES:
            _known.clear()
        if len(raw) <= _MEMO_LENGTH:
            _known[raw] = uri
    return uri


def parse_name_addr(raw: bytes) -> NameAddr:
    """Parse one address, that is one element of `split_list`.

    Raises:
        HeaderError: quotes or brackets do not match, the URI is missing, or it needed brackets and has none.
    """
    raw = raw.strip(abnf.WS)
    opening = raw.find(b"<")
    if opening >= 0:
        if _COMMA not in raw and _BACKSLASH not in raw:
            # The usual case: quotes come in pairs, and what is within them cannot be mistaken.
            display = raw[:opening]
            addr, closing, params = raw[opening + 1 :].partition(b">")
            if (
                closing and addr and _OPENING not in addr
                and (not display or (_SEMICOLON not in display and _CLOSING not in display and _in_pairs(display)))
                and (not params or (params[0] == _SEMICOLON and _in_pairs(params)))
            ):  # fmt: skip
                return NameAddr(raw, display.rstrip(abnf.WS), addr, params, True, opening + 1)
        found = _NAME_ADDR(raw)
        if found is not None:
            display, addr, params = found.groups()
            return NameAddr(raw, display.rstrip(abnf.WS), addr, params, True, found.start(2))
    found = _ADDR_SPEC(raw)
    if found is not None:
        addr, params = found.groups()
        return NameAddr(raw, b"", addr, params, False, 0)
    raise HeaderError(f"the address {shown(raw)} {_complaint(raw)}")


def _in_pairs(text: bytes) -> bool:
    return _QUOTE not in text or text.count(b'"') % 2 == 0


def _only_if_open(found: re.Match[bytes]) -> bytes:
    return b"" if found.group(1) == b'"' else b'"'


def _complaint(raw: bytes) -> str:
    """Say what is wrong with an address that did not parse."""
    plain = _QUOTED_OR_OPEN(_only_if_open, raw)
    before, opened, after = plain.partition(b"<")
    if not plain:
        return "is empty, or has no URI beside its display name"
    if b'"' in plain:
        return "has a quote that is not closed, or one outside its display name and parameters"
    if opened and b">" not in after:
        return 'has a "<" without its ">"'
    if opened and after.startswith(b">"):
        return 'has no URI between "<" and ">"'
    if b"," in before:
        return "has a comma outside quotes; a display name with one must be quoted (RFC 3261 section 20.10)"
    if not opened and b"?" in plain:
        return 'has a URI with "?", which must stand between "<" and ">" (RFC 3261 section 20.10)'
    return 'is neither a URI nor a display name with a URI between "<" and ">"'
