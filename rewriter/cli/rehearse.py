"""Run the command `rehearse`."""

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
    ModelArgument,
)


def rehearse(
    model: ModelArgument,
    batch: Annotated[
        list[int] | None, typer.Option("--batch", help="A batch size; may be repeated.")
    ] = None,
    length: Annotated[
        list[int] | None, typer.Option("--length", help="A length; may be repeated.")
    ] = None,
    data: DataOption = None,
    custom: CustomOption = None,
    allow_code: AllowCodeOption = False,
    limits: LimitsOption = True,
    format: FormatOption = Format.TEXT,
) -> None:
    """Train a copy of a model at several batch sizes and lengths, and tell what breaks."""
    from rewriter.api.rehearsing import rehearse as rehearse_model
    from rewriter.cli.custom_modules import custom_objects
    from rewriter.live.adapters import require_tensorflow_backend
    from rewriter.rehearsal.cases import BATCHES
    from rewriter.saved.safety.run_limits import refuse_large_files
    from rewriter.verification.inputs.given import read_inputs

    in_child([model, *([] if data is None else [data])], limits=limits)
    require_tensorflow_backend()
    inputs = read_inputs(data)
    refuse_large_files([model], limits=limits, rows=max(batch or BATCHES))
    console.start_tensorflow()
    with console.progress("rehearsing"):
        found = rehearse_model(
            model,
            data=inputs,
            batches=batch or None,
            lengths=length or None,
            custom_objects=custom_objects(custom or []),
            allow_code=allow_code,
            limits=limits,
        )
    format.write(found)
    raise typer.Exit(0 if found.ok else 1)
