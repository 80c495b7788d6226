"""Model files written whole or not at all."""

from __future__ import annotations

import errno
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
from rewriter.saved.formats.saved_model import GRAPH, foreign, is_saved_model
from rewriter.saved.writing.replace_directory import numbered, put_directory
from rewriter.saved.writing.temporary import (
    remove_leftovers,
    temporary_directory_for,
    temporary_for,
)

ENDINGS = (".keras", ".h5", ".hdf5")
_DISK_ERRORS = (errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC))


def is_directory(target: Path) -> bool:
    """Whether a target is written as a SavedModel directory.

    It is where it has no ending, or where one stands there already.

    Examples
    --------
    >>> is_directory(Path("models/1")), is_directory(Path("model.h5"))
    (True, False)
    """
    if target.suffix in ENDINGS or target.name in ENDINGS:
        return False
    return not target.suffix or is_saved_model(target)


def check_output(target: Path, source: Path | None, force: bool, keras: int = 2) -> None:
    """Refuse an output that cannot be written, or must not be, before any work is done.

    Parameters
    ----------
    target : Path
        The file or SavedModel directory to be written.
    source : Path or None
        The file of the model, if it comes from one.
    force : bool
        Whether a model that exists may be replaced.
    keras : int
        The Keras that writes it, 2 or 3.

    Raises
    ------
    ModelWriteError
        If the ending names no format that can be written, the folder is missing or closed, or
        the target exists and `force` is not set; and for anything at the target but a model.

    Examples
    --------
    >>> check_output(Path("model.onnx"), None, force=False)
    Traceback (most recent call last):
    rewriter.errors.ModelWriteError: model.onnx: the ending names no format that can be written; \
end it in .keras, .h5 or .hdf5 (in Keras 2, a name without an ending is a SavedModel directory)
    """
    if target.suffix not in ENDINGS and not is_directory(target):
        raise ModelWriteError(
            "the ending names no format that can be written",
            where=str(target),
            fix="end it in .keras, .h5 or .hdf5 (in Keras 2, a name without an ending is a "
            "SavedModel directory)",
        )
    if is_directory(target) and keras != 2:
        raise ModelWriteError(
            f"Keras {keras} writes no SavedModel directory that it could load again",
            where=str(target),
            fix="end it in .keras, and make a SavedModel for serving with model.export",
        )
    try:
        place = _destination(target)
        if not place.exists() or _is_empty(place):
            return
        from_here = source is not None and source.exists() and place.samefile(source)
        if force:
            if place.is_dir() and not from_here:
                _refuse_loss(place, target)
            return
        what = "it is the file that the model comes from" if from_here else "it exists already"
    except (OSError, ValueError) as error:
        raise _unwritable(target, error) from error
    raise ModelWriteError(
        what,
        where=str(target),
        fix="name another file, or replace it with --force (in Python, force=True)",
    )


def _is_empty(place: Path) -> bool:
    return place.is_dir() and not any(place.iterdir())


def _refuse_loss(place: Path, target: Path) -> None:
    """Refuse to replace a directory that holds more than a model."""
    others = foreign(place)
    if others:
        raise ModelWriteError(
            f"it holds {others[0]!r} besides a SavedModel", where=str(target), fix="name another"
        )


@contextmanager
def replacing(target: Path, *, backup: bool = False) -> Iterator[Path]:
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

    Yields
    ------
    Path
        An empty file with the same ending, in a directory of its own in the folder of the target;
        or an empty directory there.

    Raises
    ------
    ModelWriteError
        If the disk is full, the folder is closed, or nothing was written.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "model.keras"
    >>> with replacing(target) as temporary:
    ...     _ = temporary.write_text("content")
    >>> target.read_text()
    'content'
    """
    place = _destination(target)
    try:
        remove_leftovers(place)
        with _sigterm_raises(), _temporary(place, target) as temporary:
            yield temporary
            if temporary.is_dir():
                _replace_directory(temporary, place, backup=backup)
            else:
                _replace_file(temporary, place, backup=backup)
            _sync_folder(place.parent)
    except Exception as error:
        disk_error = _disk_error(error)
        if disk_error is None and not isinstance(error, OSError):
            raise
        raise _unwritable(target, disk_error or error) from error


def _temporary(place: Path, target: Path) -> AbstractContextManager[Path]:
    if is_directory(target):
        return temporary_directory_for(place, _mode(place) if place.exists() else 0o777)
    return temporary_for(place, _mode(place), target.suffix)


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
    for each in temporary.rglob("*"):
        if each.is_dir():
            _sync_folder(each)
        elif each.stat().st_size:
            _sync(each)
    if place.exists():
        _hand_on(place, temporary)
        if _is_empty(place):
            place.rmdir()
    put_directory(temporary, place, backup=backup)


def _unwritable(target: Path, error: Exception) -> ModelWriteError:
    number = error.errno if isinstance(error, OSError) else None
    reason = str(error) if number is None else os.strerror(number)
    fix = "check the path and the permissions of the folder"
    if number in _DISK_ERRORS:
        fix = "free some space, or write to another disk; what was there before is untouched"
    return ModelWriteError(f"the file cannot be written: {reason}", where=str(target), fix=fix)


def _disk_error(error: BaseException | None) -> OSError | None:
    """Find the full or failing disk behind an error: h5py ends such a save in a RuntimeError."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            return error
        error = error.__cause__ or error.__context__
    return None


def _destination(target: Path) -> Path:
    """Return the file that a target stands for, links resolved, or refuse the target."""
    try:
        place = Path(os.path.realpath(target))
        refusal = _refusal(place, directory=is_directory(target))
    except (OSError, ValueError) as error:  # a path with a null character is a ValueError
        raise _unwritable(target, error) from error
    if refusal is None:
        return place
    what, fix = refusal
    raise ModelWriteError(what, where=str(target), fix=fix)


def _refusal(place: Path, *, directory: bool) -> tuple[str, str] | None:
    """Say why no model can be put in a place, and what to do about it."""
    if not place.parent.is_dir():
        return f"there is no folder {place.parent}", "make it first"
    if not os.access(place.parent, os.W_OK | os.X_OK):
        return f"the folder {place.parent} cannot be written to", "choose another one"
    if place.is_symlink():
        return "its symbolic links lead in a circle", "name another file"
    if place.exists() and directory and not (_is_empty(place) or is_saved_model(place)):
        return "it exists and is no SavedModel directory", "name another one"
    if place.exists() and not directory and not place.is_file():
        return "it exists and is no regular file", "name another file"
    if place.exists() and not _mode(place) & 0o222:
        return "it is write-protected", "name another file, or make it writable"
    return None


def _mode(place: Path) -> int:
    """Return the permissions of a file, or those that the umask cuts down for a new one."""
    return place.stat().st_mode & 0o777 if place.exists() else 0o666


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
