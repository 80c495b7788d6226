"""The commands `check` and `explain`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rewriter import console

if TYPE_CHECKING:
    from rewriter.checking import Checked


class FindingsFormat(str, Enum):
    """How findings are written to standard output."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


Codes = Annotated[
    list[str] | None,
    typer.Option(metavar="CODE", help="Codes, or beginnings of codes; may be repeated."),
]


def check(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL ...", help="Files, folders or patterns.")
    ],
    format: Annotated[
        FindingsFormat, typer.Option("--format", help="How to write the findings.")
    ] = FindingsFormat.TEXT,
    select: Codes = None,
    ignore: Codes = None,
    keras_version: Annotated[
        str | None,
        typer.Option(
            "--keras-version",
            metavar="VERSION",
            help="The Keras in question; by default the one that saved the model.",
        ),
    ] = None,
) -> None:
    """Tell what is wrong with models, without loading them."""
    from rewriter.checking import check_files, expanded
    from rewriter.checks import selected_codes
    from rewriter.settings import read_settings

    settings = read_settings(Path.cwd())
    codes = selected_codes(_split(select) or settings.select, (*settings.ignore, *_split(ignore)))
    version = keras_version or settings.keras_version
    checked = list(check_files(expanded(models), codes, version))
    _show(checked, format)
    for each in checked:
        if each.error:
            console.error(each.error)
    if any(each.error for each in checked):
        raise typer.Exit(2)
    raise typer.Exit(1 if any(each.findings for each in checked) else 0)


def explain(
    code: Annotated[str, typer.Argument(metavar="CODE", help="RW203, or its name.")],
) -> None:
    """Tell what a code stands for, with a model that shows it."""
    from rewriter.checks import code_named
    from rewriter.report.findings import explanation

    print(explanation(code_named(code)))


def _show(checked: Sequence[Checked], format: FindingsFormat) -> None:
    if format is FindingsFormat.JSON:
        print(json.dumps({"version": 1, "files": [each.to_json() for each in checked]}, indent=2))
    elif format is FindingsFormat.SARIF:
        from rewriter.report.sarif import sarif

        print(json.dumps(sarif(checked), indent=2))
    else:
        from rewriter.report.findings import findings_lines
        from rewriter.report.terminal import show

        show(lambda width: findings_lines(checked))


def _split(given: Sequence[str] | None) -> tuple[str, ...]:
    """Return codes that were repeated, or written with commas."""
    return tuple(part for each in given or () for part in each.replace(",", " ").split())
