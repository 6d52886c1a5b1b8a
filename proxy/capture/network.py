"""From captured packets to SIP messages: link layer, IP, UDP and TCP, one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from proxy.capture.captured import (
    BROKEN_PACKETS,
    CROWDED,
    CUT_SHORT,
    FRAGMENTS,
    GAPS,
    UNKNOWN_LINK,
    Captured,
    Packet,
    Tally,
)
from proxy.capture.ip import TCP as TCP_NUMBER
from proxy.capture.ip import UDP as UDP_NUMBER
from proxy.capture.ip import BrokenPacketError, Reassembly, Segment, address_text
from proxy.capture.link import KNOWN, ip_packet
from proxy.capture.sniff import looks_like_sip
from proxy.capture.stream import Conversation, StreamReader
from proxy.capture.tcp import Connections, Key
from proxy.flow import UDP

_TCP_HEADER: Final = 20


class Network:
    """Reads packets, and keeps what of them belongs together."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._fragments = Reassembly()
        self._connections: Connections[StreamReader] = Connections(self._make)
        self._found: deque[Captured] = deque()

    def messages(self, packets: Iterable[Packet]) -> Iterator[Captured | None]:
        """The messages in the packets, and None for each packet that completes none. Passes on what `packets` raises;
        call `finish` then."""
        for packet in packets:
            self._tally.packets = packet.number
            self._take(packet)
            if not self._found:
                yield None
            while self._found:
                yield self._found.popleft()

    def finish(self) -> Iterator[Captured]:
        """What was still waiting for packets that do not come any more."""
        self._connections.finish(self._tally.packets, 0.0)
        while self._found:
            yield self._found.popleft()
        lost = self._tally.lost
        for what, count in (
            (GAPS, self._connections.gaps),
            (CROWDED, self._connections.crowded),
            (FRAGMENTS, self._fragments.lost + self._fragments.waiting),
        ):
            if count:
                lost[what] += count

    def _take(self, packet: Packet) -> None:
        lost = self._tally.lost
        if packet.link not in KNOWN:
            lost[UNKNOWN_LINK] += 1
            return
        octets = ip_packet(packet.link, packet.octets)
        if not octets:
            return
        try:
            segment = self._fragments.take(octets, packet.whole)
        except BrokenPacketError:
            lost[BROKEN_PACKETS] += 1
            return
        if segment is None:
            return
        if segment.protocol == UDP_NUMBER:
            self._udp(segment, packet)
        elif segment.protocol == TCP_NUMBER:
            self._tcp(segment, packet)

    def _udp(self, segment: Segment, packet: Packet) -> None:
        octets = segment.payload
        payload = octets[8:]
        if not payload or not looks_like_sip(payload):
            return
        length = (octets[4] << 8 | octets[5]) - 8
        if length < 0 or length > len(payload) or not segment.whole:
            self._tally.lost[CUT_SHORT] += 1
            return
        source = (address_text(segment.source), octets[0] << 8 | octets[1])
        destination = (address_text(segment.destination), octets[2] << 8 | octets[3])
        self._found.append(Captured(payload[:length], source, destination, UDP, packet.number, packet.time))

    def _tcp(self, segment: Segment, packet: Packet) -> None:
        octets = segment.payload
        if len(octets) < _TCP_HEADER:
            self._tally.lost[BROKEN_PACKETS] += 1
            return
        start = (octets[12] >> 4) * 4
        if start < _TCP_HEADER:
            self._tally.lost[BROKEN_PACKETS] += 1
            return
        if not segment.whole:
            self._tally.lost[CUT_SHORT] += 1
        key = (segment.source, octets[0] << 8 | octets[1], segment.destination, octets[2] << 8 | octets[3])
        self._connections.take(key, octets[:_TCP_HEADER], octets[start:], packet.number, packet.time)

    def _make(self, key: Key) -> tuple[StreamReader, StreamReader]:
        conversation = Conversation()
        one = (address_text(key[0]), key[1])
        other = (address_text(key[2]), key[3])
        return self._reader(conversation, one, other), self._reader(conversation, other, one)

    def _reader(
        self, conversation: Conversation, source: tuple[str, int], destination: tuple[str, int]
    ) -> StreamReader:
        def deliver(octets: bytes, transport: int, number: int, time: float) -> None:
            self._found.append(Captured(octets, source, destination, transport, number, time))

        return StreamReader(conversation, deliver, self._tally.lost)
