"""Run the command `rewrite`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rewriter.cli import console
from rewriter.cli.bounded import in_child
from rewriter.cli.options import (
    AllowCodeOption,
    CustomOption,
    DataOption,
    Format,
    FormatOption,
    IsolatedOption,
    LimitsOption,
    ModelArgument,
)
from rewriter.errors import RewriterError, VerificationError

if TYPE_CHECKING:
    from rewriter.api.plans import Plan
    from rewriter.api.result import Result
    from rewriter.api.rewrite_step import Rewrite
    from rewriter.api.saved_plan import SavedPlan
    from rewriter.graph.model_graph import ModelGraph
    from rewriter.live.loading import Loaded
    from rewriter.rehearsal import Compared
    from rewriter.saved import ModelFile

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
    isolated: IsolatedOption = False,
) -> None:
    """Rewrite a saved model: plan, rebuild, copy the weights, verify, write."""
    from rewriter.api.plans import plan_file, plan_file_or_loaded
    from rewriter.saved import read as read_file
    from rewriter.saved.safety.run_limits import refuse_large_run

    saved = None if saved_plan is None else _read_plan(saved_plan)
    step = _step(passes, saved, isolated)
    if report is not None:
        from rewriter.report.files import check_report, write_report

        check_report(report, force)
    if output is None and not dry_run:
        raise RewriterError(
            "nothing says where to write", where="rewrite", fix="give -o OUT, or --dry-run"
        )
    if not dry_run and output is not None:
        named = output.suffix or output.is_dir()
        output = output if named else output.with_suffix(Path(model).suffix)
        _check_output(output, model, force)
        in_child([model] if data is None else [model, data], limits=limits)
        _require_framework(step.verify if verify is None else verify)
    inputs = None if data is None else _read_inputs(data)
    file = read_file(model, limits=limits)
    if dry_run:
        plan = plan_file(file, step.passes, inputs)
    else:
        loading = partial(_load, file, custom or [], allow_code, limits)
        plan = plan_file_or_loaded(file, step.passes, inputs, loading)
    if saved is not None:
        saved.hold_against(plan)
    if dry_run:
        _show_plan(plan, format, full)
        if report is not None:
            write_report(report, plan, like=Path(model))
        raise typer.Exit(1 if exit_code and plan.changes else 0)
    if format is Format.TEXT and not rehearse:
        _show_plan(plan, format, full)
        print(flush=True)
    from rewriter.api import functions
    from rewriter.cli.custom_modules import custom_objects

    runs = step.verify if verify is None else verify
    refuse_large_run(file, plan.before, limits=limits and runs)
    with _told_if_it_fails(plan, format), _shown_if_it_fails(plan, rehearse, format, full):
        result = functions.rewrite(
            model,
            plan,
            output=output,
            verify=runs,
            weights=step.weights,
            data=inputs,
            custom_objects=custom_objects(custom or []),
            force=force,
            allow_code=allow_code,
            limits=limits,
            rehearse=rehearse,
            progress=_progress,
        )
    code = 1 if result.rehearsal is not None and not result.rehearsal.ok else 0
    if report is not None:
        write_report(report, result.plan, result.verification, result.rehearsal, like=Path(model))
    if format is Format.JSON:
        format.write(result)
    else:
        _tell(result, plan, full)
    raise typer.Exit(code)


def _progress(words: str) -> AbstractContextManager[None]:
    """Start TensorFlow where a step needs it: not every rewrite does."""
    from rewriter.api.rewriting import LOADING

    if words == LOADING:
        console.start_tensorflow()
    return console.progress(words)


def _read_plan(path: Path) -> SavedPlan:
    from rewriter.api.saved_plan import read_plan

    return read_plan(path)


def _check_output(output: Path, model: str, force: bool) -> None:
    from rewriter.saved.writing.output import check_output

    check_output(output, Path(model), force)


def _require_framework(verify: bool) -> None:
    """Refuse at once where Keras is needed for certain, and not there."""
    if not verify:
        return
    from rewriter.live.adapters import require_tensorflow_backend

    require_tensorflow_backend()


def _read_inputs(data: Path) -> Any:
    from rewriter.verification.inputs.given import read_inputs

    return read_inputs(data)


def _load(
    file: ModelFile,
    custom: list[str],
    allow_code: bool,
    limits: bool,
    graph: ModelGraph | None,
) -> Loaded:
    """Load a file whose graph is known of the loaded model alone."""
    from rewriter.cli.custom_modules import custom_objects
    from rewriter.live.loading import load

    console.start_tensorflow()
    with console.progress("loading the model"):
        objects = custom_objects(custom)
        return load(file, objects, allow_code=allow_code, limits=limits, graph=graph)


def _step(passes: list[str] | None, saved: SavedPlan | None, isolated: bool) -> Rewrite:
    """Return the rewrite that is asked for: by passes, by a plan, or by the project's settings."""
    from rewriter.api.pyproject import project_file
    from rewriter.api.rewrite_step import Rewrite, project_rewrite

    if passes is not None and saved is not None:
        raise RewriterError("both -p and --plan are given", where="rewrite", fix="give one of them")
    if passes is not None:
        return Rewrite(passes)
    if saved is not None:
        return Rewrite(saved.passes)
    step = None if isolated else project_rewrite(Path.cwd())
    if step is not None:
        console.settings_read(project_file(Path.cwd()))
    if step is None:
        fix = (
            "give -p PASS or --plan PLAN.json, or name passes in [tool.rewriter] of pyproject.toml"
        )
        raise RewriterError("no passes are given", where="rewrite", fix=fix)
    return step


def _tell(result: Result, plan: Plan, full: bool) -> None:
    """Print what a rewrite has to say beyond its plan; and this, if its rows say more now."""
    from rewriter.graph.changes import Stage

    if result.rehearsal is not None:
        _show_plan(plan, Format.TEXT, full, result.rehearsal)
        print()
    for note in result.plan.notes:
        if note.stage in (Stage.LOAD, Stage.REWRITE):
            print(console.one_line(f"note: {note.layer}: {note.reason}"))
    print(result.verification or "nothing was compared (--no-verify)")
    if result.rehearsal is not None:
        print(result.rehearsal)
    print(console.one_line(f"wrote {result.output}"))


def _show_plan(plan: Plan, format: Format, full: bool, rehearsal: Compared | None = None) -> None:
    if format is Format.JSON:
        format.write(plan)
        return
    from rewriter.report import terminal
    from rewriter.report.text import plan_lines

    terminal.show(lambda width: plan_lines(plan, full=full, width=width, rehearsal=rehearsal))


@contextmanager
def _shown_if_it_fails(plan: Plan, wanted: bool, format: Format, full: bool) -> Iterator[None]:
    """Show a plan that waits for its rehearsal when the rewrite fails before."""
    try:
        yield
    except RewriterError:
        if wanted and format is Format.TEXT:
            _show_plan(plan, Format.TEXT, full)
        raise


@contextmanager
def _told_if_it_fails(plan: Plan, format: Format) -> Iterator[None]:
    """Write what was measured as JSON where the guarantee is not kept."""
    from rewriter.api.result import Result

    try:
        yield
    except VerificationError as error:
        if format is Format.JSON:
            format.write(Result(error.rewritten, plan, error.verification))
        raise
