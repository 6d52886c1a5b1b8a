"""One connection without a socket: what it makes of the octets, however they are cut, and how it ends."""

from __future__ import annotations

import pytest
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from proxy.events import FramingFailed, MessageReceived
from proxy.flow import CLIENT, TCP, Flow, Listener
from proxy.transport.connection import StreamConnection
from proxy.transport.contract import StreamLimits
from tests.support.transport_ends import Owner, Wire

LISTENER = Listener(0, CLIENT, TCP, "127.0.0.1", 5060, "127.0.0.1", 5060)


def message(number, body=b""):
    head = b"MESSAGE sip:%d@example.com SIP/2.0\r\nContent-Length: %d\r\n\r\n" % (number, len(body))
    return head + body


class Bench:
    def __init__(self, **limits):
        self.owner = Owner(StreamLimits(**limits))
        self.wire = Wire()
        self.connection = StreamConnection(self.owner, Flow(LISTENER, "192.0.2.7", 4711, 5))
        self.connection.makeConnection(self.wire)

    @property
    def messages(self):
        return [event.octets for event in self.owner.events if isinstance(event, MessageReceived)]

    def feed(self, octets, size=None):
        size = size or len(octets)
        for start in range(0, len(octets), size):
            self.connection.dataReceived(octets[start : start + size])


@pytest.fixture
def bench():
    return Bench()


STREAM = message(1) + message(2, b"two\r\n\r\n") + b"\r\n\r\n" + message(3, b"x" * 300)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 10_000])
def test_messages_are_the_same_however_they_are_cut(bench, size):
    bench.feed(STREAM, size)
    assert bench.messages == [message(1), message(2, b"two\r\n\r\n"), message(3, b"x" * 300)]
    assert bench.wire.value() == b"\r\n"


def test_a_message_carries_flow_and_time(bench):
    bench.owner.time.advance(3.5)
    bench.feed(message(1))
    [event] = bench.owner.events
    assert (event.flow, event.now) == (bench.connection.flow, 3.5)


@pytest.mark.parametrize(("pings", "size"), [(1, 4), (1, 1), (3, 100), (3, 1)])
def test_each_ping_gets_a_pong(bench, pings, size):
    """> the server ... respond with a single CRLF (RFC 5626 section 4.4.1)"""
    bench.feed(b"\r\n\r\n" * pings, size)
    assert bench.wire.value() == b"\r\n" * pings
    assert bench.owner.events == []


def test_a_single_crlf_is_a_pong_of_the_peer_and_gets_no_answer(bench):
    bench.feed(b"\r\n")
    assert bench.wire.value() == b""


def test_the_options_of_the_socket_are_set(bench):
    assert bench.wire.no_delay
    assert bench.wire.keep_alive


def test_a_connection_carries_messages_at_once(bench):
    assert bench.owner.up == 1


def test_a_moment_of_rest_changes_nothing(bench):
    """SIP over a stream has no sign of life of ours: clients send theirs."""
    bench.connection.rest(1e6)
    assert (bench.wire.value(), bench.wire.ends) == (b"", [])


# -- framing errors


@pytest.mark.parametrize(
    ("octets", "label"),
    [
        (b"MESSAGE sip:a SIP/2.0\r\nContent-Length: 1\r\nl: 2\r\n\r\nxx", "bad_content_length"),
        (b"MESSAGE sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n", "bad_content_length"),
        (b"MESSAGE sip:a SIP/2.0\r\nX: y\r\n\r\n", "no_content_length"),
        (b"MESSAGE sip:a SIP/2.0\r\nContent-Length: 99999\r\n\r\n", "body_too_long"),
        (b"MESSAGE sip:a SIP/2.0\r\n" + b"X: y\r\n" * 600 + b"Content-Length: 0\r\n\r\n", "too_many_lines"),
        (b"MESSAGE sip:a SIP/2.0\r\nX: " + b"y" * 40_000, "head_too_long"),
    ],
)
@pytest.mark.parametrize("size", [None, 7])
def test_a_stream_that_cannot_be_cut_is_told_once(bench, octets, label, size):
    bench.feed(message(1) + octets + message(2), size)
    assert bench.messages == [message(1)]
    [failed] = [event for event in bench.owner.events if isinstance(event, FramingFailed)]
    assert failed.reason == label
    assert failed.octets.startswith(b"MESSAGE sip:a SIP/2.0\r\n")
    assert failed.explanation
    assert failed.status == (513 if "too" in label else 400)


def test_after_a_framing_error_nothing_more_is_read(bench):
    bench.feed(b"MESSAGE sip:a SIP/2.0\r\nX: y\r\n\r\n")
    bench.feed(message(2) + b"\r\n\r\n")
    assert len(bench.owner.events) == 1
    assert bench.wire.value() == b""


