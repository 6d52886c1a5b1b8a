"""A SIP message as its ordered raw header lines and its body (RFC 3261 section 7).

Untouched lines leave octet for octet as they came: order, case, folding, compact names and unknown headers survive.
Typed views are parsed when first asked for and cached; an edit forgets the view of the header it touches only.
A message knows no transport and no transaction.
"""

from __future__ import annotations

from proxy.sip.address import NameAddr, split_list
from proxy.sip.errors import HeaderError
from proxy.sip.lines import address_of, addresses_of, cseq_of, line_value
from proxy.sip.places import Places, places_of
from proxy.sip.registry import (
    CALL_ID,
    CONTACT,
    CSEQ,
    FROM,
    METHOD_LABELS,
    OTHER_METHOD,
    ROUTE,
    SPELLINGS,
    STATUS_LABELS,
    TO,
    VIA,
)
from proxy.sip.uri import Uri, parse_uri
from proxy.sip.via import Via, first_value, parse_via

__all__ = ["CRLF", "Message", "Request", "Response", "address_of", "addresses_of", "line_value"]

CRLF = b"\r\n"
Lines = list[bytes]


class Message:
    """What requests and responses share.

    `lines[0]` is the start line and `names[0]` the constant `START`; `lines[i]` is a raw header line without its
    CRLF (a folded header is one entry) and `names[i]` its canonical name. `oddities` lists what the parser let
    pass although the grammar forbids it, None if nothing.
    """

    __slots__ = (
        "_call_id", "_contacts", "_cseq", "_from", "_places", "_to", "_via", "body", "lines", "names", "oddities",
    )  # fmt: skip

    def __init__(self, lines: Lines, names: Lines, body: bytes, oddities: list[str] | None) -> None:
        self.lines = lines
        self.names = names
        self.body = body
        self.oddities = oddities
        self._places: Places | None = None
        self._via: Via | None = None
        self._cseq: tuple[int, bytes] | None = None
        self._from: NameAddr | None = None
        self._to: NameAddr | None = None
        self._call_id: bytes | None = None
        self._contacts: list[NameAddr] | None = None

    # -- lines

    def places(self) -> Places:
        """Where the headers stand. Whoever changes `names` itself has to call `moved`."""
        places = self._places
        if places is None:
            places = self._places = places_of(self.names)
        return places

    def moved(self) -> None:
        """Lines were put in or taken out."""
        self._places = None

    def index(self, name: bytes) -> int:
        """The index of the first line of that canonical name, -1 without one."""
        names = self.names
        return names.index(name) if name in names else -1

    def indexes(self, name: bytes) -> list[int]:
        return [i for i, n in enumerate(self.names) if n == name]

    def value(self, name: bytes) -> bytes | None:
        """The value of the first line of that name, unfolded; None without one."""
        names = self.names
        return line_value(self.lines[names.index(name)]) if name in names else None

    def values(self, name: bytes) -> list[bytes]:
        """The values of all lines of that name, in order; a comma separated list stays one value."""
        return [line_value(line) for line in self.lines_of(name)]

    def lines_of(self, name: bytes) -> tuple[bytes, ...]:
        """The raw lines of that name, in order."""
        lines = self.lines
        return tuple([lines[i] for i in self.indexes(name)]) if name in self.names else ()

    def replace(self, index: int, line: bytes) -> None:
        """Put another raw line in the place of one; its name stays."""
        self.lines[index] = line
        self._forget(self.names[index])

    def insert(self, index: int, name: bytes, line: bytes) -> None:
        self.lines.insert(index, line)
        self.names.insert(index, name)
        self._places = None
        self._forget(name)

    def append(self, name: bytes, line: bytes) -> None:
        self.lines.append(line)
        self.names.append(name)
        self._places = None
        self._forget(name)

    def remove(self, index: int) -> None:
        self._forget(self.names[index])
        del self.lines[index]
        del self.names[index]
        self._places = None

    def _forget(self, name: bytes) -> None:
        if name == CONTACT:
            self._contacts = None
        elif name == VIA:
            self._via = None
        elif name == FROM:
            self._from = None
        elif name == TO:
            self._to = None
        elif name == CSEQ:
            self._cseq = None
        elif name == CALL_ID:
            self._call_id = None

    def _share(self, copy: Message) -> None:
        copy._places = self._places
        copy._via = self._via
        copy._cseq = self._cseq
        copy._from = self._from
        copy._to = self._to
        copy._call_id = self._call_id
        copy._contacts = self._contacts

    def octets(self) -> bytes:
        """The message as it goes on the wire."""
        return CRLF.join([*self.lines, b"", self.body])

    # -- typed views; each raises HeaderError where the header is absent or broken

    @property
    def via(self) -> Via:
        """The topmost Via value."""
        view = self._via
        if view is None:
            value = line_value(self._line(self.places().via, VIA))
            view = self._via = parse_via(first_value(value)[0] if b"," in value else value)
        return view

    @property
    def cseq(self) -> tuple[int, bytes]:
        """Sequence number and method."""
        view = self._cseq
        if view is None:
            index = (self._places or self.places()).cseq
            view = self._cseq = cseq_of(self.lines[index] if index > 0 else self._line(index, CSEQ))
        return view

    @property
    def call_id(self) -> bytes:
        view = self._call_id
        if view is None:
            index = (self._places or self.places()).call_id
            view = line_value(self.lines[index] if index > 0 else self._line(index, CALL_ID))
            if not view:
                raise HeaderError("Call-ID is empty")
            self._call_id = view
        return view

    @property
    def from_(self) -> NameAddr:
        view = self._from
        if view is None:
            index = (self._places or self.places()).from_
            view = self._from = address_of(self.lines[index] if index > 0 else self._line(index, FROM))
        return view

    @property
    def to(self) -> NameAddr:
        view = self._to
        if view is None:
            index = (self._places or self.places()).to
            view = self._to = address_of(self.lines[index] if index > 0 else self._line(index, TO))
        return view

    def _line(self, index: int, name: bytes) -> bytes:
        """The line at that index; raises HeaderError where there is none of that name."""
        if index < 0:
            raise HeaderError(f"{SPELLINGS[name].decode()} is missing")
        return self.lines[index]

    @property
    def contacts(self) -> list[NameAddr]:
        """All Contact values of all Contact lines (shared; empty without one). `*` is a value whose addr is `*`."""
        view = self._contacts
        if view is None:
            places = self.places()
            if places.contacts == 1:
                view = addresses_of(self.lines[places.contact])
            else:
                view = [address for index in self.indexes(CONTACT) for address in addresses_of(self.lines[index])]
            self._contacts = view
        return view

    def via_count(self) -> int:
        """How many Via values there are, counting no further than two."""
        if self.places().vias > 1:
            return 2
        value = self.value(VIA)
        if value is None:
            return 0
        return 2 if b"," in value and first_value(value)[1] else 1


