"""Run the command `passes`."""

from __future__ import annotations

from typing import Annotated

import typer


def passes(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A pass.")] = None,
) -> None:
    """List the passes, or tell what one does and what options it takes."""
    from rewriter.pipeline.registry import load_pass, registered_passes
    from rewriter.report.passes import pass_text, passes_text

    if name is None:
        print(passes_text([load_pass(known) for known in registered_passes()]))
    else:
        print(pass_text(load_pass(name)))
