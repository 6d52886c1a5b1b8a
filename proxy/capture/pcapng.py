"""Reads packets out of pcapng files (draft-ietf-opsawg-pcapng): several sections, interfaces and byte orders."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from proxy.capture.captured import MAX_PACKET, DamagedFileError, Packet
from proxy.capture.octets import Octets

SECTION: Final = b"\x0a\x0d\x0d\x0a"
_INTERFACE: Final = 1
_OLD_PACKET: Final = 2
_SIMPLE_PACKET: Final = 3
_PACKET: Final = 6
_KINDS: Final = {_INTERFACE: "an interface", _OLD_PACKET: "a packet", _SIMPLE_PACKET: "a packet", _PACKET: "a packet"}
_ORDERS: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_MAX_BLOCK: Final = MAX_PACKET + 65_536  # options may follow the packet
_MAX_INTERFACES: Final = 4096
_RESOLUTION: Final = 9  # the option if_tsresol
_OFFSET: Final = 14  # the option if_tsoffset


class _Interface:
    """Link type, the unit of timestamps in seconds, what is added to them, and the snap length (0: none)."""

    __slots__ = ("link", "offset", "snap", "unit")

    def __init__(self, link: int, snap: int) -> None:
        self.link = link
        self.snap = snap
        self.unit = 1e-6
        self.offset = 0.0


def read_pcapng(octets: Octets) -> Iterator[Packet]:
    """The packets in their order. Raises DamagedFileError where the file cannot be read any further."""
    order = ""
    interfaces: list[_Interface] = []
    number = 0
    while True:
        start = octets.offset
        header = octets.take_header(8, "a block")
        if not header:
            return
        if header[:4] == SECTION:
            order = _section(octets, header, start)
            interfaces = []
            continue
        kind, length = struct.unpack(order + "II", header)
        what = f"{_KINDS.get(kind, 'a block')} at byte {start:,}"
        if length < 12 or length % 4:
            raise DamagedFileError(f"the block at byte {start:,} claims {length:,} octets: the file is damaged there")
        if kind not in _KINDS:
            octets.skip(length - 12, what)
            _check_end(octets, order, length, start)
            continue
        if length > _MAX_BLOCK:
            raise DamagedFileError(f"{what} claims {length:,} octets: the file is damaged there")
        body = octets.take(length - 12, what)
        _check_end(octets, order, length, start)
        if kind == _INTERFACE:
            if len(interfaces) >= _MAX_INTERFACES:
                raise DamagedFileError(f"there are more than {_MAX_INTERFACES} interfaces at byte {start:,}")
            interfaces.append(_interface(body, order, start))
            continue
        number += 1
        yield _packet(kind, body, order, interfaces, number, start)


def _section(octets: Octets, header: bytes, start: int) -> str:
    """Pass over a section header; returns its byte order."""
    magic = octets.take(4, "the header of a section")
    order = _ORDERS.get(magic, "")
    if not order:
        raise DamagedFileError(f"the section at byte {start:,} names no byte order: the file is damaged there")
    length = struct.unpack(order + "I", header[4:])[0]
    if length < 28 or length % 4:
        raise DamagedFileError(f"the section at byte {start:,} claims {length:,} octets: the file is damaged there")
    major = struct.unpack(order + "H", octets.take(2, "the header of a section"))[0]
    if major != 1:
        raise DamagedFileError(f"the section at byte {start:,} is of pcapng version {major}, which is not known here")
    octets.skip(length - 18, "the header of a section")
    _check_end(octets, order, length, start)
    return order


def _check_end(octets: Octets, order: str, length: int, start: int) -> None:
    """Every block ends in its length again."""
    again = struct.unpack(order + "I", octets.take(4, "a block"))[0]
    if again != length:
        raise DamagedFileError(f"the block at byte {start:,} does not end where it says: the file is damaged there")


def _interface(body: bytes, order: str, start: int) -> _Interface:
    if len(body) < 8:
        raise DamagedFileError(f"the interface at byte {start:,} is too short: the file is damaged there")
    link, _, snap = struct.unpack_from(order + "HHI", body)
    interface = _Interface(link, snap)
    at = 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + size]
        if code == _RESOLUTION and len(value) == 1:
            power = value[0] & 0x7F
            interface.unit = 2.0**-power if value[0] & 0x80 else 10.0**-power
        elif code == _OFFSET and len(value) == 8:
            interface.offset = float(struct.unpack(order + "q", value)[0])
        elif code == 0:
            break
        at += 4 + (size + 3) // 4 * 4
    return interface


def _packet(
    kind: int, body: bytes, order: str, interfaces: list[_Interface], number: int, start: int
) -> Packet:  # fmt: skip
    head = 4 if kind == _SIMPLE_PACKET else 20
    if len(body) < head:
        raise DamagedFileError(f"packet {number} at byte {start:,} is too short: the file is damaged there")
    time = 0.0
    if kind == _SIMPLE_PACKET:
        index, original = 0, struct.unpack_from(order + "I", body)[0]
        kept = original
        if interfaces and interfaces[0].snap:
            kept = min(kept, interfaces[0].snap)
        kept = min(kept, len(body) - head)
    else:
        layout = "IIIII" if kind == _PACKET else "HHIIII"
        fields = struct.unpack_from(order + layout, body)
        index, high, low, kept, original = fields[0], *fields[-4:]
        time = float(high << 32 | low)
    if index >= len(interfaces) or kept > len(body) - head:
        raise DamagedFileError(f"packet {number} at byte {start:,} contradicts itself: the file is damaged there")
    interface = interfaces[index]
    time = time * interface.unit + interface.offset
    return Packet(number, start, time, interface.link, body[head : head + kept], original <= kept)
