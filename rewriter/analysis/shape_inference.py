"""Work out the shapes of all tensors of a model, from its inputs on.

`rewriter.analysis.shapes` tells what is written down and what follows along a chain; here the
branches of a model are joined. What does not follow is not known, and stands in no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from rewriter.analysis.known_layers import class_of, is_operation
from rewriter.analysis.layer_kinds import is_recurrent
from rewriter.analysis.shapes import BROADCASTING, Shape, after, output_shape
from rewriter.graph.calls import Call, Tensor
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves

_SAME_SHAPE = """
ActivityRegularization CopyWithMask GroupNormalization Identity LayerScale Normalization
RandomBrightness RandomContrast RandomFlip RandomRotation RandomTranslation RandomZoom Rescaling
Softmax StochasticDepth StopMask ThresholdedReLU UnitNormalization
"""
_SAME_SHAPE_OPERATIONS = """
Absolute Ceil Clip Copy Cos Elu Erf Exp Expm1 Floor Gelu LeakyRelu Log Log1p LogSoftmax Negative
Relu Relu6 Round Rsqrt Selu Sigmoid Sign Silu Sin Softmax Softplus Softsign Sqrt Square
StopGradient Tanh
"""
_JOINING = frozenset({"CustomScaleLayer", "MergeWithMasks"}) | BROADCASTING
_JOINING_OPERATIONS = BROADCASTING - {"Average"} | {"Divide", "Power"}
_SAME = frozenset(_SAME_SHAPE.split())
_SAME_OPERATIONS = frozenset(_SAME_SHAPE_OPERATIONS.split())
_IMAGES = ("Conv", "DepthwiseConv", "SeparableConv", "MaxPooling", "AveragePooling")

Shapes = Mapping[Tensor, Shape]


def inferred_shapes(graph: ModelGraph) -> Shapes:
    """Return the shape of each tensor of a model that is told or follows.

    Examples
    --------
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> x = graph.add(Layer("x", "InputLayer", {"batch_shape": [None, 4]}))
    >>> both = graph.add(Layer("both", "Add", {}), [Tensor(x), Tensor(x)])
    >>> inferred_shapes(graph)[Tensor(both)]
    (None, 4)
    """
    return _inferred(graph, ())


def _inferred(graph: ModelGraph, given: Sequence[Shape | None]) -> dict[Tensor, Shape]:
    found: dict[Tensor, Shape] = {}
    ends = list(leaves(graph.inputs))
    found |= {end: shape for end, shape in zip(ends, given, strict=False) if shape is not None}
    for call in graph.calls():
        for tensor, shape in _outputs(graph, call, found).items():
            found.setdefault(tensor, shape)
    return found


def _outputs(graph: ModelGraph, call: Call, found: Shapes) -> dict[Tensor, Shape]:
    layer, tensor = graph.layer(call), Tensor(call)
    before = [found.get(each) for each in graph.producers(call)]
    if layer.graph is not None:
        inner = _inferred(layer.graph, before)
        ends = enumerate(leaves(layer.graph.outputs))
        return {Tensor(call, place): inner[end] for place, end in ends if end in inner}
    shape = output_shape(graph, tensor)
    if shape is None and before:
        shape = _behind(graph, layer, call, before)
    return {} if shape is None else {tensor: shape}


def _behind(
    graph: ModelGraph, layer: Layer, call: Call, before: Sequence[Shape | None]
) -> Shape | None:
    known = [shape for shape in before if shape is not None]
    if len(known) < len(before):
        return known[0] if known and known[0] is before[0] and _keeps(layer) else None
    if is_operation(layer):
        if layer.class_name in _JOINING_OPERATIONS:
            return broadcast(known) if _is_of_tensors(graph, call) else None
        return known[0] if layer.class_name in _SAME_OPERATIONS else None
    name = class_of(layer) or layer.class_name
    if name == "MergeWithMasks" and layer.config.get("operation") == "concatenate":
        return _concatenated(layer, known)
    if name in _JOINING:
        return broadcast(known)
    if name == "Concatenate":
        return _concatenated(layer, known)
    return _of_one(layer, name, known[0])


def _is_of_tensors(graph: ModelGraph, call: Call) -> bool:
    """Whether an operation has tensors and single numbers alone for operands."""
    held = list(leaves(graph.arguments(call).args))
    return len(held) <= 2


def _keeps(layer: Layer) -> bool:
    name = class_of(layer) or layer.class_name
    return name in _SAME or name == "MultiHeadAttention"


def _of_one(layer: Layer, name: str, before: Shape) -> Shape | None:
    config = layer.config
    if name in _SAME:
        return before
    if name in ("MultiHeadAttention", "MultiHeadAttentionOfKeras2"):
        return before if config.get("output_shape") is None else None
    if name in ("TimeDistributed", "EachStep") and "layer" in layer.inner:
        inner = layer.inner["layer"]
        step = _of_one(inner, class_of(inner) or inner.class_name, (before[0], *before[2:]))
        return None if step is None else (*before[:2], *step[1:])
    if name in _RESHAPING:
        return _RESHAPING[name](config, before)
    if name.startswith("Global") and name.endswith("D"):
        return _pooled(config, before)
    sided = name.startswith(("ZeroPadding", "Cropping", "UpSampling"))
    windows = sided or name.startswith(_IMAGES)
    if windows and config.get("data_format") == "channels_first":
        last = (before[0], *before[2:], before[1])
        moved = _of_one(_channels_last(layer), name, last)
        return None if moved is None else (moved[0], moved[-1], *moved[1:-1])
    return _resized(name, config, before) if sided else _of_windows(layer, name, before)


def _of_windows(layer: Layer, name: str, before: Shape) -> Shape | None:
    config = layer.config
    if name.startswith("DepthwiseConv"):
        window = Layer(layer.name, f"MaxPooling{len(before) - 2}D", config)
        size = after(window, before)
        channels = before[-1]
        wide = None if channels is None else channels * config.get("depth_multiplier", 1)
        return None if size is None else (*size[:-1], wide)
    if is_recurrent(layer) and len(before) != 3:
        return None
    return after(layer, before)


def _channels_last(layer: Layer) -> Layer:
    config = {**layer.config, "data_format": "channels_last"}
    return Layer(layer.name, layer.class_name, config, layer.envelope)


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """Return the shape of a sum of tensors, those with fewer axes told behind the batch axis.

    Examples
    --------
    >>> broadcast([(None, 4), (None, 1), (None, 4)])
    (None, 4)
    """
    most = max(len(shape) for shape in shapes)
    alike = [(*shape[:1], *(1,) * (most - len(shape)), *shape[1:]) for shape in shapes]
    return tuple(_joined(sizes) for sizes in zip(*alike, strict=True))


def _joined(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size not in (1, None)]
    return known[0] if known else None if None in sizes else 1


def _concatenated(layer: Layer, shapes: Sequence[Shape]) -> Shape | None:
    axis = layer.config.get("axis", -1)
    rank = len(shapes[0])
    if not isinstance(axis, int) or any(len(shape) != rank for shape in shapes):
        return None
    axis %= rank
    sizes = [shape[axis] for shape in shapes]
    total = None if None in sizes else sum(size for size in sizes if size is not None)
    rest = [_joined([shape[place] for shape in shapes]) for place in range(rank)]
    return (*rest[:axis], total, *rest[axis + 1 :])


def _pooled(config: Mapping[str, Any], before: Shape) -> Shape:
    first = config.get("data_format") == "channels_first"
    channels = before[1] if first else before[-1]
    if not config.get("keepdims"):
        return (before[0], channels)
    ones = (1,) * (len(before) - 2)
    return (before[0], channels, *ones) if first else (before[0], *ones, channels)


def _resized(name: str, config: Mapping[str, Any], before: Shape) -> Shape | None:
    """Return the shape behind padding, cropping or upsampling, the channels last."""
    key = "padding" if "Padding" in name else "cropping" if "Cropping" in name else "size"
    told = config.get(key)
    steps = before[1:-1]
    sides = [told] * len(steps) if isinstance(told, int) else told
    if len(steps) == 1 and isinstance(sides, list | tuple) and len(sides) == 2:
        sides = [sides]
    if not isinstance(sides, list | tuple) or len(sides) != len(steps):
        return None
    sizes: list[int | None] = []
    for size, side in zip(steps, sides, strict=True):
        both = side if isinstance(side, list | tuple) else (side, side)
        change = sum(both) if "Padding" in name else -sum(both)
        new = size * both[0] if size is not None and key == "size" else size
        sizes.append(None if new is None else new if key == "size" else new + change)
    return (before[0], *sizes, before[-1])


def _reshape(config: Mapping[str, Any], before: Shape) -> Shape | None:
    target = config.get("target_shape")
    if not isinstance(target, list | tuple):
        return None
    if -1 not in target:
        return (before[0], *target)
    known = [size for size in before[1:] if size is not None]
    rest = prod(size for size in target if size != -1)
    whole = prod(known) // rest if len(known) == len(before) - 1 and rest else None
    return (before[0], *(whole if size == -1 else size for size in target))


def _permute(config: Mapping[str, Any], before: Shape) -> Shape | None:
    dims = config.get("dims")
    if not isinstance(dims, list | tuple) or len(dims) != len(before) - 1:
        return None
    return (before[0], *(before[axis] for axis in dims))


def _repeat(config: Mapping[str, Any], before: Shape) -> Shape | None:
    return (before[0], config.get("n"), *before[1:])


_RESHAPING: Mapping[str, Callable[[Mapping[str, Any], Shape], Shape | None]] = {
    "Reshape": _reshape,
    "Permute": _permute,
    "RepeatVector": _repeat,
}
