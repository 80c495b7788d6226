"""Open a file that somebody names, and nothing that never ends or makes one wait."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rewriter.errors import ModelReadError
from rewriter.saved.formats.bounded_json import too_large


@contextmanager
def regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file to read its bytes.

    Raises
    ------
    ModelReadError
        It is a pipe, a device, a socket or a folder.
    OSError
        It cannot be opened.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ModelReadError("it is no regular file", fix="give a file that was saved")
        yield file


def content(path: Path, limit: int) -> bytes:
    """Return the bytes of a regular file.

    Raises
    ------
    ModelReadError
        It is no regular file, or has more bytes than the limit.
    OSError
        It cannot be read.
    """
    with regular(path) as file:
        found = file.read(limit + 1)
    if len(found) > limit:
        raise too_large(path.name, limit)
    return found


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; opening a pipe would wait for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
