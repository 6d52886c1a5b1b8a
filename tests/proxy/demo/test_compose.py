"""The messages that the demo's two ends write, read back with the parser."""

from __future__ import annotations

import pytest

from proxy.demo.compose import answer, offer, request, response
from proxy.sip.message import Request, Response
from proxy.sip.parser import parse_message

HEADERS = [
    (b"Via", b"SIP/2.0/UDP 192.168.1.9:5060;branch=z9hG4bK1;rport"),
    (b"Via", b"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK0"),
    (b"Record-Route", b"<sip:a@10.0.0.2;lr>, <sip:b@10.0.0.3;lr>"),
    (b"From", b"<sip:anna@demo.test>;tag=f"),
    (b"To", b"<sip:echo@demo.test>"),
    (b"Call-ID", b"c1"),
    (b"CSeq", b"7 INVITE"),
]


def asked(via=None):
    headers = [(b"Via", via), *HEADERS[2:]] if via else HEADERS
    message = parse_message(request(b"INVITE", b"sip:echo@demo.test", headers, b"v=0\r\n"))
    assert isinstance(message, Request)
    assert not message.oddities
    return message


def answered(message, *arguments, **keywords):
    parsed = parse_message(response(message, *arguments, **keywords))
    assert isinstance(parsed, Response)
    assert not parsed.oddities
    return parsed


def test_request_is_complete():
    message = asked()
    assert message.uri == b"sip:echo@demo.test"
    assert message.value(b"max-forwards") == b"70"
    assert message.value(b"content-length") == b"5"
    assert message.value(b"content-type") == b"application/sdp"


def test_response_copies_what_rfc_3261_8_2_6_2_demands():
    message = asked()
    got = answered(message, 200, ("192.0.2.1", 4711), [(b"Contact", b"<sip:x>")], tag=b"t1")
    assert got.values(b"via") == [
        b"SIP/2.0/UDP 192.168.1.9:5060;branch=z9hG4bK1;rport=4711;received=192.0.2.1",
        b"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK0",
    ]
    assert got.value(b"record-route") == message.value(b"record-route")
    assert (got.from_.raw, got.to.raw) == (message.from_.raw, b"<sip:echo@demo.test>;tag=t1")
    assert (got.call_id, got.cseq) == (b"c1", (7, b"INVITE"))
    assert got.value(b"contact") == b"<sip:x>"


def test_rport_is_not_filled_in_unless_asked_for():
    got = answered(asked(via=b"SIP/2.0/UDP 192.168.1.9;branch=z9hG4bK1"), 200, ("192.0.2.1", 4711))
    assert got.value(b"via") == b"SIP/2.0/UDP 192.168.1.9;branch=z9hG4bK1;received=192.0.2.1"


def test_received_is_left_out_where_it_says_nothing_new():
    got = answered(asked(via=b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"), 200, ("192.0.2.1", 4711))
    assert got.value(b"via") == b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"


def test_100_and_errors_carry_neither_record_route_nor_in_case_of_100_a_tag():
    assert answered(asked(), 100, ("192.0.2.1", 1), tag=b"t").to.tag is None
    refused = answered(asked(), 400, ("192.0.2.1", 1), tag=b"t", reason=b"Missing Contact header")
    assert refused.to.tag == b"t"
    assert refused.reason == b"Missing Contact header"
    assert b"record-route" not in refused.names


def test_answer_takes_the_first_plain_audio_and_refuses_the_rest():
    offered = (
        b"v=0\r\no=- 1 1 IN IP4 192.168.1.9\r\ns=-\r\nc=IN IP4 192.168.1.9\r\nt=0 0\r\n"
        b"m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
        b"m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"
        b"m=audio 4004 RTP/AVP 0\r\n"
    )
    lines = (answer(offered, b"127.0.0.1", 6000) or b"").split(b"\r\n")
    assert [line for line in lines if line.startswith(b"m=")] == [
        b"m=video 0 RTP/AVP 96",
        b"m=audio 6000 RTP/AVP 8 101",
        b"m=audio 0 RTP/AVP 0",
    ]
    assert b"a=rtpmap:101 telephone-event/8000" in lines
    assert b"a=rtpmap:96 VP8/90000" not in lines
    assert b"a=sendonly" not in lines
    assert b"c=IN IP4 127.0.0.1" in lines


@pytest.mark.parametrize(
    "offered",
    [b"v=0\r\nm=audio 4000 UDP/TLS/RTP/SAVPF 111\r\n", b"v=0\r\nm=video 4000 RTP/AVP 96\r\n", b"v=0\r\nm=audio\r\n"],
)
def test_offer_without_plain_audio_has_no_answer(offered):
    assert answer(offered, b"127.0.0.1", 6000) is None


def test_invite_without_offer_gets_one():
    assert answer(b"", b"127.0.0.1", 6000) == offer(b"127.0.0.1", 6000)
