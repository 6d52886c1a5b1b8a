"""Reads packets out of pcap files (draft-ietf-opsawg-pcap), in either byte order, micro- and nanoseconds."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from proxy.capture.captured import MAX_PACKET, DamagedFileError, Packet
from proxy.capture.octets import Octets

# First four octets: byte order, and the fraction of a second that timestamps count.
MAGIC: Final = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e-6),
    b"\xa1\xb2\xc3\xd4": (">", 1e-6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e-9),
    b"\xa1\xb2\x3c\x4d": (">", 1e-9),
}


def read_pcap(octets: Octets) -> Iterator[Packet]:
    """The packets in their order. Raises DamagedFileError where the file cannot be read any further."""
    magic = octets.take(4, "the header of the file")
    order, unit = MAGIC[magic]
    _, _, _, _, _, link = struct.unpack(order + "HHiIII", octets.take(20, "the header of the file"))
    link &= 0xFFFF  # above it: whether packets end in a checksum
    record = struct.Struct(order + "IIII")
    number = 0
    while True:
        offset = octets.offset
        header = octets.take_header(16, f"packet {number + 1}")
        if not header:
            return
        number += 1
        seconds, fraction, length, original = record.unpack(header)
        if length > MAX_PACKET:
            raise DamagedFileError(
                f"packet {number} at byte {offset:,} claims {length:,} octets: the file is damaged there"
            )
        data = octets.take(length, f"packet {number}")
        yield Packet(number, offset, seconds + fraction * unit, link, data, original <= length)
