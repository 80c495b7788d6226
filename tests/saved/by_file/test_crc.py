"""The CRC of changed bytes, derived from that of the old ones."""

import random
import zlib

from rewriter.saved.by_file.crc import combined, exchanged


def test_crcs_of_parts_make_the_crc_of_the_whole():
    bytes_of = random.Random(3).randbytes
    for first, second in ((b"", b""), (b"a", b""), (bytes_of(70_001), bytes_of(333))):
        together = zlib.crc32(first + second)
        assert combined(zlib.crc32(first), zlib.crc32(second), len(second)) == together


def test_bytes_are_exchanged_anywhere():
    content = bytearray(random.Random(4).randbytes(10_000))
    crc = zlib.crc32(content)
    for at, new in ((0, b"begin"), (5_000, b"middle"), (9_997, b"end")):
        crc = exchanged(crc, bytes(content[at : at + len(new)]), new, 10_000 - at - len(new))
        content[at : at + len(new)] = new
        assert crc == zlib.crc32(content)


def test_a_wrong_crc_stays_wrong_by_as_much():
    right, wrong = zlib.crc32(b"dense_1"), zlib.crc32(b"dense_1") ^ 0x10
    assert exchanged(right, b"1", b"2", 0) ^ exchanged(wrong, b"1", b"2", 0) == 0x10
