"""The administrator's pages, spoken to in octets."""

from __future__ import annotations

from collections import defaultdict

import pytest
from prometheus_client import CollectorRegistry, Gauge
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from proxy.admin import CONNECTIONS, IDLE_LIMIT, Reply, make_site


class Browser:
    """One connection to the site without a socket."""

    def __init__(self, readiness=lambda: None):
        registry = CollectorRegistry()
        Gauge("sipmend_guests", "Guests", registry=registry).set(3)
        self.clock = Clock()
        self.dropped = defaultdict(int)
        self.site = make_site(registry, readiness, self.clock, self.dropped)
        self.site.startFactory()
        self.connect()

    def connect(self):
        self.transport = StringTransport()
        self.connection = self.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40000))
        self.connection.makeConnection(self.transport)

    def asks(self, method, path, body=b""):
        request = b"%b %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (method, path, len(body))
        self.transport.clear()
        self.connection.dataReceived(request + body)
        head, _, answer = self.transport.value().partition(b"\r\n\r\n")
        return int(head.split()[1]), head, answer


def test_metrics_are_in_the_text_format():
    status, head, body = Browser().asks(b"GET", b"/metrics")
    assert status == 200
    assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8" in head
    assert b"sipmend_guests 3.0\n" in body


def test_healthz_says_ok_even_when_not_ready():
    assert Browser(lambda: "draining").asks(b"GET", b"/healthz")[::2] == (200, b"ok\n")


def test_readyz_is_200_when_ready():
    assert Browser().asks(b"GET", b"/readyz")[::2] == (200, b"ready\n")


def test_readyz_is_503_with_the_reason_on_one_line():
    browser = Browser(lambda: "no target is up:\r\n  sip:10.0.0.5 (no answer)")
    assert browser.asks(b"GET", b"/readyz")[::2] == (503, b"no target is up: sip:10.0.0.5 (no answer)\n")


def test_readiness_is_asked_each_time():
    reasons = iter(["starting", None])
    browser = Browser(lambda: next(reasons))
    assert [browser.asks(b"GET", b"/readyz")[0] for _ in range(2)] == [503, 200]


@pytest.mark.parametrize("path", [b"/", b"/nope", b"/metrics/", b"/metrics/x", b"/healthz/../metrics"])
def test_other_paths_are_404_and_name_the_pages(path):
    status, _, body = Browser().asks(b"GET", path)
    assert status == 404
    assert body == b"no such page; there are /healthz, /metrics, /readyz\n"


def test_query_strings_do_not_matter():
    assert Browser().asks(b"GET", b"/healthz?probe=1")[0] == 200


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"BREW"])
def test_only_get_and_head_are_possible(method):
    status, head, body = Browser().asks(method, b"/metrics", b"x=1")
    assert status == 405
    assert b"Allow: GET, HEAD" in head
    assert b"sipmend" not in body


def test_head_has_the_header_lines_and_no_body():
    browser = Browser()
    _, _, body = browser.asks(b"GET", b"/readyz")
    status, head, nothing = browser.asks(b"HEAD", b"/readyz")
    assert (status, nothing) == (200, b"")
    assert b"Content-Length: %d" % len(body) in head


@pytest.mark.parametrize("path", [b"/metrics", b"/nope"])
def test_the_software_is_not_named(path):
    _, head, _ = Browser().asks(b"GET", path)
    assert b"server:" not in head.lower()
    assert b"twisted" not in head.lower()


def test_a_long_body_is_not_kept():
    """A body goes nowhere: no memory, no temporary file, however much is sent."""
    browser = Browser()
    browser.connection.dataReceived(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n")
    browser.connection.dataReceived(b"x" * 1_000_000)
    content = browser.connection.requests[0].content
    assert content.getvalue() == b""


def test_an_idle_connection_is_closed():
    browser = Browser()
    browser.connection.dataReceived(b"GET /metrics HTTP/1.1\r\nHo")
    browser.clock.advance(IDLE_LIMIT - 0.1)
    assert not browser.transport.disconnecting
    browser.clock.advance(0.2)
    assert browser.transport.disconnecting


def test_the_oldest_connection_makes_room():
    """Who opens many and keeps each alive by an octet now and then takes no more files than these."""
    browser = Browser()
    first = browser.transport
    for _ in range(CONNECTIONS - 1):
        browser.connect()
        browser.connection.dataReceived(b"GET /metrics HTTP/1.1\r\nX: ")
    assert not browser.dropped
    second = next(iter(list(browser.site.held)[1:]))
    browser.connect()
    assert first.disconnected
    assert browser.dropped == {"admin_connections_full": 1}
    assert len(browser.site.held) <= CONNECTIONS
    assert second in browser.site.held


def test_a_connection_that_ended_is_forgotten():
    browser = Browser()
    browser.connection.connectionLost(Failure(ConnectionDone()))
    assert not browser.site.held


def test_requests_are_not_logged():
    """A scrape every few seconds would bury what matters."""
    browser = Browser()
    events = []
    globalLogPublisher.addObserver(events.append)
    try:
        browser.asks(b"GET", b"/metrics")
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert events == []


def test_further_pages_can_be_added():
    browser = Browser()
    browser.site.pages[b"/api/findings"] = lambda request: Reply(200, b"[]", "application/json")
    status, head, body = browser.asks(b"GET", b"/api/findings")
    assert (status, body) == (200, b"[]")
    assert b"Content-Type: application/json" in head
