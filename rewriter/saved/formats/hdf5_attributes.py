"""Read string attributes of an HDF5 file's root group without the HDF5 library.

Reading a model needs two to three strings out of a file that may hold gigabytes of weights and
may come from anywhere. libhdf5 1.14.6 was seen to loop without end and to take 3.7 GB of memory
on files of 17 kB with a few changed bytes, and no exception handler helps against either. Here
every address is checked against the file and every byte read is counted, so a damaged file
costs a bounded time and ends in an error. Links, groups and data sets are never looked at.

The layout is that of the HDF5 File Format Specification, version 3.0
(https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html); the section names in the
docstrings are those of that document.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from rewriter.errors import ModelReadError, UnsupportedModelError
from rewriter.saved.formats.bounded_json import too_large

SIGNATURE = b"\x89HDF\r\n\x1a\n"
STRUCTURE_LIMIT = 4 * 2**20  # bytes of headers that are read in search of the attributes
_ATTRIBUTE, _CONTINUATION, _ATTRIBUTE_INFO = 0x0C, 0x10, 0x15
_STRING, _VARIABLE_LENGTH = 3, 9
_UNDEFINED = 0xFFFFFFFFFFFFFFFF
_SAVE_AGAIN = "load the model with the Keras that saved it, and save it again"


def root_strings(file: BinaryIO, limits: dict[str, int]) -> dict[str, bytes]:
    """Return the string attributes of the root group that are asked for and present.

    Parameters
    ----------
    file : BinaryIO
        An HDF5 file, opened unbuffered or buffered, seekable.
    limits : dict of str to int
        The attributes wanted, and for each the bytes that it may have.

    Raises
    ------
    ModelReadError
        If the file is damaged or truncated, or an attribute is no string or too long.
    UnsupportedModelError
        If the file uses a form of HDF5 that neither Keras writes.

    Examples
    --------
    >>> import io
    >>> import h5py
    >>> file = io.BytesIO()
    >>> with h5py.File(file, "w") as group:
    ...     group.attrs["model_config"] = "{}"
    >>> root_strings(file, {"model_config": 100, "training_config": 100})
    {'model_config': b'{}'}
    """
    source = _Source(file, size=file.seek(0, 2), left=STRUCTURE_LIMIT)
    strings: dict[str, bytes] = {}
    try:
        for attribute in _attributes(source, _root_address(source)):
            if attribute.name in limits and attribute.name not in strings:
                strings[attribute.name] = _text(source, attribute, limits[attribute.name])
    except struct.error as error:
        raise _damaged("a header is cut short") from error
    return strings


@dataclass(slots=True)
class _Source:
    """A file that is read within its bounds and within a budget."""

    file: BinaryIO
    size: int
    left: int

    def read(self, address: int, count: int) -> bytes:
        if address + count > self.size:
            raise _damaged("it ends too early")
        if count > self.left:
            raise _damaged("its headers have no end")
        self.left -= count
        self.file.seek(address)
        return self.file.read(count)


@dataclass(frozen=True, slots=True)
class _Attribute:
    name: str
    shared: bool
    datatype: bytes
    dataspace: bytes
    value: bytes


def _damaged(how: str) -> ModelReadError:
    return ModelReadError(f"the HDF5 file is damaged: {how}")


def _root_address(source: _Source) -> int:
    """Return where the root group's header is ("Format Signature and Superblock")."""
    head = source.read(0, min(96, source.size))
    (version,) = struct.unpack_from("<8xB", head)
    if version in (0, 1):
        sizes = head[13:15]
        base, _, end, _, _, root = struct.unpack_from("<6Q", head, 24 + 4 * version)
    elif version in (2, 3):
        sizes = head[9:11]
        base, _, end, root = struct.unpack_from("<4Q", head, 12)
    else:
        raise _damaged(f"no superblock has version {version}")
    if sizes != b"\x08\x08" or base != 0:
        raise UnsupportedModelError("an HDF5 file of a form that Keras never writes")
    if end > source.size:
        raise ModelReadError(
            f"the HDF5 file is truncated: {source.size} of {end} bytes are there",
            fix="copy or download it again",
        )
    return int(root)


