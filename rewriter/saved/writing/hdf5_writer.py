"""Write HDF5 files so that a full disk raises an error and does not crash the process.

libhdf5 1.14.6 does not survive a write that fails: objects that cannot be flushed end the process
in a segmentation fault, sooner or later. Here such a write is remembered and told at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_KEPT = 2**20
"""Bytes; what libhdf5 writes at once and reads again is smaller."""


@contextmanager
def hdf5_to_write(path: Path, mode: str) -> Iterator[Any]:
    """Open an HDF5 file to write, and raise at the end what kept it from being written.

    Parameters
    ----------
    path : Path
        A file that exists.
    mode : str
        ``w`` for a new HDF5 file, ``r+`` to change one.

    Yields
    ------
    h5py.File
        The file.

    Raises
    ------
    OSError
        The first write that failed; the file is worth nothing then.
    """
    with path.open("r+b", buffering=0) as raw, opened(Lasting(raw), mode) as file:
        yield file


@contextmanager
def opened(lasting: Lasting, mode: str) -> Iterator[Any]:
    """Open HDF5 in a file, and raise at the end what kept it from being written."""
    import h5py

    try:
        with h5py.File(lasting, mode) as file:
            yield file
    finally:
        if lasting.error is not None:
            raise lasting.error


class Lasting:
    """A file for h5py that goes on in memory after a write has failed.

    Parameters
    ----------
    raw : BinaryIO
        The file, unbuffered.
    start, size : int, optional
        Where in it the HDF5 file begins, and how long it is; it ends with the file by default.
    """

    def __init__(self, raw: Any, start: int = 0, size: int | None = None) -> None:
        self.raw = raw
        self.start = start
        self.at = 0
        self.end: int = raw.seek(0, 2) - start if size is None else size
        self.error: OSError | None = None
        self.kept: list[tuple[int, bytes]] = []

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self.at = offset + (0, self.at, self.end)[whence]
        return self.at

    def tell(self) -> int:
        """Return where the next byte is read or written."""
        return self.at

    def read(self, size: int) -> bytes:
        """Read as `readinto` does; h5py takes what has this for a file."""
        buffer = bytearray(size)
        self.readinto(buffer)
        return bytes(buffer)

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; with zeros where the file has ended."""
        view = memoryview(buffer).cast("B")
        self.raw.seek(self.start + self.at)
        data = bytearray(self.raw.read(len(view)).ljust(len(view), b"\0"))
        for start, each in self.kept:
            low, high = max(start, self.at), min(start + len(each), self.at + len(view))
            if low < high:
                data[low - self.at : high - self.at] = each[low - start : high - start]
        view[:] = data
        self.at += len(view)
        return len(view)

    def write(self, buffer: Any) -> int:
        """Write bytes; into memory, where the disk no longer takes them."""
        view = memoryview(buffer).cast("B")
        if self.error is None:
            try:
                self.raw.seek(self.start + self.at)
                done = 0
                while done < len(view):
                    done += self.raw.write(view[done:])
            except OSError as error:
                self.error = error
        if self.error is not None and len(view) <= _KEPT:
            self.kept.append((self.at, bytes(view)))
        self.at += len(view)
        self.end = max(self.end, self.at)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the end of the file."""
        self.end = self.at if size is None else size
        if self.error is None:
            try:
                self.raw.truncate(self.start + self.end)
            except OSError as error:
                self.error = error
        return self.end

    def flush(self) -> None:
        """Do nothing: the file has no buffer."""
