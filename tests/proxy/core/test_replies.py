"""Responses of the proxy itself (RFC 3261 section 8.2.6)."""

from __future__ import annotations

import pytest
from parts import lines_of, request

from proxy.core.replies import clean_phrase, has_tag, make_reply, make_trying
from proxy.sip.parser import parse_message


class TestReply:
    def test_copies_via_from_to_call_id_and_cseq(self):
        """> The From ... MUST equal the From ... The Via header field values in the response MUST equal the Via header
        field values in the request and MUST maintain the same ordering. (8.2.6.2)
        """
        message = request("INVITE", "Contact: <sip:a@b>", "Route: <sip:x;lr>", "Timestamp: 54")
        message.insert(2, b"via", b"v: SIP/2.0/UDP second;branch=z9hG4bK2,\r\n SIP/2.0/UDP third")
        assert make_reply(message, 404, b"tag1") == (
            b"SIP/2.0 404 Not Found\r\n"
            b"Via: SIP/2.0/UDP 198.51.100.7:4711;branch=z9hG4bKa1\r\n"
            b"v: SIP/2.0/UDP second;branch=z9hG4bK2,\r\n SIP/2.0/UDP third\r\n"
            b"From: <sip:alice@example.com>;tag=f1\r\n"
            b"To: <sip:bob@example.com>;tag=tag1\r\n"
            b"Call-ID: c1\r\n"
            b"CSeq: 1 INVITE\r\n"
            b"Content-Length: 0\r\n\r\n"
        )

    def test_tag_of_the_request_stays(self):
        reply = make_reply(request("BYE", "To: <sip:b@h>;tag=theirs"), 481, b"ours")
        assert b"To: <sip:b@h>;tag=theirs\r\n" in reply
        assert b"ours" not in reply

    def test_100_gets_no_tag(self):
        assert b"ours" not in make_reply(request(), 100, b"ours")

    def test_100_carries_the_timestamp_back(self):
        """> any Timestamp header field present in the request MUST be copied into this 100 (8.2.6.1)"""
        assert b"\r\nTimestamp: 54\r\n" in make_reply(request("INVITE", "Timestamp: 54"), 100)
        assert b"Timestamp" not in make_reply(request("INVITE", "Timestamp: 54"), 180)

    def test_phrase_and_further_lines(self):
        reply = make_reply(request(), 420, b"t", b"What is wrong", (b"Unsupported: foo",))
        assert lines_of(reply)[0] == b"SIP/2.0 420 What is wrong"
        assert lines_of(reply)[-2] == b"Unsupported: foo"

    def test_status_without_a_phrase(self):
        assert lines_of(make_reply(request(), 499))[0] == b"SIP/2.0 499 Unknown"

    def test_is_a_sip_message(self):
        assert parse_message(make_reply(request(), 500, b"t")).oddities is None


class TestTrying:
    @pytest.mark.parametrize("vias", [0, 2])
    def test_same_as_any_reply(self, vias):
        message = request("INVITE", "Timestamp: 54")
        for i in range(vias):
            message.insert(2, b"via", b"Via: SIP/2.0/UDP h%d" % i)
        assert sorted(lines_of(make_trying(message))) == sorted(lines_of(make_reply(message, 100)))
        assert parse_message(make_trying(message)).values(b"via") == message.values(b"via")

    def test_without_timestamp(self):
        assert make_trying(request()) == make_reply(request(), 100)


@pytest.mark.parametrize(("line", "tagged"), [("To: <sip:b@h>", False), ("To: <sip:b@h>;tag=x", True)])
def test_tag_of_a_request(line, tagged):
    assert has_tag(request("INVITE", line)) is tagged


@pytest.mark.parametrize(
    ("text", "phrase"),
    [("What is wrong", b"What is wrong"), ("a\r\nVia: x", b"a??Via: x"), ("ä\0", b"??"), ("x" * 500, b"x" * 120)],
)
def test_phrase_holds_no_line_end(text, phrase):
    assert clean_phrase(text) == phrase
