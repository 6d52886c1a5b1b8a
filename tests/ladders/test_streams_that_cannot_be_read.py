"""A stream that cannot be cut into messages: answered where possible, and closed (RFC 3261 section 18.3)."""

from __future__ import annotations

from proxy.events import FramingFailed
from tests.support.ladder import Ladder, does, nothing
from tests.support.sip_text import SipText

HEAD = (
    b"MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.168.1.30:5060;rport;branch=z9hG4bKx\r\n"
    b"From: <sip:tom@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n"
    b"Max-Forwards: 70\r\n"
)


def breaks(party, octets, reason, explanation):
    """The framer gives up."""

    def fail(world):
        party.sent.append(SipText(octets))
        world.feed(FramingFailed(party.flow, octets, reason, explanation, world.now))

    return does(fail, f"the stream of {party.name} breaks: {reason}")


def test_malformed_message_is_refused_and_the_stream_closed(field, tom, pbx):
    """400 says why, then the connection is closed: nobody knows where the next message would begin."""
    octets = HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"
    assert (
        Ladder(field)
        >> breaks(tom, octets, "bad_content_length", "there are Content-Lengths that differ")
        << tom.gets("400 there are Content-Lengths that differ")
        << tom.is_closed("bad_content_length")
    )
    assert field.counts.dropped["bad_content_length"] == 1


def test_junk_on_a_stream_closes_it(field, tom, pbx):
    """What is no SIP gets no answer."""
    assert (
        Ladder(field)
        >> breaks(tom, b"GET / HTTP/1.1\r\n\r\n", "not_sip", "this is not SIP")
        << tom.is_closed("not_sip")
        << nothing
    )


def test_response_that_cannot_be_cut_closes_the_stream(field, tom, pbx):
    """A response is answered by nobody."""
    assert (
        Ladder(field)
        >> breaks(tom, b"SIP/2.0 200 OK\r\nCSeq: 1 X\r\n\r\n", "bad_content_length", "Content-Length is no number")
        << tom.is_closed("bad_content_length")
    )
