"""Opens whatever holds SIP messages: pcap, pcapng, logs and single messages. The one way into this package.

Memory is bounded however large the file is and whatever it says, and nothing but the file is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from proxy.capture.captured import Captured, DamagedFileError, Packet, Tally
from proxy.capture.network import Network
from proxy.capture.octets import Octets
from proxy.capture.pcap import MAGIC, read_pcap
from proxy.capture.pcapng import SECTION, read_pcapng
from proxy.capture.plain import read_octets
from proxy.capture.sniff import looks_like_sip, via_transport
from proxy.capture.text import read_text

_GZIP: Final = b"\x1f\x8b"
# Progress is told once in so many packets or lines.
_STEP: Final = 512
# A file that begins with a SIP message holds that one, of so many octets at the most.
_LOOK: Final = 8192
_MAX_MESSAGE: Final = 1_048_576

Progress = Callable[[int], None]


def kind_of(start: bytes) -> str:
    """What a file is whose first four octets these are: `pcap`, `pcapng`, `gzip` or `text`."""
    if start in MAGIC:
        return "pcap"
    if start == SECTION:
        return "pcapng"
    return "gzip" if start[:2] == _GZIP else "text"


def read_messages(file: BinaryIO, tally: Tally, progress: Progress | None = None) -> Iterator[Captured]:
    """The SIP messages of a file that is at its beginning and can be rewound, in their order.

    Where the file cannot be read any further, `tally.stopped` says so and the messages end. `progress` is told now
    and then how many octets of the file were read.
    """
    start = file.read(_LOOK)
    kind = kind_of(start[:4])
    if kind == "gzip":
        tally.stopped = "the file is compressed: unpack it first (gunzip)"
        return
    if kind == "text" and looks_like_sip(start):
        octets = read_octets(start + file.read(_MAX_MESSAGE))
        tally.packets, tally.offset = 1, len(octets)
        yield Captured(octets, None, None, via_transport(octets), 1, None)
        return
    file.seek(0)
    for count, message in enumerate(read_text(file, tally) if kind == "text" else _packets(file, tally, kind), 1):
        if message is not None:
            yield message
        if progress is not None and count % _STEP == 0:
            progress(tally.offset)


def _packets(file: BinaryIO, tally: Tally, kind: str) -> Iterator[Captured | None]:
    octets = Octets(file)
    network = Network(tally)
    packets = read_pcap(octets) if kind == "pcap" else read_pcapng(octets)
    try:
        yield from network.messages(_followed(packets, octets, tally))
    except DamagedFileError as damage:
        tally.stopped = str(damage)
    yield from network.finish()
    tally.offset = octets.offset


def _followed(packets: Iterator[Packet], octets: Octets, tally: Tally) -> Iterator[Packet]:
    for packet in packets:
        tally.offset = octets.offset
        yield packet
