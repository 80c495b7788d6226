"""The user's own layers and functions, from the modules that ``--custom`` names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from rewriter.errors import RewriterError


def custom_objects(wanted: Iterable[str]) -> dict[str, Any]:
    """Return classes and functions by name.

    Parameters
    ----------
    wanted : iterable of str
        ``MODULE``, for all public classes and functions that are defined in it, or
        ``MODULE:NAME`` for one. A module may be a path that ends in ``.py``; others are
        looked for in the current folder too.

    Raises
    ------
    RewriterError
        There is no such module, or nothing of that name in it.
    """
    found: dict[str, Any] = {}
    for each in wanted:
        place, _, name = each.rpartition(":") if _has_name(each) else (each, "", "")
        module = _load(place)
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
        if place.endswith(".py"):
            path = Path(place)
            spec = importlib.util.spec_from_file_location(path.stem, path)
            if spec is None or spec.loader is None or not path.is_file():
                raise ModuleNotFoundError("there is no such file")
            module = importlib.util.module_from_spec(spec)
            sys.modules[path.stem] = module
            spec.loader.exec_module(module)
            return module
        if str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(place)
    except Exception as error:
        raise RewriterError(
            f"the module cannot be imported: {type(error).__name__}: {error}",
            where=f"--custom {place}",
            fix="give MODULE, MODULE:NAME or FILE.py",
        ) from error
