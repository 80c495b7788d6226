"""Copy an archive member by member, with some exchanged, and one open to be edited.

The data of a member is copied as it stands, compressed or not, and its checksum with it: what was
damaged is found damaged. The layout is that of PKWARE's APPNOTE, section 4.3.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO

from rewriter.saved.by_file.copying import copy_part, put
from rewriter.saved.by_file.member_to_edit import EditedMember

Edit = Callable[[EditedMember], None]

BLOCK = 4096
"""Large members stand where they stood in a block of the file system, so that it can share them."""

LARGE = 2**20
_HEADER = struct.Struct("<4s5H3L2H")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_ZIP64_END = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4s4H2LH")
_MOST, _MOST_ENTRIES = 0xFFFFFFFF, 0xFFFF
_ZIP64, _PADDING = 1, 0xD935  # the number by which Android's zipalign pads
_SIZES_FOLLOW = 0x8
_ZIP64_VERSION = 45


@dataclass(frozen=True, slots=True)
class _Member:
    """A member as it is told in both places: before its data, and in the list at the end."""

    info: zipfile.ZipInfo
    name: bytes
    extra: bytes
    start: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int = 0


def copy_archive(
    source: BinaryIO,
    archive: zipfile.ZipFile,
    target: BinaryIO,
    texts: Mapping[str, bytes],
    edits: Mapping[str, Edit],
) -> None:
    """Write a copy of an archive.

    Parameters
    ----------
    source : BinaryIO
        The file of the archive, unbuffered.
    archive : ZipFile
        What `zipfile` read of it.
    target : BinaryIO
        An empty file, unbuffered, to read and write.
    texts : mapping of str to bytes
        Members, and what stands in their place now.
    edits : mapping of str to callable
        A member that is changed in the copy, at the end of it; at most one.
    """
    at, written = 0, {}
    infos = archive.infolist()
    for info in sorted(infos, key=lambda each: each.filename in edits):
        member = _read_member(source, info)
        edit = edits.get(info.filename)
        if info.filename in texts:
            written[id(info)], at = _put_text(target, at, member, texts[info.filename])
        elif edit is not None:
            written[id(info)], at = _put_edited(source, target, at, member, edit)
        else:
            written[id(info)], at = _put_copy(source, target, at, member)
    listed = b"".join(_entry(written[id(info)]) for info in infos)
    put(target, at, listed + _end(len(infos), len(listed), at, archive.comment))


def _read_member(source: BinaryIO, info: zipfile.ZipInfo) -> _Member:
    """Read the header before a member's data."""
    source.seek(info.header_offset)
    signature, *_, name, extra = _HEADER.unpack(source.read(_HEADER.size))
    if signature != b"PK\x03\x04":
        raise zipfile.BadZipFile(f"the header of {info.filename} is missing")
    rest = source.read(name + extra)
    start = info.header_offset + _HEADER.size + name + extra
    method, sizes = info.compress_type, (info.CRC, info.compress_size, info.file_size)
    return _Member(info, rest[:name], _kept(rest[name:]), start, method, *sizes)


def _put_text(target: BinaryIO, at: int, member: _Member, text: bytes) -> tuple[_Member, int]:
    member = replace(member, method=zipfile.ZIP_STORED, crc=zlib.crc32(text), offset=at)
    member = replace(member, packed=len(text), size=len(text))
    header = _header(member)
    put(target, at, header + text)
    return member, at + len(header) + len(text)


def _put_copy(source: BinaryIO, target: BinaryIO, at: int, member: _Member) -> tuple[_Member, int]:
    member = replace(member, offset=at)
    header = _aligned(member)
    put(target, at, header)
    copy_part(source, member.start, member.packed, target, at + len(header))
    return member, at + len(header) + member.packed


def _put_edited(
    source: BinaryIO, target: BinaryIO, at: int, member: _Member, edit: Edit
) -> tuple[_Member, int]:
    """Copy a member unpacked, with the checksum that the archive tells, and have it edited."""
    stored = member.method == zipfile.ZIP_STORED
    member = replace(member, offset=at, method=zipfile.ZIP_STORED, packed=member.size)
    header = _aligned(member, large=True)
    start = at + len(header)
    if stored:
        copy_part(source, member.start, member.size, target, start)
    else:
        _unpack(source, member, target, start)
    edited = EditedMember(target, start, member.size, member.crc)
    edit(edited)
    size, crc = edited.finished()
    member = replace(member, packed=size, size=size, crc=crc)
    put(target, at, _aligned(member, large=True))
    return member, start + size