class Request(Message):
    """A request: `method` and `uri` as they stand in the start line (`uri` is the Request-URI, raw)."""

    __slots__ = ("_request_uri", "kind", "method", "uri")

    def __init__(
        self, lines: Lines, names: Lines, body: bytes, oddities: list[str] | None, method: bytes, uri: bytes
    ) -> None:
        # As Message.__init__ does: a frame less for each message.
        self.lines = lines
        self.names = names
        self.body = body
        self.oddities = oddities
        self._places = None
        self._via = None
        self._cseq = None
        self._from = None
        self._to = None
        self._call_id = None
        self._contacts = None
        self.method = method
        self.uri = uri
        self.kind = METHOD_LABELS.get(method, OTHER_METHOD)
        self._request_uri: Uri | None = None

    @property
    def request_uri(self) -> Uri:
        view = self._request_uri
        if view is None:
            view = self._request_uri = parse_uri(self.uri)
        return view

    def set_uri(self, uri: bytes, view: Uri | None = None) -> None:
        """Put another Request-URI into the start line; `view` are its parts where it cannot be parsed as it is."""
        self.lines[0] = b"%b %b SIP/2.0" % (self.method, uri)
        self.uri = uri
        self._request_uri = view

    def routes(self) -> list[bytes]:
        """The Route values, one per route, in order."""
        return [route for value in self.values(ROUTE) for route in split_list(value)]

    def copy(self) -> Request:
        """An independent copy. The views are values and are shared."""
        copy = Request(self.lines[:], self.names[:], self.body, self.oddities, self.method, self.uri)
        copy._request_uri = self._request_uri
        self._share(copy)
        return copy


class Response(Message):
    """A response: `status` and `reason` phrase as they stand in the start line."""

    __slots__ = ("kind", "reason", "status")

    def __init__(
        self, lines: Lines, names: Lines, body: bytes, oddities: list[str] | None, status: int, reason: bytes
    ) -> None:
        # As Message.__init__ does: a frame less for each message.
        self.lines = lines
        self.names = names
        self.body = body
        self.oddities = oddities
        self._places = None
        self._via = None
        self._cseq = None
        self._from = None
        self._to = None
        self._call_id = None
        self._contacts = None
        self.status = status
        self.reason = reason
        self.kind = STATUS_LABELS[status // 100]

    def copy(self) -> Response:
        """An independent copy. The views are values and are shared."""
        copy = Response(self.lines[:], self.names[:], self.body, self.oddities, self.status, self.reason)
        self._share(copy)
        return copy
