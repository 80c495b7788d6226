"""Refuse an output that cannot be written, or must not be, before any work is done."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from rewriter.errors import ModelWriteError
from rewriter.saved.formats.saved_model import RECORD_FILE, foreign, is_saved_model

ENDINGS = (".keras", ".h5", ".hdf5")
DISK_ERRORS = (errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC))


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
        place = destination(target)
        if not place.exists() or is_empty(place):
            return
        from_here = source is not None and source.exists() and place.samefile(source)
        if force:
            if place.is_dir() and not from_here:
                _refuse_loss(place, target)
            return
        what = "it is the file that the model comes from" if from_here else "it exists already"
    except (OSError, ValueError) as error:
        raise unwritable(target, error) from error
    raise ModelWriteError(
        what,
        where=str(target),
        fix="name another file, or replace it with --force (in Python, force=True)",
    )


def is_empty(place: Path) -> bool:
    """Whether a place is a directory with nothing in it."""
    return place.is_dir() and not any(place.iterdir())


def _refuse_loss(place: Path, target: Path) -> None:
    """Refuse to replace a directory that holds more than a model."""
    others = [name for name in foreign(place) if name != RECORD_FILE]
    if others:
        raise ModelWriteError(
            f"the folder holds {others[0]!r}, which is no part of a SavedModel",
            where=str(target),
            fix="name another folder",
        )


def unwritable(target: Path, error: Exception) -> ModelWriteError:
    """Return the error for a target that the system does not let be written."""
    number = error.errno if isinstance(error, OSError) else None
    reason = str(error) if number is None else os.strerror(number)
    fix = "check the path and the permissions of the folder"
    if number in DISK_ERRORS:
        fix = "free some space, or write to another disk; what was there before is untouched"
    return ModelWriteError(f"the file cannot be written: {reason}", where=str(target), fix=fix)


def destination(target: Path) -> Path:
    """Return the file that a target stands for, links resolved, or refuse the target."""
    try:
        place = Path(os.path.realpath(target))
        refusal = _refusal(place, directory=is_directory(target))
    except (OSError, ValueError) as error:  # a path with a null character is a ValueError
        raise unwritable(target, error) from error
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
    if place.exists() and directory and not (is_empty(place) or is_saved_model(place)):
        return "it exists and is no SavedModel directory", "name another one"
    if place.exists() and not directory and not place.is_file():
        return "it exists and is no regular file", "name another file"
    if place.exists() and not place.stat().st_mode & 0o222:
        return "it is write-protected", "name another file, or make it writable"
    return None


def new_mode(place: Path, like: Path | None = None, *, directory: bool = False) -> int:
    """Return the permissions for what is put in a place, before the umask cuts them down.

    They are those of what stands there; of something new, all but what another file or directory,
    whose content it holds as well, keeps from others.
    """
    if place.exists():
        return place.stat().st_mode & 0o777
    mode = like.stat().st_mode & 0o777 if like is not None and like.exists() else 0o777
    # a directory that may be read is to be entered; a file is no program
    return mode | (mode & 0o444) >> 2 if directory else mode & 0o666
