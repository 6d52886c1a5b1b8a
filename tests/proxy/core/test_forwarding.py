"""What every proxy changes in the copy that leaves (RFC 3261 section 16.6), and how a loop is known (RFC 5393)."""

from __future__ import annotations

import pytest
from parts import ALICE, EDGE_WSS, OWN, K, mint, request, response

from proxy.core.forwarding import (
    add_hop,
    has_looped,
    loop_mark,
    pop_via,
    record_route_line,
    record_routes,
    remove_hop,
    spend_hop,
    wants_record_route,
)
from proxy.core.tokens import LOOP_MARK_LENGTH
from proxy.flow import CLIENT, SERVER, Flow


class TestMaxForwards:
    @pytest.mark.parametrize(
        ("line", "left"),
        [
            (b"Max-Forwards: 70", b"Max-Forwards: 69"), (b"Max-Forwards: 1", b"Max-Forwards: 0"),
            (b"Max-Forwards: 255", b"Max-Forwards: 254"), (b"Max-Forwards: 300", b"Max-Forwards: 299"),
            (b"MAX-FORWARDS :\r\n 0068", b"MAX-FORWARDS: 67"), (b"max-forwards:9", b"max-forwards: 8"),
        ],
    )  # fmt: skip
    def test_one_hop_less(self, line, left):
        """> If the copy contains a Max-Forwards header field, the proxy MUST decrement its value by one (16.6)"""
        message = request()
        message.replace(message.index(b"max-forwards"), line)
        expected = message.octets().replace(line, left)
        spend_hop(message)
        assert message.octets() == expected

    def test_without_one(self):
        message = request(without=("Max-Forwards",))
        before = message.octets()
        spend_hop(message)
        assert message.octets() == before


class TestMaxBreadth:
    @pytest.mark.parametrize(
        ("lines", "left"),
        [
            (("max-breadth :5",), ("max-breadth :5",)),
            (("Max-Breadth: 9", "MAX-BREADTH: 4", "Max-Breadth: 9"), ("MAX-BREADTH: 4",)),
            (("Max-Breadth: 61",), ("Max-Breadth: 60",)),
            (("Max-Breadth: x", "Max-Breadth: 61"), ("Max-Breadth: x", "Max-Breadth: 61")),
        ],
    )
    def test_bounds(self, lines, left):
        """Only lines that have to change are touched."""
        message = request("INVITE", *lines)
        spend_hop(message)
        assert message.octets() == request("INVITE", "Max-Forwards: 69", *left).octets()


class TestLoop:
    def test_same_way_same_mark(self):
        assert loop_mark(request(), CLIENT) == loop_mark(request(), CLIENT)
        assert len(loop_mark(request(), CLIENT)) == LOOP_MARK_LENGTH

    @pytest.mark.parametrize(
        "header",
        ["Via: SIP/2.0/UDP other;branch=z9hG4bKx", "Max-Forwards: 12", "Subject: x", "Record-Route: <sip:a;lr>"],
    )
    def test_what_changes_from_hop_to_hop_does_not_count(self, header):
        assert loop_mark(request("INVITE", header), CLIENT) == loop_mark(request(), CLIENT)

    @pytest.mark.parametrize(
        "header",
        [
            "From: <sip:a@b>;tag=x", "To: <sip:bob@example.com>;tag=x", "Call-ID: c2", "CSeq: 2 INVITE",
            "Route: <sip:a;lr>", "Proxy-Require: x", "Proxy-Authorization: Digest x",
        ],
    )  # fmt: skip
    def test_what_decides_about_the_way_counts(self, header):
        """A spiral comes back with another Request-URI, or with credentials: it is no loop (RFC 5393 section 4.2.1)."""
        assert loop_mark(request("INVITE", header), CLIENT) != loop_mark(request(), CLIENT)

    def test_request_uri_and_side_count(self):
        assert loop_mark(request(uri="sip:carol@example.com"), CLIENT) != loop_mark(request(), CLIENT)
        assert loop_mark(request(), SERVER) != loop_mark(request(), CLIENT)

    def passed(self, shape: str, mark: bytes):
        branch = mint().branch(mark).decode()
        return request("INVITE", *(line.format(branch) for line in shape.splitlines()))

    @pytest.mark.parametrize(
        "shape",
        [
            "Via: SIP/2.0/UDP k;branch=z9hG4bKk\nVia: SIP/2.0/UDP 10.0.0.2:5070;branch={}",
            "Via: SIP/2.0/UDP k;branch=z9hG4bKk\nVia: SIP/2.0/UDP 10.0.0.2:5070;branch={};received=10.0.0.2",
            "Via: SIP/2.0/UDP k;branch=z9hG4bKk,SIP/2.0/UDP 10.0.0.2;branch={}, SIP/2.0/WSS a.invalid;branch=z9hG4bKa",
            "Via: SIP/2.0/UDP 10.0.0.2:5070;branch={}",
        ],
    )
    def test_passed_here_before(self, shape):
        mark = loop_mark(request(), CLIENT)
        assert has_looped(self.passed(shape, mark), mark)
        assert not has_looped(self.passed(shape, loop_mark(request("INVITE", "Call-ID: c2"), CLIENT)), mark)

    def test_two_of_our_branches_in_one_line(self):
        mark, other = b"0" * 15 + b"1", b"0" * 15 + b"2"
        one, two = mint().branch(other).decode(), mint().branch(mark).decode()
        assert has_looped(request("INVITE", f"Via: SIP/2.0/UDP a;branch={one}, SIP/2.0/UDP b;branch={two}"), mark)

    def test_never_here(self):
        assert not has_looped(request(), loop_mark(request(), CLIENT))
        assert not has_looped(request("INVITE", "Via: SIP/2.0/UDP a;branch=1", "Via: SIP/2.0/UDP b"), b"0" * 16)


