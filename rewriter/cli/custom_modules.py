"""Import the user's own layers and functions from the modules that ``--custom`` names."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from rewriter.cli import console
from rewriter.errors import RewriterError


def custom_objects(wanted: Iterable[str]) -> dict[str, Any]:
    """Return classes and functions by name, and say on standard error which files they are of.

    Parameters
    ----------
    wanted : iterable of str
        ``MODULE``, for all public classes and functions that are defined in it, or
        ``MODULE:NAME`` for one. A module may be a path that ends in ``.py``; others are
        looked for among what is installed, and in the current folder.

    Raises
    ------
    RewriterError
        There is no such module, or there are two, or nothing of that name is in it.
    """
    found: dict[str, Any] = {}
    for each in wanted:
        place, _, name = each.rpartition(":") if _has_name(each) else (each, "", "")
        module = _load(place)
        print(
            console.one_line(f"--custom {place}: {getattr(module, '__file__', None)}"),
            file=sys.stderr,
        )
        if name:
            if not hasattr(module, name):
                raise RewriterError(f"nothing in it is called {name!r}", where=f"--custom {each}")
            found[name] = getattr(module, name)
        else:
            found |= {
                key: value
                for key, value in vars(module).items()
                if callable(value) and getattr(value, "__module__", None) == module.__name__
            }
    return found


def _has_name(wanted: str) -> bool:
    _, colon, name = wanted.rpartition(":")
    return bool(colon) and name.isidentifier()


def _load(place: str) -> ModuleType:
    try:
        return _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    except RewriterError:
        raise
    except Exception as error:
        raise RewriterError(
            f"the module cannot be imported: {type(error).__name__}: {error}",
            where=f"--custom {place}",
            fix="give MODULE, MODULE:NAME or FILE.py",
        ) from error


def _load_file(path: Path) -> ModuleType:
    name = path.stem
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        name = f"custom_{name}"  # what is installed keeps its name
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ModuleNotFoundError("there is no such file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _load_module(place: str) -> ModuleType:
    importlib.invalidate_caches()
    top, folder = place.partition(".")[0], os.path.realpath(Path.cwd())
    here = PathFinder.find_spec(top, [folder])
    with _path(folder, last=False):
        elsewhere = importlib.util.find_spec(top)
    if here is not None and here.loader is None:  # a folder without __init__.py hides nothing
        here = None if elsewhere is not None else here
    if here is not None and elsewhere is not None and not _same(here, elsewhere):
        raise RewriterError(
            f"{top!r} is both in this folder and installed ({elsewhere.origin})",
            where=f"--custom {place}",
            fix=f"give the file in this folder as FILE.py: {here.origin}",
        )
    with _path(folder, last=True):
        return importlib.import_module(place)


def _same(one: ModuleSpec, other: ModuleSpec) -> bool:
    origins = [os.path.realpath(each.origin or "") for each in (one, other)]
    return origins[0] == origins[1]


@contextmanager
def _path(folder: str, *, last: bool) -> Iterator[None]:
    """Have modules looked for in this folder last of all, or not at all."""
    before = list(sys.path)
    kept = [each for each in before if each and os.path.realpath(each) != folder]
    sys.path[:] = [*kept, folder] if last else kept
    try:
        yield
    finally:
        sys.path[:] = before
