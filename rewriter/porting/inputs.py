"""Find the input that a Sequential model of Keras 2 has and does not write down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph


def with_told_input(layer: Layer, graph: ModelGraph) -> Layer:
    """Return an input that stands in no config as an InputLayer, where its shape is known.

    Keras 3 would read ``batch_input_shape`` of the first layer as the shape without the batch.
    A nested model may stay without: it takes the shape of what it is called on.
    """
    if not layer.implicit:
        return layer
    shape = layer.config.get("batch_input_shape")
    if shape is None and graph.path:
        return layer
    first = next((each for each in graph.layers if not each.implicit), None)
    dtype = "float32" if first is None else _input_dtype(first)
    config = {"batch_input_shape": shape, "dtype": dtype, "name": layer.name}
    return replace(layer, config=config, implicit=False)


def _input_dtype(first: Layer) -> str:
    """Return the dtype that Keras 2 gives the input of a layer: that of its variables."""
    if first.graph is not None:
        return next((_name(each.config.get("dtype")) for each in first.graph.layers), "float32")
    return _name(first.config.get("dtype"))


def _name(dtype: Any) -> str:
    if isinstance(dtype, Mapping):
        dtype = dtype.get("config", {}).get("name")
    name = str(dtype or "float32")
    return "float32" if name.startswith("mixed_") else name
