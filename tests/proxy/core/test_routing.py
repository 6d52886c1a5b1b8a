"""Which Routes are ours, and what they say (RFC 3261 section 16.4; protocol 7.4 and 8)."""

from __future__ import annotations

import pytest
from parts import mint, request, settings

from proxy.core.routing import OwnRoutes, remove_top_route, top_route
from proxy.core.tokens import RouteMark
from proxy.flow import CLIENT, SERVER, UDP, Listener
from proxy.sip.errors import HeaderError
from proxy.sip.uri import parse_uri

TOKEN = b"b" + b"x" * 16
USER = mint().record_route(TOKEN, 2, b"000007", b"c1").decode()
OTHER_USER = mint().record_route(b"b" + b"y" * 16, 0, b"000008", b"c1").decode()
STALE = mint().record_route(TOKEN, 2, b"000007", b"old").decode()
RC, RS = f"<sip:{USER}@edge.example.com:8443;transport=ws;lr>", f"<sip:{USER}@10.0.0.2:5070;transport=udp;lr>"


@pytest.fixture
def routes() -> OwnRoutes:
    return OwnRoutes(settings(), mint())


def stripped(routes: OwnRoutes, *lines: str):
    message = request("BYE", *(f"Route: {line}" for line in lines))
    removed = routes.strip(message)
    return removed, [route.decode() for route in message.routes()]


class TestAddresses:
    @pytest.mark.parametrize(
        ("uri", "client", "own"),
        [
            (b"sip:203.0.113.10", True, True), (b"sip:203.0.113.10:5060", True, True),
            (b"sip:x@EDGE.example.com:8443", True, True), (b"sip:edge.example.com", True, True),
            (b"sip:10.0.0.2:5070", False, True), (b"sip:10.0.0.2", False, False),
            (b"sip:203.0.113.10:5070", False, False), (b"sip:example.com", False, False), (b"tel:1", False, False),
        ],
    )  # fmt: skip
    def test_own(self, routes, uri, client, own):
        assert routes.is_client_address(parse_uri(uri)) is client
        assert routes.is_own_address(parse_uri(uri)) is own

    def test_learned(self, routes):
        """A listener has another address: the former stays ours, those of long ago are forgotten."""
        listener = Listener(0, CLIENT, UDP, "0.0.0.0", 5060, "203.0.113.10", 5060, frozenset((b"a.example",)))
        for number in range(100):
            listener.rename(f"198.51.100.{number}", 5060 if number % 2 else 6060)
            routes.learn(listener)
        for uri in (b"sip:198.51.100.99", b"sip:198.51.100.99:5060", b"sip:198.51.100.98:6060", b"sip:203.0.113.10"):
            assert routes.is_client_address(parse_uri(uri))
        assert routes.is_own_address(parse_uri(b"sip:a.example"))
        assert not routes.is_client_address(parse_uri(b"sip:198.51.100.98"))
        assert not routes.is_own_address(parse_uri(b"sip:198.51.100.1"))


class TestForUs:
    @pytest.mark.parametrize(
        ("uri", "lines", "client", "server"),
        [
            ("sip:203.0.113.10", (), True, True),
            ("sip:edge.example.com:8443", (), True, True),
            ("sip:10.0.0.2:5070;transport=udp", (), True, True),
            ("sip:203.0.113.10", ("To: <sip:x@y>;tag=1",), False, True),
            ("sip:x@203.0.113.10", (), False, False),
            ("sip:203.0.113.10;b=x", (), False, False),
            ("sip:203.0.113.10:5070", (), False, False),
            ("sip:edge.example.com:8443", ("Route: <sip:203.0.113.10;lr>, <sip:edge.example.com;lr>",), True, True),
            ("sip:203.0.113.10", ("Route: <sip:203.0.113.10;lr>", "Route: <sip:k;lr>"), False, False),
            ("sip:203.0.113.10", (f"Route: <sip:p{TOKEN.decode()}@10.0.0.2:5070;lr>",), False, False),
            ("sip:203.0.113.10", (f"Route: {RS}",), False, False),
            ("sip:203.0.113.10", ("Route: <broken",), False, False),
        ],
    )  # fmt: skip
    def test_one_that_asks_for_the_proxy(self, routes, uri, lines, client, server):
        asked = request("OPTIONS", *lines, uri=uri)
        assert routes.is_for_us(asked, CLIENT) is client
        assert routes.is_for_us(asked, SERVER) is server

    def test_the_servers_domain_is_the_server_for_clients(self):
        own = OwnRoutes(settings(domain=b"edge.example.com", aliases=frozenset((b"203.0.113.10",))), mint())
        for host in ("EDGE.example.com", "203.0.113.10"):
            asked = request("OPTIONS", uri=f"sip:{host}")
            assert not own.is_for_us(asked, CLIENT)
            assert own.is_for_us(asked, SERVER)


