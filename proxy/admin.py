"""The administrator's HTTP pages: `/metrics`, `/healthz`, `/readyz`. They are only read; more can be added.

Who may connect is decided by the address the service binds it to (default 127.0.0.1): there is no login.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request
from twisted.web.resource import Resource
from twisted.web.server import Site

TEXT_TYPE: Final = "text/plain; charset=utf-8"
# The version that we produce, whatever newest version the installed prometheus_client could speak.
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

# Seconds without an octet from the other end before a connection is closed.
IDLE_LIMIT: Final = 15.0
# Connections at once: beyond, the oldest is closed. Each is an open file, of which clients and the server need theirs.
CONNECTIONS: Final = 50


class Reply(NamedTuple):
    """What a page answers."""

    status: int
    body: bytes
    content_type: str = TEXT_TYPE


# A page reads what it needs from the request (path, args) and must not write to it.
Page = Callable[[Request], Reply]


class Pages(Resource):
    """All pages by their exact path. GET and HEAD only; the server's name and version stay unsaid."""

    isLeaf = True

    def __init__(self, pages: dict[bytes, Page]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted leaves it without types
        self.pages = pages

    def render(self, request: Request) -> bytes:
        """Answer one request; Twisted leaves out the body when it was HEAD."""
        page = self.pages.get(request.path)
        if page is None:
            reply = self._missing()
        elif request.method in (b"GET", b"HEAD"):
            reply = page(request)
        else:
            reply = Reply(405, b"only GET and HEAD are possible here\n")
            request.responseHeaders.setRawHeaders("Allow", ["GET, HEAD"])
        headers = request.responseHeaders
        headers.removeHeader("Server")
        headers.setRawHeaders("Content-Type", [reply.content_type])
        headers.setRawHeaders("Content-Length", [str(len(reply.body))])
        headers.setRawHeaders("Cache-Control", ["no-store"])
        headers.setRawHeaders("X-Content-Type-Options", ["nosniff"])
        request.setResponseCode(reply.status)
        return reply.body

    def _missing(self) -> Reply:
        return Reply(404, b"no such page; there are " + b", ".join(sorted(self.pages)) + b"\n")


class AdminChannel(HTTPChannel):
    """One connection, known to its site while it is open."""

    site: AdminSite

    def connectionMade(self) -> None:
        super().connectionMade()  # type: ignore[no-untyped-call]  # Twisted leaves it without types
        self.site.held[self] = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.site.held.pop(self, None)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]  # Twisted leaves it without types


class AdminSite(Site):
    """A site that keeps no request body and writes no access log: scrapes every few seconds say nothing."""

    protocol: Any = AdminChannel

    noisy = False

    def __init__(self, pages: Pages, reactor: IReactorTime, dropped: defaultdict[str, int]) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # Twisted leaves it without types
            pages, timeout=IDLE_LIMIT, reactor=reactor, parsePOSTFormSubmission=False
        )
        self.pages = pages.pages
        # The oldest one first.
        self.held: dict[AdminChannel, None] = {}
        self._dropped = dropped
        # Twisted asks the site where to put a body; by default it would fill a temporary file.
        self.getContentFile = _discard

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Take a connection; the oldest makes room for it."""
        if len(self.held) >= CONNECTIONS:
            oldest = next(iter(self.held))
            del self.held[oldest]
            self._dropped["admin_connections_full"] += 1
            transport: Any = oldest.transport
            transport.abortConnection()
        return super().buildProtocol(addr)  # type: ignore[no-untyped-call]  # as above

    def log(self, request: Request) -> None:
        """Write nothing."""


class _Discard(BytesIO):
    """Takes the body of a request and forgets it: no page here reads one."""

    def write(self, data: object, /) -> int:
        return 0


def _discard(length: int | None) -> BytesIO:
    return _Discard()


def make_site(
    registry: CollectorRegistry,
    readiness: Callable[[], str | None],
    reactor: IReactorTime,
    dropped: defaultdict[str, int],
) -> AdminSite:
    """The site to listen with. `readiness` returns None when ready, else the reason why not. Connections that are
    closed to make room are counted in `dropped`.

    Ready means: all sockets bound, at least one target up, not draining. /healthz asks for nothing.
    Further pages go into `site.pages`, by path.
    """

    def metrics(request: Request) -> Reply:
        return Reply(200, generate_latest(registry), METRICS_TYPE)

    def health(request: Request) -> Reply:
        return Reply(200, b"ok\n")

    def ready(request: Request) -> Reply:
        reason = readiness()
        if reason is None:
            return Reply(200, b"ready\n")
        return Reply(503, " ".join(reason.split()).encode("utf-8", "backslashreplace") + b"\n")

    return AdminSite(Pages({b"/metrics": metrics, b"/healthz": health, b"/readyz": ready}), reactor, dropped)
