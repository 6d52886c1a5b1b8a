"""Writes captures octet by octet: the files that tcpdump, Wireshark and others would write, and broken ones."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from zlib import compressobj

ETHERNET = 1
RAW = 101
SLL = 113
SLL2 = 276
NULL = 0
LOOP = 108

End = tuple[str, int]
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

PHONE: End = ("192.168.1.9", 5060)
SERVER: End = ("203.0.113.5", 5060)


def crlf(text: str) -> bytes:
    """A message written with LF and an indentation of none."""
    return text.replace("\n", "\r\n").encode()


# -- packets


def ip(source: str, destination: str, protocol: int, payload: bytes, number: int = 1) -> bytes:
    one, other = ip_address(source), ip_address(destination)
    if one.version == 4:
        return ipv4(one.packed, other.packed, protocol, payload, number)
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + one.packed + other.packed + payload


def ipv4(source: bytes, destination: bytes, protocol: int, payload: bytes, number: int, place: int = 0) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), number, place, 64, protocol, 0)
    return head + source + destination + payload


def fragments(packet: bytes, size: int, number: int = 77) -> list[bytes]:
    """The fragments of an IPv4 packet without options; `size` is a multiple of eight."""
    payload = packet[20:]
    pieces = []
    for at in range(0, len(payload), size):
        more = 0x2000 if at + size < len(payload) else 0
        pieces.append(ipv4(packet[12:16], packet[16:20], packet[9], payload[at : at + size], number, at // 8 | more))
    return pieces


def fragments6(packet: bytes, size: int, number: int = 77) -> list[bytes]:
    kind, payload = packet[6], packet[40:]
    pieces = []
    for at in range(0, len(payload), size):
        more = at + size < len(payload)
        part = struct.pack("!BBHI", kind, 0, at | more, number) + payload[at : at + size]
        pieces.append(packet[:4] + struct.pack("!HB", len(part), 44) + packet[7:40] + part)
    return pieces


def udp(source: End, destination: End, octets: bytes) -> bytes:
    datagram = struct.pack("!HHHH", source[1], destination[1], 8 + len(octets), 0) + octets
    return ip(source[0], destination[0], 17, datagram)


def tcp(source: End, destination: End, sequence: int, octets: bytes = b"", flags: int = ACK | PSH) -> bytes:
    head = struct.pack("!HHIIBBHHH", source[1], destination[1], sequence % 2**32, 1, 5 << 4, flags, 65535, 0, 0)
    return ip(source[0], destination[0], 6, head + octets)


class Connection:
    """Both directions of a TCP connection, as packets."""

    def __init__(self, client: End, server: End, start: int = 1000) -> None:
        self.ends = (client, server)
        self.numbers = [start, start + 500_000]

    def opens(self) -> list[bytes]:
        client, server = self.ends
        packets = [
            tcp(client, server, self.numbers[0], b"", SYN),
            tcp(server, client, self.numbers[1], b"", SYN | ACK),
        ]
        self.numbers = [number + 1 for number in self.numbers]
        return packets

    def says(self, octets: bytes, size: int = 1400, back: bool = False) -> list[bytes]:
        """The client (or with `back` the server) sends these octets in pieces."""
        one, other = reversed(self.ends) if back else self.ends
        packets = []
        for at in range(0, len(octets), size):
            piece = octets[at : at + size]
            packets.append(tcp(one, other, self.numbers[back], piece))
            self.numbers[back] += len(piece)
        return packets


# -- WebSocket


def handshake(extensions: str = "") -> tuple[bytes, bytes]:
    """Request and answer."""
    more = f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else ""
    request = (
        "GET /ws HTTP/1.1\r\nHost: pbx\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n{more}\r\n"
    )
    answer = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\n{more}\r\n"
    )
    return request.encode(), answer.encode()


def frame(octets: bytes, masked: bool, opcode: int = 1, final: bool = True, reserved: int = 0) -> bytes:
    head = bytes([(0x80 if final else 0) | reserved | opcode])
    bit = 0x80 if masked else 0
    if len(octets) < 126:
        head += bytes([bit | len(octets)])
    elif len(octets) < 65536:
        head += struct.pack("!BH", bit | 126, len(octets))
    else:
        head += struct.pack("!BQ", bit | 127, len(octets))
    if not masked:
        return head + octets
    mask = b"\x12\x9a\x5b\xfe"
    return head + mask + bytes(octet ^ mask[n % 4] for n, octet in enumerate(octets))


def deflated(octets: bytes, masked: bool) -> bytes:
    """A frame compressed by itself (RFC 7692)."""
    machine = compressobj(wbits=-15)
    data = machine.compress(octets) + machine.flush(2)
    return frame(data.removesuffix(b"\0\0\xff\xff"), masked, reserved=0x40)


# -- links


def linked(packet: bytes, link: int = ETHERNET, tags: int = 0) -> bytes:
    kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
    family = 2 if packet[0] >> 4 == 4 else 30
    if link == ETHERNET:
        return bytes(12) + b"".join(b"\x81\x00\x00\x05" for _ in range(tags)) + kind + packet
    if link == SLL:
        return bytes(14) + kind + packet
    if link == SLL2:
        return kind + bytes(18) + packet
    if link == NULL:
        return struct.pack("<I", family) + packet
    if link == LOOP:
        return struct.pack(">I", family) + packet
    return packet


# -- files


def pcap(
    packets: Iterable[bytes], link: int = ETHERNET, order: str = "<", nanoseconds: bool = False, snap: int = 262144,
    step: float = 0.01, start: float = 1_700_000_000.0,
) -> bytes:  # fmt: skip
    """A pcap file of IP packets, `step` seconds apart."""
    return b"".join(pcap_pieces(packets, link, order, nanoseconds, snap, step, start))


def pcap_pieces(
    packets: Iterable[bytes], link: int = ETHERNET, order: str = "<", nanoseconds: bool = False, snap: int = 262144,
    step: float = 0.01, start: float = 1_700_000_000.0,
) -> Iterator[bytes]:  # fmt: skip
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    yield struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, link)
    unit = 1e9 if nanoseconds else 1e6
    for number, packet in enumerate(packets):
        octets = linked(packet, link)
        time = start + number * step
        kept = octets[:snap]
        head = struct.pack(order + "IIII", int(time), int(time % 1 * unit), len(kept), len(octets))
        yield head + kept


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = len(body) + 12
    return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int = ETHERNET, order: str = "<", options: bytes = b"", snap: int = 0) -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, snap) + options, order)


def enhanced(octets: bytes, time: float, index: int = 0, order: str = "<", unit: float = 1e-6) -> bytes:
    ticks = int(time / unit)
    head = struct.pack(order + "IIIII", index, ticks >> 32, ticks & 0xFFFFFFFF, len(octets), len(octets))
    return block(6, head + octets + bytes(-len(octets) % 4), order)


def pcapng(packets: Iterable[bytes], link: int = ETHERNET, order: str = "<") -> bytes:
    return section(order) + interface(link, order) + b"".join(
        enhanced(linked(packet, link), 1_700_000_000 + number * 0.01, 0, order) for number, packet in enumerate(packets)
    )  # fmt: skip
