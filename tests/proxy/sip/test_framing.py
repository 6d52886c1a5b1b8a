"""Streams are cut into the same messages, whatever the pieces they arrive in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sip.errors import FramingError
from proxy.sip.framing import StreamFramer

OPTIONS = b"OPTIONS sip:h SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n"
MESSAGE = b"MESSAGE sip:h SIP/2.0\r\nl: 5\r\nCall-ID: 2\r\n\r\nhe\r\n\r"
RESPONSE = b"SIP/2.0 200 OK\r\ncONTENT-lENGTH  :\r\n 4\r\n\r\nabcd"
INVITE = b"INVITE sip:h SIP/2.0\r\nSubject: a\r\n  b\r\nContent-Length: 03 \r\n\r\n\xff\x00\n"


def framer(max_head: int = 2000, max_body: int = 5000, max_lines: int = 20, require_length: bool = True):
    return StreamFramer(max_head, max_body, max_lines, require_length)


def drain(stream: StreamFramer) -> list[bytes]:
    messages = []
    while (message := stream.next()) is not None:
        messages.append(message)
    return messages


def in_pieces(data: bytes, size: int, stream: StreamFramer) -> list[bytes]:
    messages = []
    for start in range(0, len(data), size):
        stream.feed(data[start : start + size])
        messages += drain(stream)
    return messages


SIZES = pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 10**6], ids=lambda size: f"{size}-octets")


@SIZES
@pytest.mark.parametrize(
    "messages",
    [[OPTIONS], [MESSAGE], [RESPONSE], [INVITE], [OPTIONS, MESSAGE, RESPONSE, INVITE, MESSAGE, OPTIONS]],
    ids=["no body", "compact", "folded", "binary", "pipelined"],
)
def test_messages_come_out_as_they_were_sent(messages, size):
    assert in_pieces(b"".join(messages), size, framer()) == messages


@SIZES
def test_trailing_octets_wait_for_their_rest(size):
    stream = framer()
    assert in_pieces(OPTIONS + MESSAGE[:-3], size, stream) == [OPTIONS]
    stream.feed(MESSAGE[-3:])
    assert drain(stream) == [MESSAGE]
    assert in_pieces(MESSAGE[:20], size, stream) == []
    assert in_pieces(MESSAGE[20:] + OPTIONS, size, stream) == [MESSAGE, OPTIONS]


@given(
    st.lists(st.sampled_from([OPTIONS, MESSAGE, RESPONSE, INVITE]), max_size=6),
    st.lists(st.integers(1, 90), min_size=1, max_size=30),
)
def test_pieces_of_any_size(messages, sizes):
    data = b"".join(messages)
    stream = framer()
    found = []
    for size in sizes:
        stream.feed(data[:size])
        data = data[size:]
        found += drain(stream)
    stream.feed(data)
    assert found + drain(stream) == messages


def test_several_pieces_may_be_fed_before_asking():
    stream = framer()
    for octet in OPTIONS + MESSAGE:
        stream.feed(bytes((octet,)))
    assert drain(stream) == [OPTIONS, MESSAGE]


def test_messages_are_octet_strings_whatever_holds_them():
    stream = framer()
    stream.feed(OPTIONS[:9])
    stream.feed(OPTIONS[9:])
    assert type(stream.next()) is bytes


def test_nothing_is_held_once_everything_is_handed_out():
    """A thousand idle connections must not keep a thousand last pieces."""
    stream = framer()
    for size in (7, 10**6):
        in_pieces(OPTIONS + b"\r\n\r\n", size, stream)
        assert len(stream._buffer) == 0


def test_many_messages_while_one_is_always_unfinished():
    """The place of consumed messages is used again: the buffer does not grow with the stream."""
    stream = framer()
    stream.feed(MESSAGE[:10])
    largest = 0
    for _ in range(4000):
        stream.feed(MESSAGE[10:] + MESSAGE[:10])
        assert drain(stream) == [MESSAGE]
        largest = max(largest, len(stream._buffer))
    assert largest < 80_000


def test_a_body_that_is_incomplete_survives_the_making_of_room():
    stream = framer()
    stream.feed(OPTIONS[:10])
    stream.feed(OPTIONS[10:] + OPTIONS * 2000 + MESSAGE[:-3])
    assert len(drain(stream)) == 2001
    stream.feed(MESSAGE[-3:-1])
    assert drain(stream) == []
    stream.feed(MESSAGE[-1:])
    assert drain(stream) == [MESSAGE]


class CountedFinds(bytearray):
    """A buffer that counts the octets that are searched."""

    searched = 0

    def find(self, sub, start=0, end=None):
        CountedFinds.searched += len(self) - start
        return super().find(sub, start)


# Compiled code calls the built-in bytearray itself, so that nothing can stand in for it.
@pytest.mark.pure_only
def test_octets_are_not_searched_again(monkeypatch):
    """Octet by octet, a head of n octets costs a few n of searching and not n squared."""
    monkeypatch.setattr("proxy.sip.framing.bytearray", CountedFinds, raising=False)
    head = b"OPTIONS sip:h SIP/2.0\r\n" + b"X: y\r\n" * 1000 + b"l: 0\r\n\r\n"
    assert in_pieces(head, 1, framer(max_head=10_000, max_lines=2000)) == [head]
    assert 0 < CountedFinds.searched < 6 * len(head)


@SIZES
@pytest.mark.parametrize(
    ("data", "messages", "pings"),
    [
        (b"\r\n\r\n", [], 1),
        (b"\r\n", [], 0),
        (b"\r\n" * 7, [], 3),
        (b"\r\n\r\n" + OPTIONS + b"\r\n\r\n" + MESSAGE + b"\r\n\r\n\r\n\r\n", [OPTIONS, MESSAGE], 4),
        (b"\r\n" + OPTIONS + b"\r\n" + MESSAGE + b"\r\n", [OPTIONS, MESSAGE], 0),
        (b"\r\n\r\n\r\n" + OPTIONS + b"\r\n", [OPTIONS], 1),
    ],
    ids=["ping", "pong", "many", "between", "single", "odd"],
)
def test_pings_between_messages(data, messages, pings, size):
    """RFC 5626 section 4.4.1: two CRLFs are a ping; one is a pong, or padding, and is stepped over."""
    stream = framer()
    assert in_pieces(data, size, stream) == messages
    assert stream.take_pings() == pings
    assert stream.take_pings() == 0


def test_empty_lines_in_a_body_are_no_pings():
    stream = framer()
    body = b"\r\n\r\n\r\n\r\n"
    stream.feed(b"MESSAGE sip:h SIP/2.0\r\nl: 8\r\n\r\n" + body)
    assert stream.next().endswith(body)
    assert stream.take_pings() == 0


def refused(stream: StreamFramer, data: bytes, size: int) -> FramingError:
    with pytest.raises(FramingError) as caught:
        in_pieces(data, size, stream)
    return caught.value


@SIZES
@pytest.mark.parametrize(
    ("lines", "label", "status"),
    [
        (b"Call-ID: 1", "no_content_length", 400),
        (b"X: a\r\n Content-Length: 5", "no_content_length", 400),
        (b"X-Content-Length: 5", "no_content_length", 400),
        (b"X: a\nContent-Length: 5", "no_content_length", 400),
        (b"X: a\rContent-Length: 5", "no_content_length", 400),
        (b"Content-Length: -999", "bad_content_length", 400),
        (b"Content-Length: +5", "bad_content_length", 400),
        (b"Content-Length:", "bad_content_length", 400),
        (b"Content-Length: 5, 5", "bad_content_length", 400),
        (b"Content-Length: 5 5", "bad_content_length", 400),
        (b"Content-Length: 0x5", "bad_content_length", 400),
        (b"Content-Length: 5\r6", "bad_content_length", 400),
        (b"Content-Length: 5\nX: y", "bad_content_length", 400),
        (b"Content-Length: \xb2", "bad_content_length", 400),
        (b"Content-Length: 1\r\n 2", "bad_content_length", 400),
        (b"Content-Length: 5\r\nX: y\r\nl: 6", "bad_content_length", 400),
        (b"Content-Length: 5\r\nContent-Length\r\n : 6", "bad_content_length", 400),
        (b"l: 5\r\nl: x", "bad_content_length", 400),
        (b"Content-Length: 5001", "body_too_long", 513),
        (b"Content-Length: " + b"9" * 1500, "body_too_long", 513),
    ],
)
def test_length_that_cannot_be_trusted(lines, label, status, size):
    head = b"INVITE sip:h SIP/2.0\r\n" + lines + b"\r\n\r\n"
    stream = framer()
    error = refused(stream, OPTIONS + head + b"body", size)
    assert (error.label, error.status) == (label, status)
    assert stream.broken == head


@SIZES
@pytest.mark.parametrize(
    "lines",
    [b"l: 5\r\nContent-Length: 005", b"Content-Length: 5\r\ncontent-length:5", b"L: " + b"0" * 40 + b"5"],
)
def test_the_same_length_twice_is_no_doubt(lines, size):
    message = b"INVITE sip:h SIP/2.0\r\n" + lines + b"\r\n\r\nabcde"
    assert in_pieces(message + OPTIONS, size, framer()) == [message, OPTIONS]


def test_zeros_only_are_a_length_of_zero():
    message = b"INVITE sip:h SIP/2.0\r\nl: " + b"0" * 40 + b"\r\n\r\n"
    assert in_pieces(message, 9, framer()) == [message]


@SIZES
def test_length_may_be_absent_where_it_is_not_required(size):
    message = b"OPTIONS sip:h SIP/2.0\r\nX: y\r\n\r\n"
    assert in_pieces(message + OPTIONS, size, framer(require_length=False)) == [message, OPTIONS]


@SIZES
def test_bare_line_feeds_end_no_head(size):
    """What a lenient program would take for two messages is one head here, and no body is made of it."""
    smuggled = b"OPTIONS sip:h SIP/2.0\nl: 0\n\nINVITE sip:evil SIP/2.0\r\nl: 2\r\n\r\nab"
    assert in_pieces(smuggled, size, framer()) == [smuggled]


@SIZES
def test_head_that_is_too_long(size):
    start = b"INVITE sip:h SIP/2.0\r\nCall-ID: 1\r\n"
    stream = framer(max_head=100)
    error = refused(stream, start + b"X: " + b"y" * 200, size)
    assert (error.label, error.status) == ("head_too_long", 513)
    assert stream.broken == start + b"\r\n"


def test_complete_head_that_is_too_long():
    stream = framer(max_head=100)
    assert refused(stream, b"A sip:h SIP/2.0\r\nX: " + b"y" * 200 + b"\r\nl: 0\r\n\r\n", 1000).label == "head_too_long"
    assert stream.broken == b"A sip:h SIP/2.0\r\n\r\n"


def test_head_without_one_whole_line_cannot_be_answered():
    stream = framer(max_head=100)
    assert refused(stream, b"x" * 101, 1).label == "head_too_long"
    assert stream.broken == b""


@SIZES
def test_limits_themselves_are_allowed(size):
    message = b"A sip:h SIP/2.0\r\nX: y\r\nl: 10\r\n\r\n0123456789"
    head = message.index(b"0123456789")
    assert in_pieces(message, size, framer(head, 10, 3)) == [message]
    assert refused(framer(head - 1, 10, 3), message, size).label == "head_too_long"
    assert refused(framer(head, 9, 3), message, size).label == "body_too_long"
    assert refused(framer(head, 10, 2), message, size).label == "too_many_lines"


@SIZES
def test_too_many_lines(size):
    stream = framer(max_lines=3)
    error = refused(stream, b"A sip:h SIP/2.0\r\nB: 1\r\nC: 2\r\n 3\r\nl: 0\r\n\r\n", size)
    assert (error.label, error.status) == ("too_many_lines", 513)
    assert stream.broken == b"A sip:h SIP/2.0\r\nB: 1\r\nC: 2\r\n\r\n"


def test_a_broken_stream_stays_broken():
    stream = framer()
    stream.feed(b"INVITE sip:h SIP/2.0\r\n\r\n")
    with pytest.raises(FramingError) as first:
        stream.next()
    stream.feed(OPTIONS)
    with pytest.raises(FramingError) as second:
        stream.next()
    assert first.value.label == second.value.label == "no_content_length"
    assert len(stream._buffer) == 0


def test_messages_before_the_fault_are_handed_out():
    stream = framer()
    stream.feed(OPTIONS + MESSAGE + b"BROKEN\r\n\r\n")
    assert stream.next() == OPTIONS
    assert stream.next() == MESSAGE
    with pytest.raises(FramingError):
        stream.next()
    assert stream.broken == b"BROKEN\r\n\r\n"


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_any_octets_are_cut_or_refused(pieces):
    stream = framer(max_head=60, max_body=60, max_lines=5, require_length=False)
    found, label = b"", ""
    try:
        for piece in pieces:
            stream.feed(piece)
            found += b"".join(drain(stream))
    except FramingError as error:
        label = error.label
    assert label in {"", "head_too_long", "too_many_lines", "bad_content_length", "body_too_long"}
    assert len(found) <= sum(map(len, pieces))
