"""Read members of an untrusted zip archive within named limits."""

from __future__ import annotations

import io
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from typing import IO, Any, BinaryIO, cast

from rewriter.errors import ModelReadError, UnsupportedModelError
from rewriter.saved.formats.bounded_json import too_large
from rewriter.saved.formats.positioned import Positioned

SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")  # of an archive, and of an empty one
DIRECTORY_LIMIT = 4 * 2**20  # bytes of the list of members
_ENCRYPTED = 0x1
_LENGTHS = 26  # where the header of a member tells the lengths of its name and what follows
_AS_KERAS_WRITES = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What the zipfile module was seen to raise on damaged archives.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)


def members(file: BinaryIO, limits: dict[str, int]) -> dict[str, bytes]:
    """Return the members of an archive that are asked for and present.

    Parameters
    ----------
    file : BinaryIO
        A zip archive, seekable.
    limits : dict of str to int
        The members wanted, and for each the bytes that it may have once it is decompressed.

    Raises
    ------
    ModelReadError
        If the archive is damaged, a name occurs twice, or a member is larger than its limit.
    UnsupportedModelError
        If a member is encrypted or compressed in a way that Keras never writes.

    Examples
    --------
    >>> file = io.BytesIO()
    >>> with zipfile.ZipFile(file, "w") as archive:
    ...     archive.writestr("config.json", "{}")
    >>> members(file, {"config.json": 10, "metadata.json": 10})
    {'config.json': b'{}'}
    """
    bounded = _Bounded(file, DIRECTORY_LIMIT)
    try:
        with zipfile.ZipFile(bounded) as archive:
            counts = Counter(archive.namelist())
            twice = [name for name, count in counts.items() if count > 1]
            if twice:
                raise ModelReadError(f"the archive holds {twice[0]!r} more than once")
            wanted = [name for name in limits if name in counts]
            return {name: _member(archive, bounded, name, limits[name]) for name in wanted}
    except DAMAGE as error:
        raise ModelReadError(
            f"the archive is damaged or truncated: {error}", fix="copy or download it again"
        ) from error


def _member(archive: zipfile.ZipFile, bounded: _Bounded, name: str, limit: int) -> bytes:
    info = archive.getinfo(name)
    if info.flag_bits & _ENCRYPTED:
        raise UnsupportedModelError(f"{name} is encrypted", fix="decrypt the archive first")
    # zipfile decompresses other methods without a bound on what comes out of 4 kB.
    if info.compress_type not in _AS_KERAS_WRITES:
        raise UnsupportedModelError(
            f"{name} is compressed in a way that Keras never writes",
            fix="pack the archive again, stored or deflated",
        )
    if info.file_size > limit:
        raise too_large(name, limit)
    bounded.left = limit + DIRECTORY_LIMIT
    with archive.open(info) as member:
        return member.read(limit)  # and never more than the size it declares


def replace_member(archive: zipfile.ZipFile, name: str, text: str) -> None:
    """Put a text in the place of a member of an archive that is open to append.

    The archive gets a new list of members; rewriting it whole would copy the weights.

    Examples
    --------
    >>> file = io.BytesIO()
    >>> with zipfile.ZipFile(file, "w") as archive:
    ...     archive.writestr("config.json", "{}")
    >>> with zipfile.ZipFile(file, "a") as archive:
    ...     replace_member(archive, "config.json", "[]")
    >>> members(file, {"config.json": 10})
    {'config.json': b'[]'}
    """
    archive.filelist.remove(archive.NameToInfo.pop(name))
    archive.writestr(name, text)


class _Bounded(io.RawIOBase):
    """A file of which only so many bytes can be read: zipfile trusts the sizes it finds."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self.file = file
        self.left = left

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def read(self, size: int | None = -1) -> bytes:
        most = self.left + 1
        data = self.file.read(most if size is None or size < 0 else min(size, most))
        self.left -= len(data)
        if self.left < 0:
            raise zipfile.BadZipFile("its list of members has no end")
        return data


def seekable(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    """Return a member as a file; compressed ones are unpacked, seeking back in them is slow."""
    member = archive.open(info)  # holds the local header against the list of members
    if info.compress_type == zipfile.ZIP_STORED and archive.fp is not None:
        archive.fp.seek(info.header_offset + _LENGTHS)
        name, extra = struct.unpack("<HH", archive.fp.read(4))
        start = info.header_offset + _LENGTHS + 4 + name + extra
        return cast(IO[bytes], Section(archive.fp, start, info.file_size))
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115
    with member:
        shutil.copyfileobj(member, unpacked)
    unpacked.seek(0)
    return unpacked


class Section(Positioned):
    """A part of a file; a member of an archive reads all that it is to skip, up to Python 3.11."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        super().__init__(size)
        self.file, self.start = file, start

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the part goes."""
        view = memoryview(buffer).cast("B")
        self.file.seek(self.start + self.at)
        content = self.file.read(max(0, min(len(view), self.size - self.at)))
        view[: len(content)] = content
        self.at += len(content)
        return len(content)