class TestMark:
    def test_of_this_dialog(self, routes):
        uri = parse_uri(RC[1:-1].encode())
        mark = routes.mark_of(uri, b"c1")
        assert (mark.subject, mark.target, mark.flow_mark) == (TOKEN, 2, b"000007")
        assert routes.mark_of(uri, b"c1") is mark, "from memory"
        assert routes.mark_of(uri, b"c2") is None

    @pytest.mark.parametrize("uri", [b"sip:host", b"sip:roger@host", b"sip:r-1@host", b"sip:alice@host"])
    def test_of_nothing(self, routes, uri):
        assert routes.mark_of(parse_uri(uri), b"c1") is None

    def test_memory_is_bounded(self, routes):
        ours = mint()
        for i in range(9000):
            call_id = b"c%d" % i
            user = ours.record_route(TOKEN, 0, b"000000", call_id)
            assert routes.mark_of(parse_uri(b"sip:%b@h" % user), call_id) is not None
        assert len(routes._marks) <= 8192


class TestStrip:
    def test_nothing_there(self, routes):
        removed, left = stripped(routes)
        assert (removed.count, removed.mark, removed.path_token, left) == (0, None, b"", [])

    @pytest.mark.parametrize("lines", [(RC, RS), (f"{RC},{RS}",), (f"{RS} , {RC}",), (RS, RC)])
    def test_one_pair_goes(self, routes, lines):
        removed, left = stripped(routes, *lines)
        assert (removed.count, removed.mark.subject, removed.mark.target, left) == (2, TOKEN, 2, [])

    @pytest.mark.parametrize(
        "lines", [(RC, RS, "<sip:k;lr>"), (f"{RC}, {RS}, <sip:k;lr>",), (f"{RC},{RS}", "<sip:k;lr>")]
    )
    def test_others_stay(self, routes, lines):
        removed, left = stripped(routes, *lines)
        assert (removed.count, left) == (2, ["<sip:k;lr>"])

    def test_host_does_not_count(self, routes):
        """A server may have rewritten it (protocol 13)."""
        removed, left = stripped(routes, f"<sip:{USER}@10.0.0.2:41234;lr>", f"<sip:{USER}@192.0.2.99;lr>")
        assert (removed.count, removed.mark.subject, left) == (2, TOKEN, [])

    def test_pair_of_another_client_stays(self, routes):
        """At most one pair per pass: the next is a spiral's (protocol 8.5)."""
        other = f"<sip:{OTHER_USER}@10.0.0.2:5070;lr>"
        removed, left = stripped(routes, RC, RS, other, other)
        assert (removed.count, left) == (2, [other, other])
        removed, left = stripped(routes, RC, other)
        assert (removed.count, left) == (1, [other])

    def test_one_alone(self, routes):
        removed, left = stripped(routes, RC, "<sip:k;lr>")
        assert (removed.count, left) == (1, ["<sip:k;lr>"])

    def test_of_another_call_is_removed_without_effect(self, routes):
        """Old Routes under a new Call-ID (protocol 14)."""
        removed, left = stripped(routes, f"<sip:{STALE}@edge.example.com:8443;lr>", f"<sip:{STALE}@10.0.0.2:5070;lr>")
        assert (removed.count, removed.mark, left) == (2, None, [])

    def test_of_another_call_at_a_strange_host_stays(self, routes):
        removed, left = stripped(routes, f"<sip:{STALE}@192.0.2.9;lr>")
        assert (removed.count, removed.mark, len(left)) == (0, None, 1)

    def test_pre_loaded_outbound_proxy(self, routes):
        """Most desk phones, without a token (protocol 7.4)."""
        removed, left = stripped(routes, "<sip:edge.example.com:5060;lr>", "<sip:k;lr>")
        assert (removed.count, removed.mark, left) == (1, None, ["<sip:k;lr>"])

    @pytest.mark.parametrize(("params", "outbound"), [(";lr", False), (";lr;ob", True)])
    def test_path(self, routes, params, outbound):
        removed, _ = stripped(routes, f"<sip:p{TOKEN.decode()}@10.0.0.2:5070;transport=udp{params}>")
        assert (removed.count, removed.path_token, removed.outbound) == (1, TOKEN, outbound)

    def test_path_at_a_strange_host_is_none_of_ours(self, routes):
        removed, left = stripped(routes, f"<sip:p{TOKEN.decode()}@192.0.2.9;lr>")
        assert (removed.count, removed.path_token, len(left)) == (0, b"", 1)

    @pytest.mark.parametrize("line", ["<sip:k;lr>", "<broken", "<sip:>", "", ",", "<tel:1>"])
    def test_none_of_ours(self, routes, line):
        message = request("BYE", f"Route: {line}")
        before = message.octets()
        assert routes.strip(message).count == 0
        assert message.octets() == before

    def test_broken_one_behind_ours(self, routes):
        with pytest.raises(HeaderError):
            stripped(routes, RC, "<sip:>")


