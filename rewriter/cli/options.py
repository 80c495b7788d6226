"""Define the arguments and options that several commands take."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer


class Format(str, Enum):
    """How a result is written to standard output."""

    TEXT = "text"
    JSON = "json"

    def write(self, result: Any) -> None:
        """Write what has a text and a ``to_json`` to standard output."""
        whole = self is Format.JSON
        print(json.dumps(result.to_json(), indent=2, default=str) if whole else result)


ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model file, or a SavedModel folder.")
]

FormatOption = Annotated[Format, typer.Option("--format", help="How to write the result.")]

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="INPUTS.npz", help="Inputs to run the model on, by their names."
    ),
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

IsolatedOption = Annotated[
    bool, typer.Option("--isolated", help="Read no settings out of a pyproject.toml.")
]

LimitsOption = Annotated[
    bool,
    typer.Option(
        "--limits/--no-limits",
        help="Stop where a file takes more memory or time, or declares larger data, than a file of "
        "its size should; --no-limits takes what it needs, for a file that you trust.",
    ),
]
