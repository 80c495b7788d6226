"""Check many files; a file that cannot be read does not stop the others."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rewriter.checks.findings import Finding
from rewriter.errors import RewriterError
from rewriter.saved import read as read_file
from rewriter.saved.decoding import contradictory, graph_of
from rewriter.saved.formats.saved_model import is_saved_model
from rewriter.saved.safety.links_and_sizes import references_by_name

ALONE = 32
"""So many files are read faster by one process than others are started."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What there is to say about one file.

    Parameters
    ----------
    path : str
        The file, as given.
    findings : tuple of Finding
        What was found.
    error : str
        Why the file could not be checked, in one line; empty if it could.
    """

    path: str
    findings: tuple[Finding, ...] = ()
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        findings = [finding.to_json() for finding in self.findings]
        return {"path": self.path, "findings": findings, "error": self.error or None}


def check_file(
    path: str,
    codes: Sequence[str] | None = None,
    version: str | None = None,
    *,
    limits: bool = True,
    to_keras3: bool = False,
) -> Checked:
    """Check one file; what is wrong with the file itself is part of the answer.

    Parameters
    ----------
    path : str
        A ``.keras`` or ``.h5`` file, or a SavedModel directory of Keras 2.
    codes : sequence of str, optional
        The codes to look for; by default all.
    version : str, optional
        The version of Keras in question; by default the one that saved the file.
    limits : bool
        Whether what the file declares is held against limits.
    to_keras3 : bool
        Whether to tell what a port to Keras 3 would do, in place of what is wrong.
    """
    from rewriter.checks import check_graph

    try:
        file = read_file(path, limits=limits)
        graph = graph_of(file)
        if to_keras3:
            from rewriter.checks.to_keras3 import port_findings

            ported = port_findings(graph)
            wanted = [finding for finding in ported if codes is None or finding.code in codes]
            return Checked(path, tuple(wanted))
        findings = check_graph(
            graph,
            codes=codes,
            version=version or file.version,
            format=file.format,
            documents=(file.document, file.training_config),
            references=references_by_name(file.path, file.format, file.document),
        )
    except RewriterError as error:
        return Checked(path, error=str(error))
    except MemoryError:
        return Checked(path, error=f"{path}: there is too little memory to check it")
    except Exception as error:
        return Checked(path, error=str(contradictory(path, error)))
    return Checked(path, tuple(findings))


def check_files(
    paths: Sequence[str],
    codes: Sequence[str] | None = None,
    version: str | None = None,
    *,
    limits: bool = True,
    to_keras3: bool = False,
) -> Iterator[Checked]:
    """Check many files, in their order, with all the processors there are."""
    check = partial(check_file, codes=codes, version=version, limits=limits, to_keras3=to_keras3)
    processes = min(_processors(), len(paths) // ALONE + 1)
    if processes < 2 or not _can_start_safely():
        yield from map(check, paths)
        return
    import multiprocessing

    size = min(max(len(paths) // (processes * 8), 1), 64)
    with _safe_path_for_children(), multiprocessing.Pool(processes) as pool:
        yield from pool.imap(check, paths, chunksize=size)


def expanded(patterns: Sequence[str]) -> list[str]:
    """Return the files that names and patterns stand for, each once, in a fixed order.

    A name that is no pattern, or that a file has, stands for itself; a folder for the models
    below it.
    """
    files: dict[str, None] = {}
    for pattern in patterns:
        if _exists(pattern):
            folder = Path(pattern)
            holds = folder.is_dir() and not is_saved_model(folder)
            inside = _models_below(folder) if holds else []
            files |= dict.fromkeys(inside or [pattern])
        elif glob.has_magic(pattern):
            # Path.glob takes no absolute patterns
            matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
            files |= dict.fromkeys(matches or [pattern])
        else:
            files[pattern] = None
    return list(files)


def _exists(pattern: str) -> bool:
    try:
        return Path(pattern).exists()
    except (OSError, ValueError):
        return False


def _models_below(folder: Path) -> list[str]:
    endings = (".keras", ".h5", ".hdf5")
    files = {each for each in folder.rglob("*") if each.suffix in endings}
    directories = {each.parent for each in folder.rglob("saved_model.pb*")}
    inside = {each for each in files if any(above in directories for above in each.parents)}
    return sorted(str(each) for each in (files - inside) | directories)


def _can_start_safely() -> bool:
    """Whether processes can be started without the working directory on their path."""
    import multiprocessing

    return sys.version_info >= (3, 11) or multiprocessing.get_start_method() == "fork"


@contextmanager
def _safe_path_for_children() -> Iterator[None]:
    """Have Python start without the working directory on its path, where it starts anew."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTHONSAFEPATH"]
        if before is not None:
            os.environ["PYTHONSAFEPATH"] = before


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
