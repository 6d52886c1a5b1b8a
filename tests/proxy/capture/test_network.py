"""From packets to messages: who sent what to whom, by which transport."""

from __future__ import annotations

import pytest

from proxy.capture.captured import BROKEN_PACKETS, CUT_SHORT, FRAGMENTS, GAPS, UNKNOWN_LINK, Packet, Tally
from proxy.capture.network import Network
from proxy.flow import TCP, UDP, WS
from tests.proxy.capture.messages import ANSWER, INVITE
from tests.support.captures import PHONE, RAW, SERVER, Connection, fragments, frame, handshake, tcp, udp


def read(packets, link=RAW, whole=True):
    tally = Tally()
    network = Network(tally)
    made = [Packet(number, 0, float(number), link, octets, whole) for number, octets in enumerate(packets, 1)]
    found = [message for message in network.messages(made) if message is not None]
    return [*found, *network.finish()], tally


def test_datagram_has_its_ends_and_its_packet():
    (message,), tally = read(
        [udp(PHONE, SERVER, b"\r\n\r\n"), udp(PHONE, SERVER, INVITE), udp(SERVER, PHONE, bytes(99))]
    )
    assert (message.octets, message.source, message.destination) == (INVITE, PHONE, SERVER)
    assert (message.transport, message.number, message.time) == (UDP, 2, 2.0)
    assert tally.packets == 3
    assert not tally.lost


def test_fragmented_datagram_is_one_message():
    packets = fragments(udp(PHONE, SERVER, INVITE), 80)
    (message,), tally = read(packets[::-1])
    assert (message.octets, message.number) == (INVITE, len(packets))
    _, tally = read(packets[:-1])
    assert tally.lost == {FRAGMENTS: 1}


def test_ipv6():
    one, other = ("2001:db8::1", 5060), ("2001:db8::2", 5060)
    (message,), _ = read([udp(one, other, INVITE)])
    assert (message.source, message.destination) == (one, other)


def test_stream_both_ways():
    talk = Connection(PHONE, SERVER)
    packets = [*talk.opens(), *talk.says(INVITE, 60), *talk.says(ANSWER, back=True)]
    packets[3], packets[4] = packets[4], packets[3]
    found, tally = read(packets)
    assert [(m.octets, m.source, m.destination, m.transport) for m in found] == [
        (INVITE, PHONE, SERVER, TCP),
        (ANSWER, SERVER, PHONE, TCP),
    ]
    assert not tally.lost


def test_websocket():
    talk = Connection(PHONE, SERVER)
    request, answer = handshake()
    found, _ = read(
        [*talk.opens(), *talk.says(request), *talk.says(answer, back=True), *talk.says(frame(INVITE, True), 50),
         *talk.says(frame(ANSWER, False), back=True)]
    )  # fmt: skip
    assert [(m.octets, m.transport, m.source) for m in found] == [(INVITE, WS, PHONE), (ANSWER, WS, SERVER)]


def test_missing_segment_loses_its_message_only():
    talk = Connection(PHONE, SERVER)
    packets = [*talk.opens(), *talk.says(INVITE), *talk.says(INVITE.replace(b"c1", b"c2")), *talk.says(ANSWER)]
    del packets[3]
    found, tally = read(packets)
    assert [m.octets for m in found] == [INVITE, ANSWER]
    assert tally.lost == {GAPS: 1}


@pytest.mark.parametrize(
    ("packet", "link", "what"),
    [
        (udp(PHONE, SERVER, INVITE)[:-10], RAW, CUT_SHORT),
        (tcp(PHONE, SERVER, 1, INVITE)[:-10], RAW, CUT_SHORT),
        (tcp(PHONE, SERVER, 1)[:-10], RAW, BROKEN_PACKETS),
        (tcp(PHONE, SERVER, 1, INVITE)[:32] + b"\0" + tcp(PHONE, SERVER, 1, INVITE)[33:], RAW, BROKEN_PACKETS),
        (b"\x11" * 40, RAW, BROKEN_PACKETS),
        (b"\x11" * 40, 127, UNKNOWN_LINK),
    ],
)
def test_what_cannot_be_used_is_counted(packet, link, what):
    """A message cut off by the capture must not be judged: what is missing would be called a defect."""
    found, tally = read([packet], link, whole=False)
    assert found == []
    assert tally.lost == {what: 1}


def test_datagram_shorter_than_it_says_is_cut_short():
    packet = bytearray(udp(PHONE, SERVER, INVITE))
    packet[24:26] = b"\x0f\xff"
    found, tally = read([bytes(packet)])
    assert found == []
    assert tally.lost == {CUT_SHORT: 1}
