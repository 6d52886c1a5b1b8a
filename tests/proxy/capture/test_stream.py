"""What a TCP connection carries: SIP, WebSocket, TLS, and finding the way again behind gaps."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.capture.captured import ENCRYPTED, UNFRAMED
from proxy.capture.stream import Conversation, StreamReader
from proxy.flow import TCP, WS
from tests.proxy.capture.messages import ANSWER, INVITE
from tests.support.captures import deflated, frame, handshake


class Talk:
    """Both directions of a connection, and the messages found."""

    def __init__(self):
        self.lost = Counter()
        self.found = []
        conversation = Conversation()
        self.client, self.server = (
            StreamReader(conversation, lambda octets, transport, *_: self.found.append((octets, transport)), self.lost)
            for _ in range(2)
        )

    def says(self, *pieces, gap=False, server=False):
        for piece in pieces:
            (self.server if server else self.client).feed(piece, gap, 1, 0.0)
            gap = False


@pytest.fixture
def talk():
    return Talk()


@pytest.mark.parametrize("size", [1, 13, 5000])
def test_bare_sip_is_cut_into_messages(talk, size):
    stream = b"\r\n\r\n" + INVITE + ANSWER + b"\r\n\r\n" + INVITE
    talk.says(*(stream[at : at + size] for at in range(0, len(stream), size)))
    assert talk.found == [(INVITE, TCP), (ANSWER, TCP), (INVITE, TCP)]
    assert not talk.lost


@pytest.mark.parametrize("size", [1, 13, 5000])
def test_websocket_is_read_from_its_handshake_on(talk, size):
    request, answer = handshake()
    stream = request + frame(INVITE, True)
    talk.says(*(stream[at : at + size] for at in range(0, len(stream), size)))
    stream = answer + frame(ANSWER, False)
    talk.says(*(stream[at : at + size] for at in range(0, len(stream), size)), server=True)
    assert talk.found == [(INVITE, WS), (ANSWER, WS)]


def test_compression_that_was_agreed_on_is_undone(talk):
    request, answer = handshake("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
    talk.says(request)
    talk.says(answer, deflated(ANSWER, False), server=True)
    talk.says(deflated(INVITE, True))
    assert talk.found == [(ANSWER, WS), (INVITE, WS)]


@pytest.mark.parametrize("of_client", [True, False])
def test_websocket_older_than_the_capture(talk, of_client):
    """What is no beginning of a SIP message is passed over."""
    talk.says(b"\x8a\x80abcd", frame(INVITE, of_client), frame(ANSWER, of_client), gap=True)
    assert talk.found == [(INVITE, WS), (ANSWER, WS)]


def test_sip_older_than_the_capture(talk):
    talk.says(b"and the rest of a body\r\n", INVITE, ANSWER, gap=True)
    assert talk.found == [(INVITE, TCP), (ANSWER, TCP)]


def test_behind_a_gap_the_next_message_is_found(talk):
    talk.says(INVITE, INVITE[:40])
    talk.says(b"tail of something", INVITE + ANSWER, gap=True)
    assert talk.found == [(INVITE, TCP), (INVITE, TCP), (ANSWER, TCP)]
    talk.says(frame(INVITE, True)[:30])
    talk.says(frame(ANSWER, True), gap=True)
    assert talk.found[3:] == [(ANSWER, WS)]


def test_tls_is_counted_once_and_never_looked_at_again(talk):
    talk.says(b"\x16\x03\x01", INVITE)
    talk.says(b"\x16\x03\x03", INVITE, gap=True, server=True)
    assert talk.found == []
    assert talk.lost == {ENCRYPTED: 1}


def test_message_without_content_length_is_shown_and_ends_the_cutting(talk):
    head = INVITE.replace(b"Content-Length: 5\r\n", b"")[:-5]
    talk.says(head + b"v=0\r\n", INVITE)
    assert talk.found == [(head, TCP), (INVITE, TCP)]
    assert not talk.lost


def test_what_cannot_be_cut_is_counted(talk):
    talk.says(INVITE.replace(b": 5", b": many"))
    talk.says(INVITE + b"garbage\r\nContent-Length: 0\r\n\r\n", ANSWER)
    assert talk.found == [(INVITE, TCP), (ANSWER, TCP)]
    assert talk.lost == {UNFRAMED: 2}
    talk.says(frame(ANSWER, True) + b"\xff\xff\xff\xff", gap=True)
    assert talk.lost == {UNFRAMED: 3}


def test_other_http_is_nothing(talk):
    talk.says(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", INVITE)
    talk.says(b"HTTP/1.1 200 OK\r\n\r\n", INVITE, server=True)
    assert talk.found == []
    other = Talk()
    other.says(b"GET /", b"x" * 20_000, INVITE)
    assert other.found == []


def test_what_waits_is_bounded(talk):
    for _ in range(100):
        talk.says(b"GET " + b"a" * 1000)
    assert len(talk.client._buffer) < 17_000


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=40) | st.sampled_from([INVITE, frame(INVITE, True), handshake()[0]]), st.booleans()
        )
    )
)
def test_no_octets_crash_it(pieces):
    talk = Talk()
    for octets, gap in pieces:
        talk.says(octets, gap=gap)