def _attributes(source: _Source, header: int) -> Iterator[_Attribute]:
    """Yield the attributes of an object ("Attribute Message")."""
    for kind, body in _messages(source, header):
        if kind == _ATTRIBUTE:
            yield _attribute(body)
        elif kind == _ATTRIBUTE_INFO:
            flags = struct.unpack_from("<xB", body)[0]
            (heap,) = struct.unpack_from("<Q", body, 4 if flags & 1 else 2)
            if heap != _UNDEFINED:
                raise UnsupportedModelError(
                    "an HDF5 file with densely stored attributes, which Keras never writes",
                    fix=_SAVE_AGAIN,
                )


def _messages(source: _Source, header: int) -> Iterator[tuple[int, bytes]]:
    """Yield type and body of each message of an object ("Data Object Headers")."""
    modern = source.read(header, 4) == b"OHDR"
    if modern:
        flags = source.read(header, 6)[5]
        start = header + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        size = int.from_bytes(source.read(start, width), "little")
        head = struct.Struct("<BHxxx" if flags & 4 else "<BHx")
        blocks = [(start + width, size)]
    else:
        version, size = struct.unpack("<B7xI", source.read(header, 12))
        if version != 1:
            raise _damaged("its root group has no header")
        head = struct.Struct("<HHxxxx")
        blocks = [(header + 16, size)]
    for address, length in blocks:  # grows while it is walked
        block = source.read(address, length)
        at = 0
        while at + head.size <= length:
            kind, size = head.unpack_from(block, at)
            body = block[at + head.size : at + head.size + size]
            at += head.size + size
            if kind == _CONTINUATION:
                onward, length_onward = struct.unpack_from("<QQ", body)
                # A modern block stands between the signature "OCHK" and a checksum.
                blocks.append(
                    (onward + 4, max(length_onward - 8, 0)) if modern else (onward, length_onward)
                )
            else:
                yield kind, body


def _attribute(body: bytes) -> _Attribute:
    """Split an attribute message into its parts ("Attribute Message")."""
    version, flags, *sizes = struct.unpack_from("<BBHHH", body)
    if version not in (1, 2, 3):
        raise _damaged(f"no attribute has version {version}")
    at = 9 if version == 3 else 8
    parts = []
    for size in sizes:
        parts.append(body[at : at + size])
        at += _padded(size) if version == 1 else size
    name, datatype, dataspace = parts
    return _Attribute(
        name=name.split(b"\0")[0].decode("utf-8", "replace"),
        shared=version > 1 and flags & 3 != 0,
        datatype=datatype,
        dataspace=dataspace,
        value=body[at:],
    )


def _text(source: _Source, attribute: _Attribute, limit: int) -> bytes:
    """Return the bytes of one string ("Datatype Message", "Dataspace Message")."""
    if attribute.shared:
        raise UnsupportedModelError(
            f"the attribute {attribute.name} has a type of its own, which Keras never writes",
            fix=_SAVE_AGAIN,
        )
    space_version, rank, _, space_type = struct.unpack_from("<4B", attribute.dataspace)
    scalar = rank == 0 and (space_version == 1 or space_type == 0)
    class_and_version, bits, size = struct.unpack_from("<BBxxI", attribute.datatype)
    kind = class_and_version & 15
    if scalar and kind == _STRING:
        _check_length(attribute, size, limit)
        (text,) = struct.unpack_from(f"<{size}s", attribute.value)
    elif scalar and kind == _VARIABLE_LENGTH and bits & 15 == 1:
        length, heap, index = struct.unpack_from("<IQI", attribute.value)
        _check_length(attribute, length, limit)
        text = _heap_object(source, heap, index, length) if length else b""
    else:
        raise ModelReadError(
            f"the attribute {attribute.name} is not one string, as in a file saved by Keras",
            fix=_SAVE_AGAIN,
        )
    return bytes(text.split(b"\0")[0])


def _check_length(attribute: _Attribute, length: int, limit: int) -> None:
    if length > limit:
        raise too_large(attribute.name, limit)


def _heap_object(source: _Source, heap: int, index: int, length: int) -> bytes:
    """Return the first `length` bytes of an object ("Disk Format: Level 1D - Global Heap")."""
    magic, heap_size = struct.unpack("<4s4xQ", source.read(heap, 16))
    if magic != b"GCOL":
        raise _damaged("a string's heap is missing")
    at, end = heap + 16, heap + heap_size
    while at < end:
        number, size = struct.unpack("<H6xQ", source.read(at, 16))
        at += 16
        if number == index and length <= size:
            source.left += length
            return source.read(at, length)
        if number in (0, index):
            break
        at += _padded(size)
    raise _damaged("a string is not where the file says it is")


def _padded(size: int) -> int:
    return (size + 7) & ~7
