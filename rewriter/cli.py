"""The command line: every command is a few lines over the public names."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rewriter import console
from rewriter.commands import check as check_command
from rewriter.commands import rehearse as rehearse_command
from rewriter.commands.show import show
from rewriter.errors import RewriterError

if TYPE_CHECKING:
    from rewriter.api import Result
    from rewriter.config import Rewrite
    from rewriter.pipeline import Plan
    from rewriter.rehearsal import Compared
    from rewriter.saved_plans import SavedPlan

app = typer.Typer(
    name="rewriter",
    help="Rewrite trained Keras models, and check that the outputs are kept.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Format(str, Enum):
    """How a result is written to standard output."""

    TEXT = "text"
    JSON = "json"


ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model file, or a SavedModel folder.")
]
PassOption = Annotated[
    list[str] | None,
    typer.Option(
        "-p", "--pass", metavar="PASS[:option=value,...]", help="A pass; may be repeated."
    ),
]
PlanOption = Annotated[
    Path | None,
    typer.Option(
        "--plan", metavar="PLAN.json", help="Apply this plan, made with --format json, instead."
    ),
]
ReportOption = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Write a report: .html, .json or .md."),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to write the result.")]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="INPUTS.npz", help="Inputs to verify with, by input name."),
]
CustomOption = Annotated[
    list[str] | None,
    typer.Option(
        "--custom",
        metavar="MODULE[:NAME]",
        help="A module (or file.py) with the model's own layers and functions; may be repeated.",
    ),
]

AllowCodeOption = Annotated[
    bool,
    typer.Option(
        "--allow-code", help="Load a file that would run code, or read or write another file."
    ),
]
LimitsOption = Annotated[
    bool, typer.Option("--limits/--no-limits", help="Hold what a file declares against limits.")
]


@app.command()
def rewrite(  # noqa: PLR0913
    model: ModelArgument,
    passes: PassOption = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help="A .keras or .h5 file, or a folder."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, do nothing.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="With --dry-run: exit with 1 if there are changes.")
    ] = False,
    format: FormatOption = Format.TEXT,
    data: DataOption = None,
    verify: Annotated[
        bool | None,
        typer.Option("--verify/--no-verify", help="Measure the guarantee.", show_default="verify"),
    ] = None,
    custom: CustomOption = None,
    allow_code: AllowCodeOption = False,
    limits: LimitsOption = True,
    force: Annotated[bool, typer.Option("--force", help="Replace an output that exists.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Show every call and every note.")] = False,
    saved_plan: PlanOption = None,
    report: ReportOption = None,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Train a step before and after, at many sizes.")
    ] = False,
) -> None:
    """Rewrite a saved model: plan, rebuild, copy the weights, verify, write."""
    from rewriter import api
    from rewriter.rewriting import require_tensorflow_backend
    from rewriter.saved import check_output

    saved = None if saved_plan is None else _read_plan(saved_plan)
    step = _step(passes, saved)
    if report is not None:
        from rewriter.report.files import check_report, write_report

        check_report(report)
    if output is None and not dry_run:
        raise RewriterError("no output", where="rewrite", fix="give -o OUT, or --dry-run")
    if not dry_run and output is not None:
        named = output.suffix or output.is_dir()
        output = output if named else output.with_suffix(Path(model).suffix)
        check_output(output, Path(model), force)
        require_tensorflow_backend()
    inputs = _inputs(data)
    plan = api.plan(model, step.passes, data=inputs, limits=limits)
    if saved is not None:
        saved.hold_against(plan)
    if dry_run:
        _show_plan(plan, format, full)
        if report is not None:
            write_report(report, plan)
        raise typer.Exit(1 if exit_code and plan.changes else 0)
    if format is Format.TEXT and not rehearse:
        _show_plan(plan, format, full)
        print(flush=True)
    with console.progress("starting TensorFlow"):
        console.start_tensorflow()
    with _shown_if_it_fails(plan, rehearse and format is Format.TEXT, full):
        result = api.rewrite(
            model,
            step.passes,
            output=output,
            verify=step.verify if verify is None else verify,
            weights=step.weights,
            data=inputs,
            custom_objects=_custom_objects(custom or []),
            force=force,
            allow_code=allow_code,
            limits=limits,
            rehearse=rehearse,
            progress=console.progress,
        )
    code = 1 if result.rehearsal is not None and not result.rehearsal.ok else 0
    if report is not None:
        write_report(report, result.plan, result.verification, result.rehearsal)
    if format is Format.JSON:
        _show(result, format)
    else:
        _tell(result, plan, full)
    raise typer.Exit(code)


@app.command()
def verify(  # noqa: PLR0913
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="The original.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="The rewritten model.")],
    guarantee: Annotated[str, typer.Option(help="What to measure.")] = "same",
    tolerance: Annotated[float, typer.Option(help="How far outputs may differ.")] = 0.0,
    data: DataOption = None,
    custom: CustomOption = None,
    allow_code: AllowCodeOption = False,
    limits: LimitsOption = True,
    format: FormatOption = Format.TEXT,
) -> None:
    """Measure whether two saved models give the same outputs."""
    from rewriter import api
    from rewriter.rewriting import require_tensorflow_backend

    require_tensorflow_backend()
    inputs = _inputs(data)
    with console.progress("starting TensorFlow"):
        console.start_tensorflow()
    with console.progress("verifying the outputs"):
        verification = api.verify(
            before,
            after,
            guarantee=guarantee,
            tolerance=tolerance,
            data=inputs,
            custom_objects=_custom_objects(custom or []),
            allow_code=allow_code,
            limits=limits,
        )
    _show(verification, format)
    raise typer.Exit(0 if verification.ok else 1)


@app.command()
def passes(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A pass.")] = None,
) -> None:
    """List the passes, or tell what one does and what options it takes."""
    from rewriter.pipeline import load_pass, registered_passes
    from rewriter.report.passes import pass_text, passes_text

    if name is None:
        print(passes_text([load_pass(known) for known in registered_passes()]))
    else:
        print(pass_text(load_pass(name)))


app.command()(check_command.check)
app.command()(check_command.explain)
app.command()(show)
app.command()(rehearse_command.rehearse)


def _step(passes: list[str] | None, saved: SavedPlan | None) -> Rewrite:
    """Return the rewrite that is asked for: by passes, by a plan, or by the project's settings."""
    from rewriter.config import Rewrite, project_rewrite

    if passes is not None and saved is not None:
        raise RewriterError("passes and a plan", where="rewrite", fix="give -p, or --plan")
    if passes is not None:
        return Rewrite(passes)
    if saved is not None:
        return Rewrite(saved.passes)
    step = project_rewrite(Path.cwd())
    if step is None:
        fix = (
            "give -p PASS or --plan PLAN.json, or name passes in [tool.rewriter] of pyproject.toml"
        )
        raise RewriterError("no passes", where="rewrite", fix=fix)
    return step