class TestRecordRoute:
    @pytest.mark.parametrize(
        ("method", "to", "wanted"),
        [
            ("INVITE", "", True), ("SUBSCRIBE", "", True), ("REFER", "", True), ("NOTIFY", "", True),
            ("NOTIFY", ";tag=1", True), ("INVITE", ";tag=1", False), ("SUBSCRIBE", ";tag=1", False),
            ("REGISTER", "", False), ("OPTIONS", "", False), ("MESSAGE", "", False), ("BYE", ";tag=1", False),
            ("ACK", ";tag=1", False), ("PUBLISH", "", False),
        ],
    )  # fmt: skip
    def test_who_gets_one(self, method, to, wanted):
        assert wants_record_route(request(method, f"To: <sip:b@h>{to}")) is wanted

    def test_two_the_leaving_side_on_top(self):
        """> double Record-Routing (RFC 5658 section 4): one URI for each side"""
        assert record_routes(K, EDGE_WSS, b"rX", False) == (
            b"Record-Route: <sip:rX@10.0.0.2:5070;transport=udp;lr>",
            b"Record-Route: <sip:rX@edge.example.com:8443;transport=ws;lr>",
        )
        assert record_routes(Flow(EDGE_WSS, "h", 1, 1), OWN, b"rX", False)[0].startswith(b"Record-Route: <sip:rX@edge")

    def test_sips_where_the_request_is(self):
        assert record_route_line(OWN, b"r", True) == b"Record-Route: <sips:r@10.0.0.2:5070;transport=udp;lr>"


class TestHop:
    def test_via_on_top_and_record_routes_before_others(self):
        message = request("INVITE", "Record-Route: <sip:before;lr>")
        assert message.via.host == b"198.51.100.7"
        before = message.lines[:]
        add_hop(message, OWN, b"z9hG4bKx", (b"Record-Route: <sip:1>", b"Record-Route: <sip:2>"))
        assert message.lines == [
            before[0], b"Via: SIP/2.0/UDP 10.0.0.2:5070;branch=z9hG4bKx", b"Record-Route: <sip:1>",
            b"Record-Route: <sip:2>", *before[1:],
        ]  # fmt: skip
        assert message.via.branch == b"z9hG4bKx"
        assert message.values(b"record-route") == [b"<sip:1>", b"<sip:2>", b"<sip:before;lr>"]

    def test_via_alone(self):
        message = request()
        add_hop(message, ALICE.listener, b"z9hG4bKx", ())
        assert message.values(b"via")[0] == b"SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bKx"
        assert len(message.names) == len(message.lines)


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        (("Via: SIP/2.0/UDP ours",), []),
        (("Via: SIP/2.0/UDP ours", "v: SIP/2.0/UDP theirs"), [b"v: SIP/2.0/UDP theirs"]),
        (("v: SIP/2.0/UDP ours ,  SIP/2.0/UDP theirs, SIP/2.0/UDP x",), [b"v: SIP/2.0/UDP theirs, SIP/2.0/UDP x"]),
        (("Via: SIP/2.0/UDP ours, ",), []),
    ],
)  # fmt: skip
def test_own_via_is_taken_off(lines, left):
    """> The proxy removes the topmost Via header field value from the response. (16.7 step 3)"""
    message = response(200, without=("Via",))
    for line in reversed(lines):
        message.insert(1, b"via", line.encode())
    pop_via(message)
    assert [message.lines[i] for i in message.indexes(b"via")] == left


@pytest.mark.parametrize("routes", [(), (b"Record-Route: <sip:r1@a;lr>", b"Record-Route: <sip:r1@b;lr>")])
def test_hop_that_is_taken_off_again_leaves_no_trace(routes):
    message = request("INVITE", "Record-Route: <sip:10.0.0.9;lr>")
    before = (message.octets(), message.names[:], message.via.branch)
    add_hop(message, OWN, b"z9hG4bKours", routes)
    assert message.via.branch == b"z9hG4bKours"
    remove_hop(message, len(routes))
    assert (message.octets(), message.names, message.via.branch) == before
