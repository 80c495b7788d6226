"""Edit the HDF5 file in an archive where it stands, and derive its new CRC."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from rewriter.saved.by_file.crc import combined, exchanged
from rewriter.saved.writing.hdf5_writer import Lasting, opened

_PART = 2**20


class EditedMember(Lasting):
    """The last member of an archive, as a file for h5py; it may grow.

    Parameters
    ----------
    raw : BinaryIO
        The archive, unbuffered.
    start, size : int
        Where the member stands.
    crc : int
        Its CRC as the archive tells it, whether or not it is right.
    """

    def __init__(self, raw: BinaryIO, start: int, size: int, crc: int) -> None:
        super().__init__(raw, start, size)
        self.size, self.crc = size, crc

    def write(self, buffer: Any) -> int:
        """Write bytes, and carry the change on to the CRC."""
        new = bytes(buffer)
        at = self.at
        known = max(0, min(len(new), self.size - at))
        if known:  # what is written behind the old end is added in the end
            old = self.read(known)
            self.crc = exchanged(self.crc, old, new[:known], self.size - at - known)
        self.at = at
        return super().write(new)

    def truncate(self, size: int | None = None) -> int:
        """Keep what was there: HDF5 takes no harm from bytes behind its end."""
        return super().truncate(max(self.size, self.at if size is None else size))

    def finished(self) -> tuple[int, int]:
        """Return the size and the CRC of the member as it is now."""
        crc, at = self.crc, self.size
        while at < self.end:
            self.at = at
            part = self.read(min(_PART, self.end - at))
            crc = combined(crc, zlib.crc32(part), len(part))
            at += len(part)
        return self.end, crc


@contextmanager
def hdf5_in(member: EditedMember) -> Iterator[Any]:
    """Open the HDF5 file of a member, and raise at the end what kept it from being written."""
    with opened(member, "r+") as root:
        yield root
