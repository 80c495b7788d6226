"""Tell whether a model file is still the one that was read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from rewriter.errors import ModelReadError

State = tuple[tuple[str, tuple[int, ...]], ...]
"""The files of a model by name, each with what the system changes when it is written or renamed."""


def state_of_directory(path: Path) -> State:
    """Return the state of every file and link below a directory.

    Raises
    ------
    ModelReadError
        Something in it is a pipe, a device or a socket, which reading might never get through.
    """
    entries = [each for each in sorted(path.rglob("*")) if each.is_symlink() or not each.is_dir()]
    for each in entries:
        if each.exists() and not (each.is_file() or each.is_dir()):
            what = f"{each.relative_to(path)} in it is no regular file"
            raise ModelReadError(what, fix="take it out of the folder")
    return tuple((str(each.relative_to(path)), _stamp(each.lstat())) for each in entries)


def state_of_file(file: BinaryIO) -> State:
    """Return the state of a file that is open."""
    return (("", _stamp(os.fstat(file.fileno()))),)


def state_of(path: Path) -> State:
    """Return the state of what is at a path now."""
    status = path.stat()
    return state_of_directory(path) if stat.S_ISDIR(status.st_mode) else (("", _stamp(status)),)


def size_of(state: State) -> int:
    """Return the bytes of all the files together."""
    return sum(stamp[2] for _, stamp in state)


def require_unchanged(path: Path, before: State, now: State | None = None) -> None:
    """Refuse a file that was exchanged or written to since it was read.

    Parameters
    ----------
    path : Path
        The file.
    before : State
        Its state when it was read.
    now : State, optional
        Its state now; by default that of what is at the path.

    Raises
    ------
    ModelReadError
        Something of it is gone or another; files that came to a directory do not count.
    """
    try:
        kept = set(state_of(path) if now is None else now)
    except OSError:
        kept = set()
    if not kept.issuperset(before):
        raise changed(path)


def require_same(path: Path, name: str, before: State) -> None:
    """Refuse a directory in which a file or link of this name is another than it was.

    Raises
    ------
    ModelReadError
        It is gone, or another, or came later.
    """
    try:
        now = (name, _stamp((path / name).lstat()))
    except OSError:
        raise changed(path) from None
    if now not in before:
        raise changed(path)


def changed(path: Path) -> ModelReadError:
    """Return the error for a file that changed."""
    return ModelReadError(
        "the file changed while it was in use here",
        where=str(path),
        fix="run it again when nobody else writes to the file",
    )


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