class TestStrict:
    """> If the Request-URI of the request contains a value this proxy previously placed into a Record-Route header
    field ..., the proxy MUST replace the Request-URI in the request with the last value from the Route header field,
    and remove that value from the Route header field. (16.4)
    """

    URI = RS[1:-1]
    CONTACT = "sip:alice@10.0.0.2:5070;b=x"

    @pytest.mark.parametrize(
        "lines", [(RC, f"<{CONTACT}>"), (f"{RC}, <{CONTACT}>",), (f"{RC},<sip:k;lr>", f"<{CONTACT}>")]
    )
    def test_changes_places_back(self, routes, lines):
        message = request("BYE", *(f"Route: {line}" for line in lines), uri=self.URI)
        assert routes.undo_strict(message)
        assert message.uri == self.CONTACT.encode()
        assert message.request_uri.user == b"alice"
        removed = routes.strip(message)
        assert removed.mark.subject == TOKEN
        assert [route.decode() for route in message.routes()] == (["<sip:k;lr>"] if "sip:k" in lines[0] else [])

    def test_single_route(self, routes):
        message = request("BYE", f"Route: <{self.CONTACT}>", uri=self.URI)
        assert routes.undo_strict(message)
        assert message.uri == self.CONTACT.encode()
        assert message.routes() == [RS.encode()]

    def test_own_address_is_enough(self, routes):
        message = request("BYE", f"Route: <{self.CONTACT}>", uri=f"sip:{STALE}@10.0.0.2:5070;lr")
        assert routes.undo_strict(message)

    @pytest.mark.parametrize(
        ("uri", "route"),
        [
            (CONTACT, RC), ("sip:10.0.0.2:5070;lr", RC), (f"sip:{USER}@10.0.0.2:5070", RC),
            (f"sip:{STALE}@192.0.2.9;lr", RC), ("tel:123", RC), (URI, None), (URI, ","), (URI, " , "),
        ],
    )  # fmt: skip
    def test_leaves_all_other_requests_alone(self, routes, uri, route):
        message = request("BYE", *([] if route is None else [f"Route: {route}"]), uri=uri)
        before = message.octets()
        assert not routes.undo_strict(message)
        assert message.octets() == before

    def test_last_route_that_cannot_be_read(self, routes):
        with pytest.raises(HeaderError):
            routes.undo_strict(request("BYE", "Route: <broken", uri=self.URI))


class TestTop:
    @pytest.mark.parametrize(
        ("lines", "left"),
        [
            (("<sip:a;lr>",), []), (("<sip:a;lr>, <sip:b;lr>",), ["<sip:b;lr>"]), (("<sip:a,b@h;lr>",), []),
            (("<sip:a;lr>", "<sip:b;lr>,<sip:c>"), ["<sip:b;lr>", "<sip:c>"]),
        ],
    )  # fmt: skip
    def test_remove(self, lines, left):
        message = request("BYE", *(f"Route: {line}" for line in lines))
        assert top_route(message).raw == lines[0].partition(", ")[0].encode()
        remove_top_route(message)
        assert [route.decode() for route in message.routes()] == left

    def test_none(self):
        assert top_route(request()) is None
        assert top_route(request("BYE", "Route: ,")) is None
        assert top_route(request("BYE", "Route: <")) is None


class TestRemembered:
    """A pair that we wrote is taken off by its octets, with the same result as one that was parsed."""

    MARK = RouteMark(TOKEN, 2, b"000007")

    @pytest.fixture
    def known(self, routes) -> OwnRoutes:
        routes.remember((f"Record-Route: {RS}".encode(), f"Record-Route: {RC}".encode()), b"c1", self.MARK)
        return routes

    @pytest.mark.parametrize("lines", [(RC, RS), (RS, RC), (f"{RC},{RS}",), (f"{RC}, {RS}",), (RC, RS, "<sip:k;lr>")])
    def test_pair(self, known, lines):
        removed, left = stripped(known, *lines)
        assert (removed.count, removed.mark, left) == (2, self.MARK, list(lines[2:]))
        assert not known._marks, "nothing was parsed"

    @pytest.mark.parametrize(
        ("lines", "count", "rest"),
        [
            ((RC,), 1, []), ((RC, "<sip:k;lr>"), 1, ["<sip:k;lr>"]), ((f"{RC},{RS},<sip:k;lr>",), 2, ["<sip:k;lr>"]),
            ((RC.replace("ws", "WS"), RS), 2, []), (("<sip:k;lr>", RC, RS), 0, ["<sip:k;lr>", RC, RS]),
        ],
    )  # fmt: skip
    def test_anything_else_is_parsed(self, known, lines, count, rest):
        removed, left = stripped(known, *lines)
        assert (removed.count, left) == (count, rest)
        assert removed.mark is not self.MARK

    def test_not_in_another_call(self, known):
        message = request("BYE", f"Route: {RC}", f"Route: {RS}", "Call-ID: c2")
        removed = known.strip(message)
        assert (removed.count, removed.mark) == (2, None)

    def test_places_follow(self, known):
        message = request("BYE", f"Route: {RC}", f"Route: {RS}", "Subject: x")
        assert message.places().route > 0
        known.strip(message)
        assert message.places().route == -1

    def test_is_bounded(self, routes):
        for i in range(20000):
            routes.remember((b"Record-Route: <sip:%d>" % i, b"Record-Route: <sip:x%d>" % i), b"c1", self.MARK)
        assert len(routes._written) + len(routes._written_before) <= 2 * 8194
        assert b"<sip:19999>" in routes._written
