"""Run the command `verify`."""

from __future__ import annotations

from typing import Annotated

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
)


def verify(  # noqa: PLR0913
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="The original.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="The rewritten model.")],
    guarantee: Annotated[str, typer.Option(help="What to measure.")] = "same",
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="How far outputs may differ, as a share of the greatest.")
    ] = 0.0,
    data: DataOption = None,
    custom: CustomOption = None,
    allow_code: AllowCodeOption = False,
    limits: LimitsOption = True,
    format: FormatOption = Format.TEXT,
) -> None:
    """Measure whether two saved models give the same outputs."""
    from rewriter.api import functions
    from rewriter.cli.custom_modules import custom_objects
    from rewriter.live.adapters import require_tensorflow_backend
    from rewriter.saved.safety.run_limits import refuse_large_files
    from rewriter.verification.inputs.given import read_inputs

    in_child([before, after, *([] if data is None else [data])], limits=limits)
    require_tensorflow_backend()
    inputs = read_inputs(data)
    refuse_large_files([before, after], limits=limits)
    console.start_tensorflow()
    with console.progress("verifying the outputs"):
        verification = functions.verify(
            before,
            after,
            guarantee=guarantee,
            tolerance=tolerance,
            data=inputs,
            custom_objects=custom_objects(custom or []),
            allow_code=allow_code,
            limits=limits,
        )
    format.write(verification)
    raise typer.Exit(0 if verification.ok else 1)
