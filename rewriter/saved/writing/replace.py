"""Write a model beside its target, and put it in the target's place once it is whole."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import FrameType

from rewriter.errors import ModelWriteError
from rewriter.saved.formats.saved_model import GRAPH
from rewriter.saved.writing.output import (
    DISK_ERRORS,
    destination,
    is_directory,
    is_empty,
    new_mode,
    unwritable,
)
from rewriter.saved.writing.replace_directory import numbered, put_directory
from rewriter.saved.writing.temporary import (
    remove_leftovers,
    temporary_directory_for,
    temporary_for,
)


@contextmanager
def replacing(
    target: Path, *, backup: bool = False, like: Path | None = None, force: bool = True
) -> Iterator[Path]:
    """Write a model beside the target, and put it in the target's place once it is whole.

    Until then the target stays as it is, whatever happens: an exception, SIGTERM or Ctrl-C
    removes the temporary directory; what a killed process leaves is removed by the next call for
    the same target. A symbolic link stays, and the file that it points to is replaced. A file that
    is replaced hands on its permissions and, where the system lets it, its owner. A SavedModel
    directory is put in place as `put_directory` says.

    Parameters
    ----------
    target : Path
        The file or directory to be written.
    backup : bool, optional
        Keep the target's old content as ``NAME.bak``. An older ``NAME.bak`` becomes
        ``NAME.bak.1``, or the next free number.
    like : Path, optional
        The file or directory that the model comes from; what is new gets its permissions at most.
    force : bool, optional
        Whether a target that another run writes meanwhile is replaced.

    Yields
    ------
    Path
        An empty file with the same ending, in a directory of its own in the folder of the target;
        or an empty directory there.

    Raises
    ------
    ModelWriteError
        If the disk is full, the folder is closed, nothing was written, or another run was faster.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "model.keras"
    >>> with replacing(target) as temporary:
    ...     _ = temporary.write_text("content")
    >>> target.read_text()
    'content'
    """
    place = destination(target)
    try:
        is_new = not place.exists() or is_empty(place)
        remove_leftovers(place)
        with _sigterm_raises(), _temporary(place, target, like) as temporary:
            yield temporary
            if is_new and not force and place.exists() and not is_empty(place):
                raise _another_run(target)
            if temporary.is_dir():
                _replace_directory(temporary, place, backup=backup)
            else:
                _replace_file(temporary, place, backup=backup)
            _sync_folder(place.parent)
    except Exception as error:
        disk_error = _disk_error(error)
        if disk_error is None and not isinstance(error, OSError):
            raise
        raise unwritable(target, disk_error or error) from error


def _another_run(target: Path) -> ModelWriteError:
    return ModelWriteError(
        "another run has written it meanwhile; that one stays, and this model is not written",
        where=str(target),
        fix="look at it; then name another file, or replace it with --force",
    )


def _temporary(place: Path, target: Path, like: Path | None) -> AbstractContextManager[Path]:
    if is_directory(target):
        return temporary_directory_for(place, new_mode(place, like, directory=True))
    return temporary_for(place, new_mode(place, like), target.suffix)


def _replace_file(temporary: Path, place: Path, *, backup: bool) -> None:
    _sync(temporary)
    if place.exists():
        if backup:
            _back_up(place, temporary.parent)
        _hand_on(place, temporary)
    temporary.replace(place)


def _replace_directory(temporary: Path, place: Path, *, backup: bool) -> None:
    if not (temporary / GRAPH).is_file():
        raise _nothing_written(temporary)
    for entry in temporary.rglob("*"):
        if entry.is_dir():
            _sync_folder(entry)
        elif entry.stat().st_size:
            _sync(entry)
    if place.exists():
        _hand_on(place, temporary)
        if is_empty(place):
            place.rmdir()
    put_directory(temporary, place, backup=backup)


def _disk_error(error: BaseException | None) -> OSError | None:
    """Find the full or failing disk behind an error: h5py ends such a save in a RuntimeError."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            return error
        error = error.__cause__ or error.__context__
    return None


def _sync(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open("r+b") as file:
        if not file.seek(0, os.SEEK_END):
            raise _nothing_written(path)
        os.fsync(file.fileno())


def _nothing_written(path: Path) -> ModelWriteError:
    return ModelWriteError("nothing was written", where=str(path), fix="save a model to it")


def _sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system knows how to."""
    # Without it the renaming still stands; only the moment is open at which the disk knows.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _hand_on(place: Path, temporary: Path) -> None:
    """Give a new file the owner, the group and the permissions of the one it replaces."""
    old = place.stat()
    if sys.platform != "win32":
        for owner, group in ((-1, old.st_gid), (old.st_uid, -1)):
            with suppress(PermissionError):
                os.chown(temporary, owner, group)
    temporary.chmod(old.st_mode & 0o777)


def _back_up(place: Path, folder: Path) -> None:
    """Keep the content of a file as NAME.bak; at no moment is a backup without a name."""
    backup = place.with_name(place.name + ".bak")
    while not _same(backup, place):  # else a run was killed after its backup
        if os.path.lexists(backup):
            _set_aside(backup)
        try:
            os.link(place, backup)
        except FileExistsError:  # another run was faster
            continue
        except OSError:  # a file system without hard links
            _copy(place, backup, folder)
        break
    _sync_folder(place.parent)


def _same(backup: Path, place: Path) -> bool:
    try:
        return backup.samefile(place)
    except FileNotFoundError:  # there is none, or another run has just set it aside
        return False


def _copy(place: Path, copy: Path, folder: Path) -> None:
    """Copy a file by way of a temporary folder."""
    temporary = folder / copy.name
    shutil.copyfile(place, temporary)
    shutil.copystat(place, temporary)
    _sync(temporary)
    temporary.replace(copy)


def _set_aside(backup: Path) -> None:
    """Rename a backup to NAME.bak.1, or to the next number that no other run has taken."""
    for older in numbered(backup):
        with suppress(FileExistsError):
            older.touch(exist_ok=False)
            break
    try:
        backup.replace(older)
    except OSError as error:
        older.unlink()
        if not isinstance(error, FileNotFoundError):  # else another run was faster
            raise


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Let SIGTERM unwind the stack where it would end the process at once."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # the cleaning up is not interrupted
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
