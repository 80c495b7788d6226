"""A copy of an archive, member by member."""

import random
import zipfile

import pytest

from rewriter.saved.by_file import archive_copy
from rewriter.saved.by_file.archive_copy import BLOCK, copy_archive

LARGE = random.Random(1).randbytes(2**20 + 77)


@pytest.fixture
def source(tmp_path):
    """An archive with members of many kinds, some of them nobody's."""
    path = tmp_path / "source.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("weights", LARGE)
        archive.writestr("deflated", b"zero" * 5000, zipfile.ZIP_DEFLATED)
        archive.writestr("bzip2", b"other" * 500, zipfile.ZIP_BZIP2)
        archive.writestr("folder/", "")
        named = zipfile.ZipInfo("nämlich", (2019, 5, 17, 11, 12, 14))
        named.comment, named.extra = b"of the member", b"\x99\x99\x03\x00abc"
        named.external_attr = 0o640 << 16
        archive.writestr(named, "unknown")
        archive.comment = b"of the archive"
    return path


def copied(path, texts=None, edits=None):
    target = path.with_name("copy.zip")
    target.touch()
    with (
        path.open("rb", buffering=0) as raw,
        zipfile.ZipFile(raw) as archive,
        target.open("r+b", buffering=0) as file,
    ):
        copy_archive(raw, archive, file, texts or {}, edits or {})
    return zipfile.ZipFile(target)


def packed(path, info):
    with path.open("rb") as file:
        file.seek(info.header_offset + 26)
        name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
        file.seek(info.header_offset + 30 + name + extra)
        return file.tell(), file.read(info.compress_size)


def test_every_member_is_copied_to_the_byte(source):
    with zipfile.ZipFile(source) as old, copied(source) as new:
        assert new.comment == old.comment and new.testzip() is None
        for one, other in zip(old.infolist(), new.infolist(), strict=True):
            told = ("filename", "date_time", "compress_type", "comment", "CRC", "file_size")
            told += ("external_attr", "create_system", "extra")
            assert [getattr(one, key) for key in told] == [getattr(other, key) for key in told]
            assert packed(source, one)[1] == packed(source.with_name("copy.zip"), other)[1]


def test_a_large_member_keeps_its_place_in_a_block(source):
    with zipfile.ZipFile(source) as old, copied(source, {"config.json": b"[1, 2]"}) as new:
        places = [
            packed(path, archive.getinfo("weights"))[0]
            for path, archive in ((source, old), (source.with_name("copy.zip"), new))
        ]
        assert places[0] != places[1]
        assert places[0] % BLOCK == places[1] % BLOCK
        assert new.read("config.json") == b"[1, 2]"


def test_the_system_need_not_copy(source, monkeypatch):
    monkeypatch.setattr("rewriter.saved.by_file.copying.sys.platform", "other")
    with copied(source) as new:
        assert new.read("weights") == LARGE


@pytest.mark.parametrize("deflated", [False, True])
def test_an_edited_member_has_the_crc_of_what_it_holds(tmp_path, deflated):
    path = tmp_path / "source.zip"
    with zipfile.ZipFile(path, "w") as archive:
        kind = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
        archive.writestr("weights", LARGE, kind)
        archive.writestr("last", "unknown")

    def edit(member):
        for at, content in (
            (5, b"hello"),
            (len(LARGE) - 2, b"over the end"),
            (len(LARGE) + 20, b"far"),
        ):
            member.seek(at)
            member.write(content)

    with copied(path, {}, {"weights": edit}) as new:
        held = LARGE[:5] + b"hello" + LARGE[10:-2] + b"over the end" + bytes(10) + b"far"
        assert new.testzip() is None and new.read("weights") == held
        assert new.namelist() == ["weights", "last"]


def test_a_flipped_bit_stays_detected_through_an_edit(source):
    with zipfile.ZipFile(source) as archive:
        at, _ = packed(source, archive.getinfo("weights"))
    content = bytearray(source.read_bytes())
    content[at + 100] ^= 1
    source.write_bytes(content)

    def edit(member):
        member.seek(5)
        member.write(b"hello")

    with copied(source, {}, {"weights": edit}) as new, pytest.raises(zipfile.BadZipFile):
        new.read("weights")


def test_sizes_beyond_32_bits_are_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_copy, "copy_part", lambda *_: None)  # the data is a hole
    path = tmp_path / "source.zip"
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("large", "w", force_zip64=True) as member:
            member.write(b"x")
        archive.writestr("behind", "y")
        archive.getinfo("large").file_size = archive.getinfo("large").compress_size = 2**32 + 5
    with copied(path) as new:
        assert new.getinfo("large").file_size == new.getinfo("large").compress_size == 2**32 + 5
        assert new.getinfo("behind").header_offset > 2**32
