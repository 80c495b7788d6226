"""Load a model file in a child process first, before this one relies on it.

libhdf5 1.14.6 was seen to loop without end, to crash and to take 3.7 GB on files of 17 kB with a
few changed bytes, and nothing in Python interrupts it. What a child process gets through in
bounded time and memory, this process gets through as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from rewriter import errors
from rewriter.errors import ModelReadError, RewriterError, first_line
from rewriter.saved.formats import saved_model
from rewriter.saved.model_file import ModelFile
from rewriter.saved.safety.file_state import changed, size_of
from rewriter.saved.safety.links_and_sizes import (
    ENDINGS,
    config_digest,
    damaged,
    references,
    stored_config,
)
from rewriter.saved.safety.open_file import OpenModelFile, kept_open

TIME_LIMIT = 60.0
"""Seconds that a child may take, and `BYTES_A_SECOND` of the file on top."""

BYTES_A_SECOND = 5 * 2**20

MEMORY_LIMIT = 2 * 2**30
"""Bytes of address space that a child may take, and twice the file on top."""

# Isolated, Python has neither the working directory nor the environment on its path; without
# bytecode it leaves none behind that a full disk has cut short. The file is its standard input, so
# that no path can lead it to another one.
_CHILD = (
    "import sys; sys.path[:] = {path!r}; "
    "from rewriter.saved.safety.child_process import main; main()"
)


isolated = False
"""Whether this process is such a child itself, so that nothing is tried in another one first."""


def references_of(
    file: ModelFile, source: OpenModelFile | None = None, *, limits: bool = True
) -> list[tuple[str, str]]:
    """Return what in a file leads out of it, with the place where it stands.

    Parameters
    ----------
    file : ModelFile
        A ``.keras`` or ``.h5`` file, or a SavedModel directory.
    source : OpenModelFile, optional
        The file, held open; by default it is opened here.
    limits : bool
        Whether what the file declares, and the time and memory that reading it takes, are held
        against limits.

    Raises
    ------
    ModelReadError
        If the file declares more than its size allows, is damaged, or is not what its ending
        says.
    UnsupportedModelError
        If it holds weights in a form that is not looked through.
    """
    if file.path.suffix not in ENDINGS.get(file.format, (file.path.suffix,)):
        raise ModelReadError(
            f"it is a .{file.format} file by its content, and Keras goes by the ending",
            where=str(file.path),
            fix=f"rename it to end in .{file.format}",
        )
    if file.format == "savedmodel":
        folder = file.path if source is None else source.directory
        return list(saved_model.references(folder, file.document))
    if file.format not in ENDINGS:
        return []
    if source is None:
        with kept_open(file) as opened:
            return _told(file, opened, limits)
    return _told(file, source, limits)


def _told(file: ModelFile, source: OpenModelFile, limits: bool) -> list[tuple[str, str]]:
    answer = _here(file, source, limits) if isolated else _answer(file, source, limits=limits)
    if answer.get("config") not in (None, config_digest(file.document)):
        raise ModelReadError(
            "the HDF5 library reads another model_config than this program",
            where=str(file.path),
            fix="load the model with the Keras that saved it, and save it again",
        )
    # lists, where they come out of JSON
    references = [(place, what) for place, what in answer["references"]]
    if source.remember() != references:
        raise changed(file.path)
    return references


def _here(file: ModelFile, source: OpenModelFile, limits: bool) -> dict[str, Any]:
    """Look a file through in this process."""
    assert source.opened is not None
    source.opened.seek(0)
    try:
        found = list(references(source.opened, file.path, file.format, limits=limits))
        config = stored_config(source.opened) if file.format == "h5" else None
    except RewriterError:
        raise
    except Exception as error:  # h5py raises nearly anything on a damaged file
        raise damaged(file.path, f"the HDF5 library fails on it ({first_line(error)})") from error
    return {"references": found, "config": config}


def _answer(file: ModelFile, source: OpenModelFile, *, limits: bool) -> dict[str, Any]:
    """Return what the child says; raise what it raised."""
    assert source.opened is not None
    size = size_of(file.state)
    source.opened.seek(0)
    try:
        done = subprocess.run(
            [
                *(sys.executable, "-I", "-B", "-c", _CHILD.format(path=_safe_path())),
                *(str(file.path), file.format, str(MEMORY_LIMIT + 2 * size if limits else 0)),
            ],
            stdin=source.opened,
            capture_output=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # each thread reserves memory
            timeout=TIME_LIMIT + size / BYTES_A_SECOND if limits else None,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise damaged(file.path, "the HDF5 library does not come to an end with it") from error
    with suppress(ValueError):
        answer = json.loads(done.stdout)
        if "error" in answer:
            name, what, fix = answer["error"]
            raise getattr(errors, name)(what, where=str(file.path), fix=fix)
        return dict(answer)
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    how = f"the HDF5 library fails on it ({lines[-1][:200] if lines else done.returncode})"
    raise damaged(file.path, how)


def main() -> None:
    """Look a file through and read it, within a limit of memory, and print what was found."""
    path, format, memory = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    if memory:
        _limit(memory)
    answer: dict[str, Any]
    try:
        with open(0, "rb", closefd=False) as opened:
            listed = list(references(opened, path, format, limits=bool(memory)))
            config = stored_config(opened) if format == "h5" else None
        answer = {"references": listed, "config": config}
    except RewriterError as error:
        answer = {"error": [type(error).__name__, error.what, error.fix]}
    print(json.dumps(answer))


def _limit(memory: int) -> None:
    """Have the system refuse memory beyond a limit, where it knows how to."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, resource.RLIM_INFINITY))


def _safe_path() -> list[str]:
    """Return the path for the child: without what is relative to the working directory."""
    own = str(Path(__file__).parents[3])
    kept = [each for each in sys.path if Path(each).is_absolute()]
    return kept if own in kept else [*kept, own]
