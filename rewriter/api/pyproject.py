"""Read the ``[tool.rewriter]`` table of the nearest pyproject.toml."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewriter.errors import RewriterError
from rewriter.saved.formats.regular_file import content

SETTINGS_LIMIT = 16 * 2**20
"""Bytes of a file with settings."""

OF_CHECK = ("select", "ignore", "keras-version")
OF_REWRITE = ("passes", "verify", "weights")
"""The settings of a rewrite, which `rewriter.api.rewrite_step` reads."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a project wants of `check`.

    Parameters
    ----------
    select, ignore : tuple of str
        Codes, names, or beginnings of codes.
    keras_version : str or None
        The version of Keras in question, where it is not the one that saved a file.
    path : Path or None
        Where they were read; None where nothing is set.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    keras_version: str | None = None
    path: Path | None = None


def read_settings(folder: Path) -> Settings:
    """Return the settings for a folder: those of the nearest pyproject.toml above it.

    Raises
    ------
    RewriterError
        The table holds something that is no setting.
    """
    path = project_file(folder)
    return Settings() if path is None else _settings(table_of(path), path)


def project_file(folder: Path) -> Path | None:
    """Return the nearest pyproject.toml of a folder and those above it, if there is one."""
    paths = (each / "pyproject.toml" for each in (folder, *folder.parents))
    return next((path for path in paths if path.is_file()), None)


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Return the tables of a TOML document.

    Raises
    ------
    RewriterError
        It is none.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RewriterError(f"no TOML: {error}", where=where) from error


def tool_table(document: Mapping[str, Any]) -> Any:
    """Return what stands under ``[tool.rewriter]``; an empty table if nothing does."""
    tool = document.get("tool", {})
    return tool.get("rewriter", {}) if isinstance(tool, dict) else {}


def table_of(path: Path) -> Any:
    """Return the ``[tool.rewriter]`` table of a pyproject.toml; an empty one if it has none."""
    text = content(path, SETTINGS_LIMIT).decode("utf-8", errors="replace")
    if "tool.rewriter" not in text.replace(" ", ""):
        return {}
    return tool_table(parse_toml(text, str(path)))


def _settings(table: Any, path: Path) -> Settings:
    where = f"{path}: [tool.rewriter]"
    if not isinstance(table, dict):
        raise RewriterError("it is not a table of keys and values", where=where)
    known = (*OF_CHECK, *OF_REWRITE)
    for key in table:
        if key not in known:
            fix = f"there are {', '.join(sorted(known))}"
            raise RewriterError(f"unknown setting {key!r}", where=where, fix=fix)
    lists = []
    for key in ("select", "ignore"):
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise RewriterError(f"{key} is not a list of codes", where=where)
        lists.append(tuple(value))
    version = table.get("keras-version")
    if version is not None and not isinstance(version, str):
        raise RewriterError("keras-version is not a string", where=where, fix='write "3.15"')
    return Settings(lists[0], lists[1], version, path if table else None)
