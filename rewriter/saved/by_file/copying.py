"""Copy parts of files within the system, where it can."""

from __future__ import annotations

import errno
import os
import sys
from typing import BinaryIO

_UNABLE = (errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.ENOTSUP, errno.EPERM)
_PART = 2**20
_AT_ONCE = 2**28
"""Bytes that the system is asked to copy: a signal is answered between two."""


def copy_part(source: BinaryIO, start: int, size: int, target: BinaryIO, at: int) -> None:
    """Copy so many bytes of one unbuffered file to a place in another.

    Raises
    ------
    OSError
        The disk is full, or fails.
    EOFError
        The source has fewer bytes.
    """
    done = _in_system(source, start, size, target, at)
    while done < size:
        source.seek(start + done)
        content = source.read(min(_PART, size - done))
        if not content:
            raise EOFError("the file ends too early")
        put(target, at + done, content)
        done += len(content)


def put(target: BinaryIO, at: int, content: bytes) -> None:
    """Write bytes to a place in an unbuffered file."""
    target.seek(at)
    view = memoryview(content)
    while view:
        view = view[target.write(view) :]


def _in_system(source: BinaryIO, start: int, size: int, target: BinaryIO, at: int) -> int:
    """Have the system copy; return how much it did."""
    done = 0
    if sys.platform != "linux":
        return done
    while done < size:
        try:
            count = os.copy_file_range(
                source.fileno(),
                target.fileno(),
                min(_AT_ONCE, size - done),
                start + done,
                at + done,
            )
        except OSError as error:
            if error.errno in _UNABLE:
                return done
            raise
        if not count:
            return done
        done += count
    return done
