"""Reads a binary file from front to back with bounded memory, and knows where it is."""

from __future__ import annotations

from typing import BinaryIO, Final

from proxy.capture.captured import DamagedFileError

_PIECE: Final = 65_536


class Octets:
    """The octets of a file; `offset` is how many were taken."""

    __slots__ = ("_file", "offset")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.offset = 0

    def take(self, count: int, what: str) -> bytes:
        """The next octets, all of them; `what` says what they would be. Raises DamagedFileError if the file ends."""
        octets = self._file.read(count)
        if len(octets) < count:
            here = self.offset + len(octets)
            raise DamagedFileError(
                f"the file ends at byte {here:,} in the middle of {what}, which begins at byte {self.offset:,}"
            )
        self.offset += count
        return octets

    def take_header(self, count: int, what: str) -> bytes:
        """Like `take`, but b"" at the orderly end of the file."""
        octets = self._file.read(count)
        if octets and len(octets) < count:
            raise DamagedFileError(f"the file ends at byte {self.offset + len(octets):,} in the header of {what}")
        self.offset += len(octets)
        return octets

    def skip(self, count: int, what: str) -> None:
        """Pass over octets, however many, piece by piece."""
        while count > 0:
            octets = self.take(min(count, _PIECE), what)
            count -= len(octets)