def _unpack(source: BinaryIO, member: _Member, target: BinaryIO, at: int) -> None:
    """Write what a deflated member holds, and no more than it says that it does."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    left, end = member.info.compress_size, at + member.size
    source.seek(member.start)
    while left and at < end and not unpacker.eof:
        packed = source.read(min(LARGE, left))
        if not packed:
            raise EOFError("the file ends too early")
        left -= len(packed)
        while packed and at < end:
            part = unpacker.decompress(packed, min(LARGE, end - at))
            put(target, at, part)
            at += len(part)
            packed = unpacker.unconsumed_tail
    if at < end:
        raise zipfile.BadZipFile(f"{member.info.filename} holds less than it says")


def _kept(extra: bytes) -> bytes:
    """Return the extra fields that hold for the copy too: not sizes and not padding."""
    kept = b""
    while len(extra) >= 4:
        number, size = struct.unpack_from("<2H", extra)
        if number not in (_ZIP64, _PADDING):
            kept += extra[: 4 + size]
        extra = extra[4 + size :]
    return kept


def _aligned(member: _Member, *, large: bool = False) -> bytes:
    """Return the header of a member; that of a large one is padded to its old place in a block."""
    header = _header(member, zip64=large)
    if member.info.file_size < LARGE:
        return header
    room = (member.start - member.offset - len(header)) % BLOCK
    if not room:
        return header
    room += BLOCK if room < 4 else 0
    padding = struct.pack("<2H", _PADDING, room - 4) + bytes(room - 4)
    return _header(replace(member, extra=member.extra + padding), zip64=large)


def _header(member: _Member, *, zip64: bool = False) -> bytes:
    zip64 = zip64 or max(member.size, member.packed) >= _MOST
    extra = member.extra
    sizes = member.packed, member.size
    if zip64:
        extra = struct.pack("<2H2Q", _ZIP64, 16, member.size, member.packed) + extra
        sizes = _MOST, _MOST
    fields = _common(member, zip64)
    lengths = len(member.name), len(extra)
    return _HEADER.pack(b"PK\x03\x04", *fields, member.crc, *sizes, *lengths) + member.name + extra


def _entry(member: _Member) -> bytes:
    """Return the entry of a member in the list at the end."""
    info = member.info
    told = [member.packed, member.size, member.offset]
    large = [each for each in (member.size, member.packed, member.offset) if each >= _MOST]
    extra = _kept(info.extra)
    if large:
        packed = struct.pack(f"<2H{len(large)}Q", _ZIP64, 8 * len(large), *large)
        extra, told = packed + extra, [min(each, _MOST) for each in told]
    fields = info.create_version | info.create_system << 8, *_common(member, bool(large))
    lengths = len(member.name), len(extra), len(info.comment), 0
    rest = info.internal_attr, info.external_attr, told[2]
    entry = _ENTRY.pack(b"PK\x01\x02", *fields, member.crc, *told[:2], *lengths, *rest)
    return entry + member.name + extra + info.comment


def _common(member: _Member, zip64: bool) -> tuple[int, ...]:
    """Return version, flags, method, time and date."""
    info = member.info
    year, month, day, hour, minute, second = info.date_time
    time, date = hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day
    version = max(info.extract_version, _ZIP64_VERSION if zip64 else 0)
    return version, info.flag_bits & ~_SIZES_FOLLOW, member.method, time, date


def _end(count: int, size: int, at: int, comment: bytes) -> bytes:
    """Return what ends an archive, behind its list."""
    end = b""
    if count >= _MOST_ENTRIES or size >= _MOST or at >= _MOST:
        both = (_ZIP64_VERSION, _ZIP64_VERSION, 0, 0, count, count, size, at)
        end = _ZIP64_END.pack(b"PK\x06\x06", 44, *both)
        end += _LOCATOR.pack(b"PK\x06\x07", 0, at + size, 1)
        count, size, at = min(count, _MOST_ENTRIES), min(size, _MOST), min(at, _MOST)
    return end + _END.pack(b"PK\x05\x06", 0, 0, count, count, size, at, len(comment)) + comment
