"""What captures consist of, as plain values: packets of a file, and the SIP messages found in them."""

from __future__ import annotations

from collections import Counter
from typing import Final

# Host and port; None for the machine that wrote a log and does not name itself.
Endpoint = tuple[str, int]

# The largest packet that is believed (octets): capture programs cut at 262,144 at the most.
MAX_PACKET: Final = 1_048_576


class DamagedFileError(Exception):
    """The file cannot be read beyond a place; `args[0]` says what is wrong there, for the user."""


class Packet:
    """One captured packet: its number in the file (from 1), the offset of its record, time (seconds), link type."""

    __slots__ = ("link", "number", "octets", "offset", "time", "whole")

    def __init__(self, number: int, offset: int, time: float, link: int, octets: bytes, whole: bool) -> None:
        self.number = number
        self.offset = offset
        self.time = time
        self.link = link
        self.octets = octets
        self.whole = whole  # false where the capture kept its beginning only


class Captured:
    """One SIP message of a capture. `number` is that of the packet, or of the line, that completed it.

    `transport` is an index of `flow.TRANSPORTS`, or None where the capture does not tell.
    """

    __slots__ = ("destination", "number", "octets", "source", "time", "transport")

    def __init__(
        self,
        octets: bytes,
        source: Endpoint | None,
        destination: Endpoint | None,
        transport: int | None,
        number: int,
        time: float | None,
    ) -> None:
        self.octets = octets
        self.source = source
        self.destination = destination
        self.transport = transport
        self.number = number
        self.time = time


class Tally:
    """What was seen while reading. `stopped` says where and why reading ended early, "" if it did not.

    The keys of `lost` are from a closed set: what could not be used, and how often.
    """

    __slots__ = ("lost", "offset", "packets", "stopped")

    def __init__(self) -> None:
        self.packets = 0
        self.offset = 0  # octets of the file read so far
        self.stopped = ""
        self.lost: Counter[str] = Counter()


# What `Tally.lost` counts, in the words of the report.
ENCRYPTED: Final = "TLS connections, which cannot be read (capture behind the TLS, or use the log of the server)"
CUT_SHORT: Final = "packets of which the capture kept the beginning only (capture with -s 0)"
FRAGMENTS: Final = "IP fragments of packets that are not complete in the capture"
GAPS: Final = "gaps in TCP connections: packets that are not in the capture"
UNFRAMED: Final = "TCP connections with SIP that could not be cut into messages from some place on"
UNKNOWN_LINK: Final = "packets of a kind of network that is not known here"
BROKEN_PACKETS: Final = "packets with impossible headers"
CROWDED: Final = "TCP connections that were given up because too many were open at once"
LONG_LINES: Final = "messages too long to be SIP"
