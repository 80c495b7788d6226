"""Derive the CRC-32 of changed bytes from that of the old ones, without reading them all.

CRC-32 is linear: the CRC of a member whose stored one was wrong stays wrong by as much. The
arithmetic is that of zlib's ``crc32_combine`` (crc32.c): polynomials over GF(2), lowest bit first.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31


def combined(first: int, second: int, length: int) -> int:
    """Return the CRC of two byte strings in a row, given theirs and the length of the second.

    Examples
    --------
    >>> combined(zlib.crc32(b"weights, "), zlib.crc32(b"moved"), 5) == zlib.crc32(b"weights, moved")
    True
    """
    return _product(_shift(length), first) ^ second


def exchanged(crc: int, old: bytes, new: bytes, behind: int) -> int:
    """Return the CRC of bytes of which some are exchanged.

    Parameters
    ----------
    crc : int
        Of all the bytes before.
    old, new : bytes
        What stood there, and what stands there now; of one length.
    behind : int
        How many bytes follow.

    Examples
    --------
    >>> crc = zlib.crc32(b"dense_1/vars")
    >>> exchanged(crc, b"1", b"2", 5) == zlib.crc32(b"dense_2/vars")
    True
    """
    return crc ^ _product(_shift(behind), zlib.crc32(old) ^ zlib.crc32(new))


def _product(one: int, other: int) -> int:
    """Return the product of two polynomials, modulo that of the CRC."""
    product = 0
    for bit in range(31, -1, -1):
        if one >> bit & 1:
            product ^= other
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return product


@lru_cache(maxsize=4096)
def _shift(length: int) -> int:
    """Return the polynomial that stands for so many bytes behind."""
    power, square = _ONE, _ONE >> 8  # x**8: one byte
    while length:
        if length & 1:
            power = _product(square, power)
        square = _product(square, square)
        length >>= 1
    return power
