"""Work out the shape and rank of tensors from configs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from rewriter.analysis.known_layers import class_of, is_known, is_operation
from rewriter.analysis.layer_kinds import NOISE, is_recurrent, returns_sequences
from rewriter.graph.calls import Call, Tensor
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph

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

LONGEST_WAY = 256
"""So many layers are followed back to one whose shape is told: each call may be asked for."""

Shape = tuple[int | None, ...]

INPUT_SHAPE_KEY: Mapping[int, str] = {2: "batch_input_shape", 3: "batch_shape"}
"""The key of an InputLayer's shape by Keras, the batch counted."""

INPUT_SHAPE_KEYS = tuple(INPUT_SHAPE_KEY.values())
"""Both: each Keras reads the key of the other."""


def declared_shape(config: Mapping[str, Any]) -> Any:
    """Return the shape of a layer's input as its config has it; None if it has none.

    Examples
    --------
    >>> declared_shape({"name": "x", "batch_shape": [None, 4]})
    [None, 4]
    """
    shapes = (config[key] for key in INPUT_SHAPE_KEYS if config.get(key) is not None)
    return next(shapes, None)


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
    time axis; at most `LONGEST_WAY` of them.
    """
    shape = input_shape(graph, call)
    source = graph.producer(call)
    for _ in range(LONGEST_WAY):
        if shape is not None or source is None:
            break
        layer = graph.layer(source.call)
        if class_of(layer) == "InputLayer":
            shape = output_shape(graph, source)
        elif class_of(layer) in KEEP_STEPS or (is_recurrent(layer) and returns_sequences(layer)):
            shape, source = input_shape(graph, source.call), graph.producer(source.call)
        else:
            return False
        if class_of(layer) == "InputLayer":
            break
    return shape is not None and len(shape) > 1 and shape[1] is None


def output_shape(graph: ModelGraph, tensor: Tensor) -> Shape | None:
    """Return the shape of a tensor; None where nothing tells it."""
    layer = graph.layer(tensor.call)
    if class_of(layer) == "InputLayer":
        return as_shape(declared_shape(layer.config))
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

    None where more than `LONGEST_WAY` layers are between it and one whose shape is told.

    Examples
    --------
    >>> graph = ModelGraph(keras=2, class_name="Functional", name="m")
    >>> ids = graph.add(Layer("ids", "InputLayer", {"batch_input_shape": [None, 7]}))
    >>> emb = graph.add(Layer("emb", "Embedding", {"output_dim": 8}), [Tensor(ids)])
    >>> shape_of(graph, Tensor(emb))
    (None, 7, 8)
    """
    calls: list[Call] = []
    shape, source = output_shape(graph, tensor), graph.producer(tensor.call)
    while shape is None and source is not None and not tensor.output and len(calls) < LONGEST_WAY:
        calls.append(tensor.call)
        tensor = source
        shape, source = output_shape(graph, tensor), graph.producer(tensor.call)
    for call in reversed(calls):
        shape = None if shape is None else after(graph.layer(call), shape)
    return shape


def shapes_of(graph: ModelGraph) -> dict[Call, Shape]:
    """Return the shape of each call's first output, told or as it follows, where it is known."""
    shapes: dict[Call, Shape] = {}
    for call in graph.calls():
        shape, source = output_shape(graph, Tensor(call)), graph.producer(call)
        if shape is None and source is not None and not source.output and source.call in shapes:
            shape = after(graph.layer(call), shapes[source.call])
        if shape is not None:
            shapes[call] = shape
    return shapes


def rank_of(
    graph: ModelGraph, tensor: Tensor, known: dict[Tensor, int | None] | None = None
) -> int | None:
    """Return the number of a tensor's axes, the batch axis included; None if not known.

    It is told, or follows from the layers that the tensor comes from.

    Parameters
    ----------
    graph : ModelGraph
        The model, nested or not, that the tensor is in.
    tensor : Tensor
        The tensor.
    known : dict of Tensor to int or None, optional
        Ranks in this graph that were found before; those found now are added.

    Examples
    --------
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> ids = graph.add(Layer("ids", "InputLayer", {"batch_shape": (None, 7)}))
    >>> emb = graph.add(Layer("emb", "Embedding", {}), [Tensor(ids)])
    >>> both = graph.add(Layer("both", "Add", {}), [Tensor(emb), Tensor(emb)])
    >>> rank_of(graph, Tensor(both))
    3
    """
    ranks: dict[Tensor, int | None] = {} if known is None else known
    pending = [] if tensor in ranks else [tensor]
    while pending:
        current = pending[-1]
        shape = output_shape(graph, current)
        told = shape is not None or current.output > 0
        sources = () if told else _rank_givers(graph, current.call)
        unknown = [source for source in sources if source not in ranks]
        if unknown:
            pending.extend(unknown)
            continue
        pending.pop()
        if shape is not None:
            ranks[current] = len(shape)
        else:
            before = [ranks[source] for source in sources]
            ranks[current] = _rank_after(graph.layer(current.call), before)
    return ranks[tensor]


