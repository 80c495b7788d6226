"""Replace a whole directory by another, which a rename alone cannot do."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

_UNABLE = (errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.ENOTSUP)


def put_directory(new: Path, place: Path, *, backup: bool) -> None:
    """Put a directory in a place, and the one that stands there aside.

    Where the system can exchange two names, the place holds the old or the new directory at
    every moment; elsewhere it is empty between two renames, with the old one beside it as
    ``NAME.bak``.

    Parameters
    ----------
    new : Path
        The directory, in the same folder. Without a backup, its name may be the old one's
        afterwards.
    place : Path
        Where it goes; a missing or a non-empty directory.
    backup : bool
        Whether the old directory stays, as ``NAME.bak``.
    """
    if not place.exists():
        new.rename(place)
        return
    kept = place.with_name(place.name + ".bak")
    if not backup:
        if exchange(new, place):
            return
        kept = free_name(kept)
    elif os.path.lexists(kept):
        kept.replace(free_name(kept))
    if backup:
        new.rename(kept)  # so that at no moment the old one has a name that is cleaned up
        if exchange(kept, place):
            return
        kept.rename(new)
    place.rename(kept)
    try:
        new.rename(place)
    except OSError:
        kept.rename(place)
        raise
    if not backup:
        shutil.rmtree(kept)


def free_name(path: Path) -> Path:
    """Return the first of NAME.1, NAME.2 and so on that nothing has."""
    return next(name for name in numbered(path) if not os.path.lexists(name))


def numbered(path: Path) -> Iterator[Path]:
    """Yield NAME.1, NAME.2 and so on: the names of older backups.

    Examples
    --------
    >>> str(next(numbered(Path("m.h5.bak"))))
    'm.h5.bak.1'
    """
    return (path.with_name(f"{path.name}.{number}") for number in count(1))


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the system or its file system cannot.

    renameat2(2) of Linux, renamex_np(2) of macOS.
    """
    names = os.fsencode(one), os.fsencode(other)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            failed = library.renamex_np(*names, 2)
        else:
            failed = library.renameat2(-100, names[0], -100, names[1], 2)
    except (OSError, TypeError, AttributeError):  # Windows, or an old library
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in _UNABLE:
        return False
    raise OSError(number, os.strerror(number), str(one))