def test_the_answer_to_a_framing_error_is_written_before_the_end(bench):
    def answer(event):
        bench.connection.send(b"SIP/2.0 400 Bad\r\n\r\n")
        bench.connection.close(event.reason)

    bench.owner.on_event = answer
    bench.feed(b"MESSAGE sip:a SIP/2.0\r\nX: y\r\n\r\n")
    assert bench.wire.value() == b"SIP/2.0 400 Bad\r\n\r\n"
    assert bench.wire.ends == ["half-closed"]


# -- ends


def test_a_message_that_closes_the_connection_is_the_last_one(bench):
    """Messages pipelined behind it must not be acted on: their sender has been turned away."""
    bench.owner.on_event = lambda event: bench.connection.close("refused")
    bench.feed(message(1) + message(2) + b"\r\n\r\n")
    assert bench.messages == [message(1)]
    assert bench.wire.value() == b""


def test_close_keeps_reading_until_the_peer_closes_too(bench):
    """A socket closed with unread octets is reset, and the peer may lose what it has not read yet."""
    bench.connection.send(b"last words")
    bench.connection.close("why")
    bench.feed(message(1))
    assert bench.wire.ends == ["half-closed"]
    assert bench.wire.producer is None
    assert (bench.messages, bench.owner.left) == ([], ["why"])
    bench.connection.connectionLost(Failure(ConnectionDone()))
    assert bench.owner.gone == 1


def test_inside_tls_the_goodbye_is_that_of_tls(bench):
    """Half a close of the socket would look like an attack to the peer (RFC 8446 section 6.1)."""
    bench.owner.secure = True
    bench.connection.close("why")
    assert bench.wire.ends == ["closed"]
    assert bench.wire.producer is None


def test_a_second_end_changes_nothing(bench):
    bench.connection.close("why")
    bench.connection.close("again")
    bench.connection.abort("and again")
    bench.connection.shut("shutdown")
    assert bench.owner.left == ["why"]
    assert bench.wire.ends == ["half-closed"]


def test_nothing_is_written_after_the_end(bench):
    bench.connection.abort("why")
    bench.connection.send(b"late")
    assert bench.wire.value() == b""
    assert bench.wire.ends == ["aborted"]


def test_the_end_of_the_process_waits_for_no_peer(bench):
    bench.connection.shut("shutdown")
    assert bench.wire.ends == ["closed"]


def test_the_end_of_the_process_gives_up_on_a_peer_that_does_not_read(bench):
    bench.connection.pauseProducing()
    bench.connection.shut("shutdown")
    assert bench.wire.ends == ["aborted"]


# -- a peer that does not read


def test_what_waits_for_a_peer_that_does_not_read_is_bounded():
    bench = Bench(write_buffer=1000)
    bench.connection.pauseProducing()
    bench.connection.send(b"x" * 600)
    bench.connection.send(b"x" * 400)
    assert bench.wire.ends == []
    bench.connection.send(b"x")
    assert bench.wire.ends == ["aborted"]
    assert bench.owner.left == ["slow_reader"]
    assert bench.owner.counts.dropped["slow_reader"] == 1


def test_being_told_again_that_the_peer_does_not_read_makes_no_room():
    """Twisted calls `pauseProducing` with every write beyond its buffer."""
    bench = Bench(write_buffer=1000)
    for _ in range(2):
        bench.connection.pauseProducing()
        bench.connection.send(b"x" * 501)
    assert bench.wire.ends == ["aborted"]


def test_a_slow_reader_is_counted_once():
    bench = Bench(write_buffer=1000)
    bench.connection.pauseProducing()
    for _ in range(5):
        bench.connection.send(b"x" * 600)
    assert bench.owner.counts.dropped["slow_reader"] == 1
    assert bench.wire.ends == ["aborted"]


def test_a_peer_that_reads_again_gets_the_whole_room_again():
    bench = Bench(write_buffer=1000)
    for _ in range(5):
        bench.connection.pauseProducing()
        bench.connection.send(b"x" * 900)
        bench.connection.resumeProducing()
    assert bench.wire.ends == []
    assert len(bench.wire.value()) == 4500


def test_a_peer_that_reads_may_be_sent_anything():
    bench = Bench(write_buffer=1000)
    bench.connection.send(b"x" * 100_000)
    assert len(bench.wire.value()) == 100_000


# -- how long it has been waiting


def test_a_message_under_way_is_timed_from_its_first_octet(bench):
    bench.owner.time.advance(10)
    bench.feed(b"MESSAGE")
    bench.owner.time.advance(10)
    bench.feed(b" sip:a")
    assert bench.connection.partial
    assert (bench.connection.begun, bench.connection.heard) == (10, 20)


def test_a_message_behind_a_whole_one_is_timed_from_there(bench):
    bench.feed(b"MESS")
    bench.owner.time.advance(10)
    bench.feed(message(1)[4:] + b"MES")
    assert bench.connection.partial
    assert bench.connection.begun == 10


def test_between_messages_nothing_is_under_way(bench):
    bench.feed(message(1) + b"\r\n\r\n")
    assert not bench.connection.partial
    bench.connection.stopProducing()
    assert bench.wire.ends == []
