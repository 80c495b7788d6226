"""Zip archives with limits: what Keras writes, and what somebody made to do harm."""

import io
import struct
import zipfile

import pytest

from rewriter.errors import ModelReadError, UnsupportedModelError
from rewriter.saved.formats.zip_members import DIRECTORY_LIMIT, members

pytestmark = pytest.mark.fast

LIMITS = {"config.json": 1000, "metadata.json": 10}


def zipped(content, method=zipfile.ZIP_STORED, name="config.json"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, content)
    return bytearray(file.getvalue())


def read(content):
    return members(io.BytesIO(content), LIMITS)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_is_read_up_to_its_limit(method):
    assert read(zipped(b"x" * 1000, method)) == {"config.json": b"x" * 1000}
    with pytest.raises(ModelReadError, match=r"config\.json takes more"):
        read(zipped(b"x" * 1001, method))


def test_a_bomb_that_lies_about_its_size_is_an_error():
    content = zipped(bytes(10_000_000), zipfile.ZIP_DEFLATED)
    entry = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, entry + 24, 1000)
    with pytest.raises(ModelReadError, match="damaged"):
        read(content)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_decompress_without_bound_are_refused(method):
    with pytest.raises(UnsupportedModelError, match="compressed in a way"):
        read(zipped(b"{}", method))


@pytest.mark.parametrize("flags", [0x1, 0x41])
def test_an_encrypted_member_is_refused_by_name(flags):
    content = zipped(b"{}")
    struct.pack_into("<H", content, 6, flags)
    struct.pack_into("<H", content, content.index(b"PK\x01\x02") + 8, flags)
    with pytest.raises(UnsupportedModelError, match="encrypted"):
        read(content)


def test_a_checksum_that_does_not_fit_is_an_error():
    content = zipped(b"{}")
    content[content.index(b"{}")] ^= 1
    with pytest.raises(ModelReadError, match="CRC"):
        read(content)


def test_an_offset_beyond_all_files_is_an_error():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, archive.open("config.json", "w") as member:
        member.write(b"{}")
    content = bytearray(file.getvalue())
    entry = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    # A zip64 field carries an offset of 64 bits.
    extra = struct.pack("<HHQ", 1, 8, 2**64 - 1)
    struct.pack_into("<H", content, entry + 30, len(extra))
    struct.pack_into("<I", content, entry + 42, 0xFFFFFFFF)
    struct.pack_into("<I", content, end + 12, end - entry + len(extra))
    content[end:end] = extra
    with pytest.raises(ModelReadError, match="damaged"):
        read(content)


def test_a_list_of_members_without_end_is_an_error():
    entry = b"PK\x01\x02" + bytes(42)
    entries = entry * (DIRECTORY_LIMIT // len(entry) + 10)
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0, 0, len(entries), 4, 0)
    with pytest.raises(ModelReadError, match="no end"):
        read(b"PK\x03\x04" + entries + end)


def test_other_members_are_not_read():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model.weights.h5", bytes(20_000_000))
        archive.writestr("config.json", "{}")
    content = file.getvalue()

    class Counted(io.BytesIO):
        count = 0

        def read(self, size=-1):
            data = super().read(size)
            self.count += len(data)
            return data

    counted = Counted(content)
    assert members(counted, LIMITS) == {"config.json": b"{}"}
    assert counted.count < 200_000
