"""Tell shape and dtype of the tensors that a pass connected, as Keras 3 writes them."""

from __future__ import annotations

from typing import Any

from rewriter.analysis.shapes import shapes_of
from rewriter.graph.calls import Tensor
from rewriter.graph.model_graph import ModelGraph
from rewriter.saved.by_file.level_edits import uncertain

_CLASS = "__keras_tensor__"


def with_specs(graph: ModelGraph, before: ModelGraph) -> ModelGraph:
    """Return a copy of a graph with what is written beside each tensor.

    Keras 3 writes shape and dtype, and loads no file without; Keras 2 writes neither.

    Raises
    ------
    UncertainError
        A shape or a dtype does not follow.
    """
    told = any(spec is not None for each in before.walk() for spec in _specs(each))
    copy = graph.copy()
    if told:
        for each in copy.walk():
            _fill(each)
    return copy


def _specs(graph: ModelGraph) -> list[Any]:
    return [spec for _, _, spec in graph.network.edges(data="spec")]


def _fill(graph: ModelGraph) -> None:
    edges = list(graph.network.edges(keys=True, data=True))
    untold = [each for each in edges if each[3].get("spec") is None]
    if not untold:
        return
    shapes = shapes_of(graph)
    dtypes: dict[Any, str] = {}
    for source, _, _, data in edges:
        if data.get("spec"):
            dtypes.setdefault(source, data["spec"]["config"]["dtype"])
    for source, target, _, data in untold:
        dtype = dtypes.get(source) or _dtype(graph, Tensor(source), dtypes)
        if source not in shapes or dtype is None or data["output"]:
            raise uncertain(graph, graph.layer(target), "gets a tensor whose shape is not known")
        config = {"shape": list(shapes[source]), "dtype": dtype}
        data["spec"] = {"class_name": _CLASS, "config": config}


def _dtype(graph: ModelGraph, tensor: Tensor, known: dict[Any, str]) -> str | None:
    """Return the dtype of a tensor behind a layer that keeps it, or of an input."""
    layer = graph.layer(tensor.call)
    source = graph.producer(tensor.call)
    if source is None:
        dtype = layer.config.get("dtype")
        return dtype if isinstance(dtype, str) else None
    if layer.class_name == "Embedding":
        return None
    return known.get(source.call) or _dtype(graph, source, known)