def _rank_givers(graph: ModelGraph, call: Call) -> Sequence[Tensor]:
    """Return the inputs of a call that the rank of its output depends on."""
    producers = graph.producers(call)
    return producers if class_of(graph.layer(call)) in BROADCASTING else producers[:1]


def _rank_after(layer: Layer, before: Sequence[int | None]) -> int | None:
    """Return the rank of what a layer gives for tensors of these ranks; None if not known."""
    ranks = [rank for rank in before if rank is not None]
    if not ranks or len(ranks) < len(before) or is_operation(layer) or not is_known(layer):
        return None
    rank, name = max(ranks), layer.class_name
    if name == "TimeDistributed" and "layer" in layer.inner:
        step = _rank_after(layer.inner["layer"], [rank - 1])
        return None if step is None else step + 1
    if name in _SAME_RANK or name in BROADCASTING:
        return rank
    if name in ("Embedding", "RepeatVector"):
        return rank + 1
    if is_recurrent(layer):
        return rank if returns_sequences(layer) else rank - 1
    if name == "Flatten":
        return 2
    if name == "Reshape":
        target = layer.config.get("target_shape")
        return len(target) + 1 if isinstance(target, list | tuple) else None
    if name.startswith("Global"):
        return rank if layer.config.get("keepdims") else 2
    return None


def after(layer: Layer, before: Shape) -> Shape | None:
    """Return the shape of what a layer gives for a tensor of this shape; None if not known."""
    config = layer.config
    if class_of(layer) == "TimeDistributed" and "layer" in layer.inner:
        step = after(layer.inner["layer"], (before[0], *before[2:]))
        return None if step is None else (*before[:2], *step[1:])
    if class_of(layer) == "Embedding":
        return (*before, config.get("output_dim"))
    if class_of(layer) == "Dense":
        return (*before[:-1], config.get("units"))
    if class_of(layer) in KEEP_STEPS:
        return before
    if class_of(layer) in _WINDOWS and config.get("data_format") != "channels_first":
        return _behind_windows(config, before)
    if class_of(layer) in _OVER_STEPS and len(before) == 3 and not config.get("keepdims"):
        return (before[0], before[2])
    if class_of(layer) == "Flatten":
        rest = [size for size in before[1:] if size is not None]
        return (before[0], prod(rest) if len(rest) == len(before) - 1 else None)
    if is_recurrent(layer) and len(before) == 3:
        features = _features(layer)
        return (*before[:2], features) if returns_sequences(layer) else (before[0], features)
    return None


def _features(layer: Layer) -> int | None:
    """Return how many features a recurrent layer gives."""
    if class_of(layer) != "Bidirectional":
        units = layer.config.get("units")
        return units if isinstance(units, int) else None
    one = _features(layer.inner["layer"]) if "layer" in layer.inner else None
    return one if one is None or layer.config.get("merge_mode") != "concat" else 2 * one


def _behind_windows(config: Mapping[str, Any], before: Shape) -> Shape | None:
    """Return the shape behind a convolution or a pooling, the channels last.

    tf_keras/src/utils/conv_utils.py, `conv_output_length`; Keras 3 has the same.
    """
    size: Any = config.get("kernel_size") or config.get("pool_size")
    strides: Any = config.get("strides") or size
    dilation: Any = config.get("dilation_rate") or [1] * len(before[1:-1])
    if not all(isinstance(each, list | tuple) for each in (size, strides, dilation)):
        return None
    steps = before[1:-1]
    if len(steps) != len(size) or config.get("padding") not in ("same", "valid", "causal"):
        return None
    sizes: list[int | None] = []
    for step, window, stride, wide in zip(steps, size, strides, dilation, strict=False):
        lost = wide * (window - 1) if config["padding"] == "valid" else 0
        sizes.append(None if step is None else (step - lost + stride - 1) // stride)
    return (before[0], *sizes, config.get("filters", before[-1]))


BROADCASTING = frozenset({"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"})
"""Layers whose output has the rank of the input that has most axes."""

_SAME_RANK_NAMES = """
ActivityRegularization AdditiveAttention Attention AveragePooling1D AveragePooling2D
AveragePooling3D CarryMask Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D
Conv3DTranspose Cropping1D Cropping2D Cropping3D DepthwiseConv1D DepthwiseConv2D
GroupNormalization Identity LocallyConnected1D LocallyConnected2D MaxPooling1D MaxPooling2D
MaxPooling3D Normalization Permute RMSNormalization Rescaling SeparableConv1D SeparableConv2D
Softmax ThresholdedReLU UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroMaskedSteps
ZeroPadding1D ZeroPadding2D ZeroPadding3D
"""

_SAME_RANK = frozenset(_SAME_RANK_NAMES.split()) | KEEP_STEPS - {"Embedding", "TimeDistributed"}
"""Layers whose output has the rank of their first input."""

_OVER_STEPS = frozenset({"GlobalAveragePooling1D", "GlobalMaxPooling1D"})
_WINDOWS = frozenset(
    f"{kind}{axes}D"
    for kind in ("Conv", "SeparableConv", "MaxPooling", "AveragePooling")
    for axes in (1, 2, 3)
)


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