def _tell(result: Result, plan: Plan, full: bool) -> None:
    """Print what a rewrite has to say beyond its plan; and this, if its rows say more now."""
    if result.rehearsal is not None:
        _show_plan(plan, Format.TEXT, full, result.rehearsal)
        print()
    for note in result.plan.notes[: len(result.plan.notes) - len(plan.notes)]:
        print(f"note: {note.layer}: {note.reason}")
    print(result.verification or "not verified: --no-verify was given")
    if result.rehearsal is not None:
        print(result.rehearsal)
    print(f"wrote {result.output}")


def _show(result: Any, format: Format) -> None:
    print(json.dumps(result.to_json(), indent=2, default=str) if format is Format.JSON else result)


def _show_plan(plan: Plan, format: Format, full: bool, rehearsal: Compared | None = None) -> None:
    if format is Format.JSON:
        _show(plan, format)
        return
    from rewriter.report import terminal
    from rewriter.report.text import plan_lines

    terminal.show(lambda width: plan_lines(plan, full=full, width=width, rehearsal=rehearsal))


@contextmanager
def _shown_if_it_fails(plan: Plan, wanted: bool, full: bool) -> Iterator[None]:
    """Show a plan that waits for its rehearsal when the rewrite fails before."""
    try:
        yield
    except RewriterError:
        if wanted:
            _show_plan(plan, Format.TEXT, full)
        raise


def _read_plan(path: Path) -> SavedPlan:
    from rewriter.saved_plans import read_plan

    return read_plan(path)


def _inputs(path: Path | None) -> dict[str, Any] | None:
    from rewriter.inputs import read_inputs

    return read_inputs(path)


def _custom_objects(modules: list[str]) -> dict[str, Any]:
    from rewriter.custom import custom_objects

    return custom_objects(modules)


def main() -> None:
    """Run the command line; every failure is one line on standard error."""
    try:
        code = app(standalone_mode=False)
    except RewriterError as problem:
        console.error(str(problem))
        code = problem.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except Exception as problem:
        # typer has click inside or beside it, by version: its usage errors are told by their form
        if not hasattr(problem, "format_message"):
            raise
        console.error(f"{problem.format_message()} See 'rewriter --help'.")
        code = 2
    sys.stdout.flush()
    sys.exit(code if isinstance(code, int) else 0)
