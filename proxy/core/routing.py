"""Route preprocessing (RFC 3261 section 16.4; protocol 7.4 and 8): which Routes are ours, and what they say.

A Route is ours if its user part is a token of ours, or if it names one of our addresses. Only a Record-Route whose
MAC fits this Call-ID says anything; any other of ours is removed without effect.
"""

from __future__ import annotations

from typing import Final

from proxy.core.settings import CoreSettings
from proxy.core.tokens import RouteMark, TokenMint, is_token
from proxy.core.validation import request_uri
from proxy.flow import CLIENT, DEFAULT_PORTS, SERVER, Flow, Listener
from proxy.sip.address import NameAddr, parse_name_addr
from proxy.sip.errors import HeaderError
from proxy.sip.message import Request, addresses_of, line_value
from proxy.sip.params import split_list
from proxy.sip.registry import ROUTE
from proxy.sip.route import remove_first
from proxy.sip.uri import Uri

# Where browsers reach a proxy in front of us.
HTTPS: Final = 443
_MEMO_LIMIT: Final = 4096
# How many Routes are known by their octets: two per dialog, for the dialogs of the last while.
_WRITTEN_LIMIT: Final = 8192
_RECORD_ROUTE: Final = len(b"Record-Route: ")
# How many addresses are remembered that listeners were given while we run.
_LEARNED_LIMIT: Final = 64


class Removed:
    """What the Routes taken off the top of a request said.

    `mark` is our Record-Route's content if its MAC fitted, `path_token` the token of a Path of ours, `outbound`
    whether that Route carried `ob`; `count` how many were taken off.
    """

    __slots__ = ("count", "mark", "outbound", "path_token")

    def __init__(self) -> None:
        self.count = 0
        self.mark: RouteMark | None = None
        self.path_token = b""
        self.outbound = False


class Written:
    """A pair of Record-Routes as we wrote them: the Call-ID, and what they say."""

    __slots__ = ("call_id", "mark")

    def __init__(self, call_id: bytes, mark: RouteMark) -> None:
        self.call_id = call_id
        self.mark = mark


