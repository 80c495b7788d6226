"""Run the command `show`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from rewriter.cli.options import Format, FormatOption, LimitsOption, ModelArgument

if TYPE_CHECKING:
    from rewriter.graph.model_graph import ModelGraph


def show(
    model: ModelArgument,
    format: FormatOption = Format.TEXT,
    masks: Annotated[
        bool, typer.Option("--masks", help="Follow the masks: made, used, changed, lost.")
    ] = False,
    limits: LimitsOption = True,
) -> None:
    """List the layers of a saved model: shapes, calls, parameters, noise, masks."""
    from rewriter.api import functions
    from rewriter.report import terminal
    from rewriter.report.layers import layers_lines, shown_layers

    graph = functions.read(model, limits=limits)
    if masks:
        _show_masks(graph, model, format)
        return
    layers = shown_layers(graph)
    if format is Format.JSON:
        document = {"model": model, "keras": graph.keras, "kind": graph.class_name}
        print(json.dumps({**document, "layers": [each.to_json() for each in layers]}, indent=2))
        return
    terminal.show(lambda width: layers_lines(graph, model, layers))


def _show_masks(graph: ModelGraph, model: str, format: Format) -> None:
    from rewriter.analysis.masks import mask_flow
    from rewriter.report import terminal
    from rewriter.report.masks import masks_lines

    flows = mask_flow(graph)
    if format is Format.JSON:
        document = {"model": model, "keras": graph.keras, "kind": graph.class_name}
        print(json.dumps({**document, "calls": [flow.to_json() for flow in flows]}, indent=2))
        return
    terminal.show(lambda width: masks_lines(graph, model, flows))
