"""Run the command `port`."""

from __future__ import annotations

from enum import Enum
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
    LimitsOption,
    ModelArgument,
)
from rewriter.cli.rewrite import PassOption, ReportOption
from rewriter.errors import PortError, RewriterError

if TYPE_CHECKING:
    from rewriter.api.porting import PortPlan
    from rewriter.api.result import Result


class HardSigmoid(str, Enum):
    """What becomes of hard_sigmoid."""

    EXACT = "exact"
    STOCK = "stock"


def port(  # noqa: PLR0913
    model: ModelArgument,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="NEW.keras", help="A .keras file.")
    ] = None,
    passes: PassOption = None,
    hard_sigmoid: Annotated[
        HardSigmoid,
        typer.Option(
            "--hard-sigmoid",
            help="exact: a function of this package; stock: scaled weights, which need none.",
        ),
    ] = HardSigmoid.EXACT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, do nothing.")] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="List all that cannot be ported; write nothing.")
    ] = False,
    format: FormatOption = Format.TEXT,
    report: ReportOption = None,
    data: DataOption = None,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Measure the guarantee.")
    ] = True,
    custom: CustomOption = None,
    allow_code: AllowCodeOption = False,
    limits: LimitsOption = True,
    force: Annotated[bool, typer.Option("--force", help="Replace an output that exists.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Show every call and every note.")] = False,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Train a step before and after, at many sizes.")
    ] = False,
) -> None:
    """Make a saved model of Keras 2 a .keras file of Keras 3, and verify what was written."""
    from rewriter.api.porting import check_port_output
    from rewriter.api.porting import port as port_model
    from rewriter.live.adapters import require_tensorflow_backend
    from rewriter.saved.safety.run_limits import refuse_large_files
    from rewriter.verification.inputs.given import read_inputs

    if report is not None:
        from rewriter.report.files import check_report

        check_report(report, force)
    if output is None and not dry_run and not partial:
        raise RewriterError("no output", where="port", fix="give -o NEW.keras, or --dry-run")
    check_port_output(output, None, force)
    if not dry_run and not partial:
        in_child([model] if data is None else [model, data], limits=limits)
        require_tensorflow_backend()
    inputs = read_inputs(data)
    objects = _custom(custom or [])
    plan = _plan(model, passes or [], inputs, objects, hard_sigmoid.value, limits, partial)
    if plan is None:
        raise typer.Exit(2)
    if dry_run or partial:
        _show(plan, format, full)
        _report(report, model, plan)
        if format is Format.TEXT:
            _needs(plan)
        raise typer.Exit(0)
    if format is Format.TEXT:
        _show(plan, format, full)
        print(flush=True)
    refuse_large_files([model], limits=limits)
    console.start_tensorflow()
    result = port_model(
        model,
        output,
        plan,
        verify=verify,
        data=inputs,
        custom_objects=objects,
        force=force,
        allow_code=allow_code,
        limits=limits,
        rehearse=rehearse,
        progress=console.progress,
    )
    _report(report, model, result.plan, result)
    if format is Format.JSON:
        format.write(result)
    else:
        _tell(result, plan)
    raise typer.Exit(1 if result.rehearsal is not None and not result.rehearsal.ok else 0)


def _plan(
    model: str,
    passes: list[str],
    inputs: Any,
    objects: list[dict[str, Any]],
    hard_sigmoid: str,
    limits: bool,
    partial: bool,
) -> PortPlan | None:
    """Return the plan; None, with every refusal printed, where `--partial` asks for them."""
    from rewriter.api.porting import objects_by_keras, plan_port_of_file
    from rewriter.saved import read as read_file

    file = read_file(model, limits=limits)
    new_objects = objects_by_keras(objects)[1]
    try:
        return plan_port_of_file(file, passes, inputs, new_objects, hard_sigmoid)
    except PortError as error:
        if not partial or not error.refusals:
            raise
        for refusal in error.refusals:
            console.error(str(refusal))
        return None


def _custom(wanted: list[str]) -> list[dict[str, Any]]:
    from rewriter.cli.custom_modules import custom_objects

    return [custom_objects([each]) for each in wanted]


def _report(path: Path | None, model: str, plan: Any, result: Result | None = None) -> None:
    if path is None:
        return
    from rewriter.report.files import write_report

    if result is None:
        write_report(path, plan, like=Path(model))
    else:
        write_report(path, plan, result.verification, result.rehearsal, like=Path(model))


def _tell(result: Result, plan: PortPlan) -> None:
    """Print what a port has to say beyond its plan."""
    for note in result.plan.notes:
        if note not in plan.notes:
            print(console.one_line(f"note: {note.layer}: {note.reason}"))
    print(result.verification or "nothing was verified")
    if result.rehearsal is not None:
        print(result.rehearsal)
    print(console.one_line(f"wrote {result.output}"))
    _needs(plan)


def _needs(plan: PortPlan) -> None:
    if plan.needs:
        modules = ", ".join(plan.needs)
        print(f"needs: import {modules} before Keras opens the file, and not without it")


def _show(plan: PortPlan, format: Format, full: bool) -> None:
    if format is Format.JSON:
        format.write(plan)
        return
    from rewriter.report import terminal
    from rewriter.report.text import plan_lines

    terminal.show(lambda width: plan_lines(plan, full=full, width=width))
