"""Run the commands `check` and `explain`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rewriter.cli import console
from rewriter.cli.bounded import in_child
from rewriter.cli.options import CustomOption, IsolatedOption, LimitsOption
from rewriter.errors import RewriterError

if TYPE_CHECKING:
    from rewriter.checks.files import Checked


class FindingsFormat(str, Enum):
    """How findings are written to standard output."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


class Target(str, Enum):
    """What a model may be ported to."""

    KERAS3 = "keras3"


Codes = Annotated[
    list[str] | None,
    typer.Option(metavar="CODE", help="Codes, or beginnings of codes; may be repeated."),
]


def check(  # noqa: PLR0913
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
    to: Annotated[
        Target | None,
        typer.Option("--to", help="Tell what a port to this Keras would do and refuse."),
    ] = None,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Mend what can be mended without a change at inference."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help="Where to write the mended model."),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="With --fix: mend in place, and keep the old file as .bak."),
    ] = False,
    custom: CustomOption = None,
    limits: LimitsOption = True,
    isolated: IsolatedOption = False,
) -> None:
    """Tell what is wrong with models, without loading them."""
    from rewriter.api.pyproject import Settings, read_settings
    from rewriter.checks import parse_version, selected_codes
    from rewriter.checks.files import check_files, expanded

    settings = Settings() if isolated else read_settings(Path.cwd())
    console.settings_read(settings.path)
    codes = selected_codes(_split(select) or settings.select, (*settings.ignore, *_split(ignore)))
    version = keras_version or settings.keras_version
    if version and parse_version(version) is None:
        raise RewriterError(f"{version!r} is no version of Keras", fix="write it as 3.15")
    if fix and to is not None:
        raise RewriterError("--fix and --to", where="check", fix="port it with rewriter port")
    paths = expanded(models)
    if fix:
        _refuse_unclear_output(paths, output, force)
    checked = list(check_files(paths, codes, version, limits=limits, to_keras3=to is not None))
    if fix:
        in_child(paths, limits=limits)
        checked = [_mended(each, output, custom or [], codes, version, limits) for each in checked]
    _show(checked, format, settings.path)
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
    from rewriter.rehearsal.findings import CODES as MEASURED
    from rewriter.report.findings import explanation, measured_explanation

    if code.upper() in MEASURED:
        print(measured_explanation(code.upper()))
    else:
        print(explanation(code_named(code)))


def _refuse_unclear_output(paths: Sequence[str], output: Path | None, force: bool) -> None:
    if output is None and not force:
        raise RewriterError(
            "nothing says where to write", where="check --fix", fix="give -o OUT, or --force"
        )
    if output is not None and len(paths) != 1:
        raise RewriterError(
            f"{len(paths)} models cannot be written to one output",
            where="check --fix",
            fix="give one model, or mend them in place with --force",
        )
    if output is not None:
        from rewriter.saved.writing.output import check_output

        check_output(output, Path(paths[0]), force)


def _mended(
    checked: Checked,
    output: Path | None,
    custom: Sequence[str],
    codes: Sequence[str],
    version: str | None,
    limits: bool,
) -> Checked:
    """Mend one model; return what is left to say about it, or why it could not be mended."""
    from rewriter.api import functions
    from rewriter.checks.files import check_file
    from rewriter.checks.fixing import fixes
    from rewriter.cli.custom_modules import custom_objects

    passes = fixes(checked.findings)
    if not passes:
        return checked
    target = Path(checked.path) if output is None else output
    console.start_tensorflow()
    try:
        result = functions.rewrite(
            checked.path,
            passes,
            output=target,
            custom_objects=custom_objects(list(custom)),
            force=True,
            limits=limits,
            progress=console.progress,
        )
    except RewriterError as error:
        return replace(checked, error=f"not mended: {error}")
    print(
        console.one_line(f"mended {len(result.plan.changes)} things in {target}"), file=sys.stderr
    )
    return check_file(str(target), codes, version, limits=limits)


def _show(checked: Sequence[Checked], format: FindingsFormat, settings: Path | None) -> None:
    if format is FindingsFormat.JSON:
        path = None if settings is None else str(settings)
        files = [each.to_json() for each in checked]
        print(json.dumps({"version": 1, "settings": path, "files": files}, indent=2))
    elif format is FindingsFormat.SARIF:
        from importlib.metadata import version

        from rewriter.report.sarif import sarif

        print(json.dumps(sarif(checked, version("keras-rewriter"), settings), indent=2))
    else:
        from rewriter.report.findings import findings_lines
        from rewriter.report.terminal import show

        show(lambda width: findings_lines(checked))


def _split(given: Sequence[str] | None) -> tuple[str, ...]:
    """Return codes that were repeated, or written with commas."""
    return tuple(part for each in given or () for part in each.replace(",", " ").split())