class OwnRoutes:
    """Knows our own addresses and tokens in Routes and Request-URIs."""

    __slots__ = (
        "_client_addresses",
        "_learned",
        "_marks",
        "_mint",
        "_server_addresses",
        "_server_names",
        "_written",
        "_written_before",
    )

    def __init__(self, settings: CoreSettings, mint: TokenMint) -> None:
        self._mint = mint
        # What our Record-Routes said, by user part and Call-ID: every request of a dialog brings the same.
        self._marks: dict[tuple[bytes, bytes], RouteMark] = {}
        # What we wrote, by element; in two generations, so that the older half can be forgotten at once.
        self._written: dict[bytes, Written] = {}
        self._written_before: dict[bytes, Written] = {}
        client: set[tuple[bytes, int]] = set()
        server: set[tuple[bytes, int]] = set()
        for listener in settings.listeners:
            addresses = server if listener.side == SERVER else client
            addresses.update(_addresses_of(listener))
        self._client_addresses = frozenset(client)
        self._server_addresses = frozenset(server)
        # Where they are ours as well, they still mean the server.
        self._server_names = frozenset((settings.domain, *settings.aliases))
        self._learned: dict[tuple[bytes, int], None] = {}

    def learn(self, listener: Listener) -> None:
        """The listener for clients has another address now. The former one stays ours: running dialogs name it."""
        for address in _addresses_of(listener):
            self._learned.pop(address, None)
            self._learned[address] = None
        while len(self._learned) > _LEARNED_LIMIT:
            del self._learned[next(iter(self._learned))]

    def is_own_address(self, uri: Uri) -> bool:
        """Whether the URI names one of our sockets as others see it."""
        return self.is_client_address(uri) or (uri.host.lower(), uri.port) in self._server_addresses

    def is_client_address(self, uri: Uri) -> bool:
        """Whether the URI names one of the addresses by which clients reach us."""
        address = (uri.host.lower(), uri.port)
        return address in self._client_addresses or address in self._learned

    def is_for_us(self, request: Request, side: int) -> bool:
        """Whether a request, received on that side, is for this proxy itself: its Request-URI is an address of ours,
        and no Route leads further.

        What a client sends to the server's domain, or within a dialog, is for the server: where that gave no Contact,
        an address of ours stands for it.
        """
        uri = request_uri(request)
        if uri.user or uri.param(b"b") is not None or not self.is_own_address(uri):
            return False
        if side == CLIENT and (request.to.tag is not None or uri.host.lower() in self._server_names):
            return False
        try:
            routes = [parse_name_addr(route).uri for route in request.routes()]
        except HeaderError:
            return False
        return all(self.is_own_address(route) and not is_token(route.user or b"") for route in routes)

    def mark_of(self, uri: Uri, call_id: bytes) -> RouteMark | None:
        """What our Record-Route says if this is one of this dialog; None otherwise."""
        user = uri.user
        if user is None or user[:1] != b"r":
            return None
        key = (user, call_id)
        mark = self._marks.get(key)
        if mark is None and is_token(user):
            mark = self._mint.read_record_route(user, call_id)
            if mark is not None:  # of ours, so nobody else decides how much is kept here
                if len(self._marks) >= _MEMO_LIMIT:
                    self._marks.clear()
                self._marks[key] = mark
        return mark

    def remember(self, lines: tuple[bytes, ...], call_id: bytes, mark: RouteMark) -> None:
        """Know again the Routes that are made of these Record-Routes of ours, octet for octet, without parsing."""
        if len(self._written) >= _WRITTEN_LIMIT:
            self._written_before = self._written
            self._written = {}
        written = Written(call_id, mark)
        for line in lines:
            self._written[line[_RECORD_ROUTE:]] = written

    def _take_written(self, request: Request) -> Removed | None:
        """Take off a pair that we remember; None, and nothing done, if there is none."""
        names, lines = request.names, request.lines
        index = request.places().route
        first, comma, second = lines[index].partition(b":")[2].strip().partition(b",")
        written = self._written.get(first) or self._written_before.get(first)
        if written is None or written.call_id != request.call_id:
            return None
        end = index + 1
        if not comma:
            if end == len(names) or names[end] != ROUTE:
                return None
            second = lines[end].partition(b":")[2]
            end += 1
        second = second.strip()
        if (self._written.get(second) or self._written_before.get(second)) is not written:
            return None
        del lines[index:end]
        del names[index:end]
        request.moved()
        removed = Removed()
        removed.count = 2
        removed.mark = written.mark
        return removed

    def strip(self, request: Request) -> Removed:
        """Take our own Routes off the top: at most one pair per pass (protocol 8.5)."""
        if request.places().route < 0:
            return NOTHING_REMOVED
        taken = self._take_written(request)
        if taken is not None:
            return taken
        top = top_route(request)
        if top is None:
            return NOTHING_REMOVED
        removed = Removed()
        if not self._is_ours(top, request.call_id, removed):
            return NOTHING_REMOVED
        remove_top_route(request)
        removed.count = 1
        following = top_route(request)
        if (
            following is not None
            and following.uri.user == top.uri.user
            and (removed.mark is not None or self._is_ours(following, request.call_id, Removed()))
        ):
            remove_top_route(request)
            removed.count = 2
        return removed

    def strip_asked(self, request: Request, flow: Flow) -> None:
        """Take the topmost Route off if it names us as this flow's client does (protocol 7.4).

        We are known by many names: behind a proxy with TLS of its own, or a certificate with a wildcard. One Route
        only, and out of dialog: within one, a server of that name may have asked for it.
        """
        top = top_route(request)
        if top is None:
            return
        try:
            uri = top.uri
        except HeaderError:
            return
        if uri.host.lower() == flow.asked and uri.port in (0, HTTPS, flow.listener.port, flow.listener.public_port):
            remove_top_route(request)

    def undo_strict(self, request: Request) -> bool:
        """Request-URI and last Route change places back if a strict router put our Record-Route there (16.4)."""
        uri = request_uri(request)
        user = uri.user
        if user is None or user[:1] != b"r" or uri.param(b"lr") is None:
            return False
        if self.mark_of(uri, request.call_id) is None and not self.is_own_address(uri):
            return False
        routes = request.indexes(ROUTE)
        last = split_list(line_value(request.lines[routes[-1]])) if routes else []
        if not last:
            return False
        own = b"Route: <%b>" % request.uri
        request.set_uri(parse_name_addr(last[-1]).addr)
        if len(last) == 1:
            request.remove(routes[-1])
        else:
            request.replace(routes[-1], b"Route: " + b", ".join(last[:-1]))
        # What the Record-Route said is still wanted: it becomes the topmost Route, to be taken off like any other.
        request.insert(routes[0], ROUTE, own)
        return True

    def _is_ours(self, route: NameAddr, call_id: bytes, found: Removed) -> bool:
        try:
            uri = route.uri
        except HeaderError:
            return False
        user = uri.user
        if user is not None and is_token(user):
            if user[:1] == b"r":
                found.mark = self.mark_of(uri, call_id)
                if found.mark is not None:
                    return True
            elif user[:1] == b"p" and self.is_own_address(uri):
                found.path_token = user[1:]
                found.outbound = uri.param(b"ob") is not None
                return True
        return self.is_own_address(uri)


def _addresses_of(listener: Listener) -> list[tuple[bytes, int]]:
    """Host (lower case) and port of the listener as others write them; port 0 where none needs to be written."""
    ports = [listener.public_port]
    if listener.public_port == DEFAULT_PORTS[listener.transport]:
        ports.append(0)
    return [(host, port) for host in (listener.public_host.lower(), *listener.names) for port in ports]


# Nothing was taken off: one value for all requests without a Route of ours. Nobody changes it.
NOTHING_REMOVED: Final = Removed()


def top_route(request: Request) -> NameAddr | None:
    """The topmost Route; None if there is none, or if it cannot be read."""
    names = request.names
    if ROUTE not in names:
        return None
    try:
        routes = addresses_of(request.lines[names.index(ROUTE)])
    except HeaderError:
        return None
    return routes[0] if routes else None


def remove_top_route(request: Request) -> None:
    """Take the topmost Route off; the others stay octet for octet."""
    index = request.names.index(ROUTE)
    line = request.lines[index]
    rest = remove_first(line_value(line)) if b"," in line else b""
    if rest:
        request.replace(index, b"Route: " + rest)
    else:
        request.remove(index)
