"""List the layers of a model, for `show`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rewriter.analysis.layer_kinds import NOISE
from rewriter.analysis.masks import CallFlow, mask_flow
from rewriter.analysis.parameter_counts import Shapes, parameters
from rewriter.analysis.shapes import Shape, shapes_of
from rewriter.graph.calls import Call
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.printable import printable
from rewriter.report.line import Line

_RATES = ("dropout", "recurrent_dropout")


@dataclass(frozen=True, slots=True)
class Shown:
    """One call, or a layer that a wrapper holds.

    Parameters
    ----------
    layer, label, class_name : str
        Path, name with the number of the call, and class.
    depth : int
        How many models and wrappers it is nested in.
    shape : tuple of int or None
        Of its first output, where it is known.
    parameters : int or None
        Number of weights, where it can be told; told once for a shared layer.
    noise : str
        The rate of a noise layer, or the rates inside a layer.
    mask : str
        What happens to masks.
    """

    layer: str
    label: str
    class_name: str
    depth: int
    shape: Shape | None
    parameters: int | None
    noise: str
    mask: str

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "layer": self.layer,
            "call": self.label,
            "class": self.class_name,
            "depth": self.depth,
            "shape": None if self.shape is None else list(self.shape),
            "parameters": self.parameters,
            "noise": self.noise or None,
            "mask": self.mask or None,
        }


def shown_layers(graph: ModelGraph) -> list[Shown]:
    """Return the calls of a model, in order, what is nested behind the first call."""
    flows: dict[tuple[int, Call], CallFlow] = {}
    for flow in mask_flow(graph):
        flows.setdefault((id(flow.graph), flow.call), flow)
    return list(_model(graph, 0, flows, set()))


def _model(
    graph: ModelGraph, depth: int, flows: dict[tuple[int, Call], CallFlow], seen: set[int]
) -> Iterator[Shown]:
    seen.add(id(graph))
    shapes, inputs = shapes_of(graph), Shapes()
    for call in graph.calls():
        layer = graph.layer(call)
        if layer.implicit:
            continue
        yield Shown(
            graph.path_of(call),
            str(call),
            layer.class_name,
            depth,
            shapes.get(call),
            parameters(graph, call, inputs) if call.number == 0 else None,
            _noise(layer),
            _mask(flows.get((id(graph), call))),
        )
        if call.number == 0:
            yield from _inside(layer, graph.path_of(call), depth + 1, flows, seen)


def _inside(
    layer: Layer,
    path: str,
    depth: int,
    flows: dict[tuple[int, Call], CallFlow],
    seen: set[int],
) -> Iterator[Shown]:
    if layer.graph is not None and id(layer.graph) not in seen:
        yield from _model(layer.graph, depth, flows, seen)
    for inner in layer.inner.values():
        place = f"{path}/{inner.name}"
        yield Shown(place, inner.name, inner.class_name, depth, None, None, _noise(inner), "")
        yield from _inside(inner, place, depth + 1, flows, seen)


def _noise(layer: Layer) -> str:
    keys = ("rate", "stddev") if layer.class_name in NOISE else _RATES
    rates = [(key, layer.config.get(key)) for key in keys]
    return ", ".join(f"{key} {rate:g}" for key, rate in rates if _is_rate(rate))


def _is_rate(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _mask(flow: CallFlow | None) -> str:
    if flow is None:
        return ""
    if flow.fails:
        return f"fails on {flow.mask_in}"
    if flow.uses:
        return f"uses {flow.mask_in}"
    if flow.loses:
        return f"loses {flow.mask_in}"
    if flow.mask_out or not flow.mask_out.known:
        new = not flow.mask_in and flow.mask_in.known
        return f"{'makes' if new else 'passes'} {flow.mask_out}"
    return ""


def layers_lines(graph: ModelGraph, model: str, layers: Sequence[Shown]) -> list[Line]:
    """Return the layers as a table, with a line that sums up."""
    rows = [
        (
            "  " * layer.depth + printable(layer.label),
            printable(layer.class_name),
            _shape_text(layer.shape),
            "" if layer.parameters is None else f"{layer.parameters:,}",
            layer.noise,
            printable(layer.mask),
        )
        for layer in layers
    ]
    heads = ("layer", "class", "shape", "parameters", "noise", "mask")
    used = [place for place in range(len(heads)) if place < 2 or any(row[place] for row in rows)]
    widths = {place: max(len(row[place]) for row in (heads, *rows)) for place in used}

    def line(row: Sequence[str]) -> str:
        cells = [
            row[place].rjust(widths[place]) if place == 3 else row[place].ljust(widths[place])
            for place in used
        ]
        return "  ".join(cells).rstrip()

    title = f"{printable(model)} ({graph.class_name}, Keras {graph.keras})"
    lines = [Line(title, "title"), Line(""), Line(line(heads), "dim")]
    for layer, row in zip(layers, rows, strict=True):
        lines.append(Line(line(row), "error" if layer.mask.startswith(("loses", "fails")) else ""))
    return [*lines, Line(""), Line(_sum(layers), "result")]


def _shape_text(shape: Shape | None) -> str:
    if shape is None:
        return ""
    return f"({', '.join('None' if size is None else str(size) for size in shape)})"


def _sum(layers: Sequence[Shown]) -> str:
    outer = [each for each in layers if each.depth == 0]
    known = [each.parameters for each in outer if each.parameters is not None]
    whole = all(each.parameters is not None for each in outer if "(call " not in each.label)
    noise = sum(bool(each.noise) for each in layers)
    masks = sum(each.mask.startswith("makes") for each in layers)
    least = "" if whole else "at least "
    return (
        f"{_count(len(outer), 'call')}, {least}{sum(known):,} parameters, "
        f"{_count(noise, 'layer')} with noise, {_count(masks, 'source')} of masks"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
