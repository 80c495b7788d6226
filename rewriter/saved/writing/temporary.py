"""Make temporary directories that name their owner, so that leftovers can be removed.

``.model.keras.rewriter-PID-HOST-RANDOM``: hidden, beside the file that will come out of it. HOST is
a checksum of the host's name: on a shared folder, the process numbers of other hosts say nothing
here.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_STEM_LIMIT = 160  # bytes; most file systems end names at 255
_in_use: set[str] = set()  # of this process: a restarted container may reuse its number


@contextmanager
def temporary_for(place: Path, mode: int, ending: str) -> Iterator[Path]:
    """Create an empty file in a directory of its own, beside the file that it will become.

    Keras picks the format by the ending, and may put files of its own beside the one that it
    writes. The directory is removed at the end, with all that is in it.

    Parameters
    ----------
    place : Path
        The file beside which the directory is made.
    mode : int
        The permissions of the file, to which the right to write and the umask are applied.
    ending : str
        Its ending, ``.keras``.

    Yields
    ------
    Path
        The file.
    """
    with temporary_directory_for(place, stat.S_IRWXU) as folder:
        path = folder / f"model{ending}"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode | stat.S_IWUSR))
        yield path


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """Create an empty directory in the system's folder for such, and remove it at the end."""
    with temporary_directory_for(_scratch(), stat.S_IRWXU) as path:
        yield path


def remove_scratch() -> None:
    """Remove what dead processes of this host left in the system's folder, if it can be read."""
    with suppress(OSError):
        remove_leftovers(_scratch())


def _scratch() -> Path:
    return Path(tempfile.gettempdir()) / "keras"


@contextmanager
def temporary_directory_for(place: Path, mode: int) -> Iterator[Path]:
    """Create an empty directory beside another one, and remove it if it is there at the end.

    Parameters
    ----------
    place : Path
        The directory beside which it is made.
    mode : int
        Its permissions, to which those of the owner and the umask are applied.

    Yields
    ------
    Path
        The directory.
    """
    owner = f"{os.getpid()}-{_host()}-{secrets.token_hex(4)}"
    path = place.with_name(f"{_prefix(place)}{owner}")
    _in_use.add(path.name)
    try:
        path.mkdir(mode | stat.S_IRWXU)
        yield path
    finally:
        with suppress(OSError):
            _remove(path)
        _in_use.discard(path.name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_leftovers(place: Path) -> None:
    """Remove what dead processes of this host left beside a file or a directory."""
    owned = re.compile(re.escape(_prefix(place)) + r"(\d{1,9})-([0-9a-f]{8})-[0-9a-f]{8}(\.\w+)?")
    for entry in place.parent.iterdir():
        match = owned.fullmatch(entry.name)
        if match is None or match[2] != _host() or entry.name in _in_use:
            continue
        pid = int(match[1])
        if pid == os.getpid() or not _is_alive(pid):
            with suppress(OSError):
                _remove(entry)


def _prefix(place: Path) -> str:
    stem = os.fsdecode(os.fsencode(place.name)[:_STEM_LIMIT])
    return f".{stem}.rewriter-"


def _host() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


if sys.platform == "win32":

    def _is_alive(pid: int) -> bool:
        import ctypes

        kernel = ctypes.windll.kernel32  # os.kill would end the process
        query_limited_information, invalid_parameter, still_active = 0x1000, 87, 259
        handle = kernel.OpenProcess(query_limited_information, False, pid)
        if not handle:
            return bool(kernel.GetLastError() != invalid_parameter)
        code = ctypes.c_ulong()
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        kernel.CloseHandle(handle)
        return code.value == still_active

else:

    def _is_alive(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except (PermissionError, OverflowError):
            return True
        return True
