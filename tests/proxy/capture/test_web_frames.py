"""WebSocket frames: masked, in pieces, compressed, and what is no frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.capture.web_frames import MAX_MESSAGE, FrameReader, begins_frame, compressions
from tests.proxy.capture.messages import ANSWER, INVITE
from tests.support.captures import deflated, frame, handshake


@pytest.mark.parametrize("from_client", [True, False])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_messages_come_out_however_the_octets_come(from_client, size):
    stream = frame(INVITE, from_client) + frame(ANSWER * 3, from_client, opcode=2) + frame(b"x" * 70_000, from_client)
    reader = FrameReader(from_client)
    found = [message for at in range(0, len(stream), size) for message in reader.feed(stream[at : at + size])]
    assert found == [INVITE, ANSWER * 3, b"x" * 70_000]
    assert not reader.broken


def test_fragments_are_put_together_around_pings_and_keep_alives_are_left_out():
    stream = frame(INVITE[:50], True, final=False) + frame(b"ping", True, opcode=9)
    stream += frame(INVITE[50:], True, opcode=0) + frame(b"\r\n\r\n", True) + frame(b"", True, opcode=8)
    assert FrameReader(True).feed(stream) == [INVITE]


def test_pieces_without_end_are_bounded():
    reader = FrameReader(True)
    reader.feed(frame(bytes(50_000), True, final=False))
    for _ in range(20):
        reader.feed(frame(bytes(50_000), True, opcode=0, final=False))
    assert reader.broken or len(reader._pieces) <= MAX_MESSAGE + 50_000


@pytest.mark.parametrize("octets", [frame(INVITE, False), b"\xff\xff\xff", b"\x81\xff" + b"\xff" * 12])
def test_what_is_no_frame_of_the_client_breaks_it(octets):
    reader = FrameReader(True)
    assert reader.feed(octets) == []
    assert reader.broken
    assert reader.feed(frame(INVITE, True)) == []


def test_compressed_frames():
    client, server = compressions(handshake("permessage-deflate; client_no_context_takeover")[1])
    assert client is not None
    assert FrameReader(True, client).feed(deflated(INVITE, True) + deflated(ANSWER, True)) == [INVITE, ANSWER]
    assert FrameReader(False, server).feed(deflated(ANSWER, False)) == [ANSWER]


def test_compressed_bomb_is_refused():
    client, _ = compressions(handshake("permessage-deflate")[1])
    reader = FrameReader(True, client)
    assert reader.feed(deflated(bytes(5_000_000), True)) == []
    assert reader.broken


@pytest.mark.parametrize(
    "word", ["", "x-webkit-deflate-frame", "permessage-deflate; foo=bar", "permessage-deflate;;==", "é"]
)
def test_other_compressions_are_none(word):
    assert compressions(handshake(word)[1]) == (None, None)


def test_frame_is_known_without_handshake():
    assert begins_frame(frame(INVITE, True), True)
    assert begins_frame(frame(ANSWER, False), False)
    assert begins_frame(frame(INVITE * 400, True), True)
    assert not begins_frame(frame(INVITE, True), False)
    assert not begins_frame(frame(b"hello", True), True)
    assert not begins_frame(frame(INVITE, True)[:4], True)
    assert not begins_frame(INVITE, True)
    assert not begins_frame(b"", True)


@given(st.lists(st.binary(max_size=60), max_size=8), st.booleans())
def test_no_octets_crash_it(pieces, from_client):
    reader = FrameReader(from_client)
    for piece in pieces:
        reader.feed(piece)
        begins_frame(piece, from_client)
