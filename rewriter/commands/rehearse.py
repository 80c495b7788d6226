"""The command `rehearse`."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from rewriter import console


class RehearsalFormat(str, Enum):
    """How a rehearsal is written to standard output."""

    TEXT = "text"
    JSON = "json"


def rehearse(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A model file, or a SavedModel folder."),
    ],
    batch: Annotated[
        list[int] | None, typer.Option("--batch", help="A batch size; may be repeated.")
    ] = None,
    length: Annotated[
        list[int] | None, typer.Option("--length", help="A length; may be repeated.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="INPUTS.npz", help="Inputs to train on, by input name."),
    ] = None,
    custom: Annotated[
        list[str] | None,
        typer.Option(
            "--custom",
            metavar="MODULE[:NAME]",
            help="A module (or file.py) with the model's own layers; may be repeated.",
        ),
    ] = None,
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Load a file that would run code.")
    ] = False,
    format: Annotated[
        RehearsalFormat, typer.Option("--format", help="How to write the result.")
    ] = RehearsalFormat.TEXT,
) -> None:
    """Train a copy of a model at several batch sizes and lengths, and tell what breaks."""
    from rewriter import api
    from rewriter.custom import custom_objects
    from rewriter.inputs import read_inputs
    from rewriter.rewriting import require_tensorflow_backend

    require_tensorflow_backend()
    inputs = read_inputs(data)
    with console.progress("starting TensorFlow"):
        console.start_tensorflow()
    with console.progress("rehearsing"):
        found = api.rehearse(
            model,
            data=inputs,
            batches=batch or None,
            lengths=length or None,
            custom_objects=custom_objects(custom or []),
            allow_code=allow_code,
        )
    print(json.dumps(found.to_json(), indent=2) if format is RehearsalFormat.JSON else found)
    raise typer.Exit(0 if found.ok else 1)
