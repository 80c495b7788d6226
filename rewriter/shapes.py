"""The shapes of tensors, as far as a config tells them."""

from __future__ import annotations

from typing import Any

from rewriter.dialects import DIALECTS
from rewriter.graph import Call, Layer, ModelGraph, Tensor
from rewriter.kinds import NOISE, is_recurrent, returns_sequences

KEEP_STEPS = NOISE | {
    "Activation",
    "BatchNormalization",
    "Dense",
    "ELU",
    "Embedding",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "PReLU",
    "ReLU",
    "TimeDistributed",
}
"""Layers whose output has the batch and the time axis of their input."""

Shape = tuple[int | None, ...]


def input_shape(graph: ModelGraph, call: Call) -> Shape | None:
    """Return the shape of the first tensor that goes into a call; None where nothing tells it.

    Keras 3 writes it beside each tensor of a Functional model, and both Keras write what a layer
    was built with; ``.h5`` files of older versions tell neither.
    """
    edges = sorted(graph.network.in_edges(call, keys=True, data=True), key=lambda edge: edge[2])
    if edges:
        shape = _of_spec(edges[0][3].get("spec"))
        if shape is not None:
            return shape
    return _of_build(graph.layer(call).envelope)


def has_unknown_steps(graph: ModelGraph, call: Call) -> bool:
    """Whether a sequence of unknown length goes into a call.

    Where nothing tells the shape it is followed back to the input, through layers that keep the
    time axis.
    """
    shape = input_shape(graph, call)
    source = graph.producer(call)
    while shape is None and source is not None:
        layer = graph.layer(source.call)
        if layer.class_name == "InputLayer":
            shape = output_shape(graph, source)
        elif layer.class_name in KEEP_STEPS or (is_recurrent(layer) and returns_sequences(layer)):
            shape, source = input_shape(graph, source.call), graph.producer(source.call)
        else:
            return False
        if layer.class_name == "InputLayer":
            break
    return shape is not None and len(shape) > 1 and shape[1] is None


def output_shape(graph: ModelGraph, tensor: Tensor) -> Shape | None:
    """Return the shape of a tensor; None where nothing tells it."""
    layer = graph.layer(tensor.call)
    if layer.class_name == "InputLayer":
        key = DIALECTS[graph.keras].input_shape_key
        shape = layer.config.get(key, layer.config.get("batch_input_shape"))
        return as_shape(shape)
    for consumer, hole in graph.consumers(tensor):
        data = graph.network.edges[tensor.call, consumer, hole]
        shape = _of_spec(data.get("spec"))
        if shape is None and len(graph.producers(consumer)) == 1:
            shape = _of_build(graph.layer(consumer).envelope)
        if shape is not None:
            return shape
    return None


def shape_of(graph: ModelGraph, tensor: Tensor) -> Shape | None:
    """Return the shape of a tensor, told or as it follows from the layers that it comes from.

    Examples
    --------
    >>> graph = ModelGraph(keras=2, class_name="Functional", name="m")
    >>> ids = graph.add(Layer("ids", "InputLayer", {"batch_input_shape": [None, 7]}))
    >>> emb = graph.add(Layer("emb", "Embedding", {"output_dim": 8}), [Tensor(ids)])
    >>> shape_of(graph, Tensor(emb))
    (None, 7, 8)
    """
    told = output_shape(graph, tensor)
    source = graph.producer(tensor.call)
    if told is not None or source is None or tensor.output:
        return told
    before = shape_of(graph, source)
    return None if before is None else _after(graph.layer(tensor.call), before)


def rank_of(graph: ModelGraph, tensor: Tensor) -> int | None:
    """Return the number of a tensor's axes, the batch axis included."""
    shape = shape_of(graph, tensor)
    return None if shape is None else len(shape)


def _after(layer: Layer, before: Shape) -> Shape | None:
    """Return the shape of what a layer gives for a tensor of this shape."""
    if layer.class_name == "TimeDistributed" and "layer" in layer.inner:
        step = _after(layer.inner["layer"], (before[0], *before[2:]))
        return None if step is None else (*before[:2], *step[1:])
    if layer.class_name == "Embedding":
        return (*before, layer.config.get("output_dim"))
    if layer.class_name == "Dense":
        return (*before[:-1], layer.config.get("units"))
    if layer.class_name in KEEP_STEPS:
        return before
    if is_recurrent(layer) and len(before) == 3:
        features = layer.config.get("units")
        return (*before[:2], features) if returns_sequences(layer) else (before[0], features)
    return None


def as_shape(value: Any) -> Shape | None:
    """Return a value of a config as a shape, if it is one.

    Examples
    --------
    >>> as_shape([None, 4])
    (None, 4)
    >>> as_shape({"a": [None, 4]}) is None
    True
    """
    if not isinstance(value, list | tuple) or not all(_is_size(size) for size in value):
        return None
    return tuple(value)


def _is_size(size: Any) -> bool:
    return size is None or (isinstance(size, int) and not isinstance(size, bool))


def _of_spec(spec: Any) -> Shape | None:
    config = spec.get("config") if isinstance(spec, dict) else None
    return as_shape(config.get("shape")) if isinstance(config, dict) else None


def _of_build(envelope: Any) -> Shape | None:
    build = envelope.get("build_config")
    return as_shape(build.get("input_shape")) if isinstance(build, dict) else None
