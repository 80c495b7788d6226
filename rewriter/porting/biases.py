"""Find layers where Keras 3 adds the bias along the wrong axis.

``ops.add`` on TensorFlow takes its second operand for a bias if that squeezes to a vector as long
as the first one's last axis, and adds it along that axis (keras/src/backend/tensorflow/numpy.py,
from keras#20386): in a convolution with channels first whose outputs are as wide as it has
filters, and in sums of tensors that are broadcast, at batch 1. Random inputs miss it; it is
looked for in the shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

from rewriter.analysis.known_layers import is_operation
from rewriter.analysis.masks.flow import mask_flow
from rewriter.analysis.shape_inference import Shapes, inferred_shapes
from rewriter.analysis.shapes import Shape
from rewriter.graph.calls import Call, Tensor
from rewriter.graph.changes import Change
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.porting.envelopes import package_envelope
from rewriter.porting.operations import operation
from rewriter.porting.result import Translation

_RANKS: Mapping[str, int] = {
    **{f"{kind}{rank}D": rank for kind in ("Conv", "SeparableConv") for rank in (1, 2, 3)},
    **{f"DepthwiseConv{rank}D": rank for rank in (1, 2)},
    **{f"Conv{rank}DTranspose": rank for rank in (1, 2, 3)},
}

_REASON = (
    "Keras 3 adds a bias along the last axis where that is as long as there are filters; with "
    "channels last it adds it right"
)
_ADDED = "Keras 3 takes an input that is broadcast for a bias, and adds it along the wrong axis"


def mend_biases(translation: Translation) -> None:
    """Mend convolutions with channels first, and sums, that Keras 3 may get wrong."""
    flows = [flow for flow in mask_flow(translation.after) if any(flow.masks_in)]
    for graph in translation.after.walk():
        shapes = inferred_shapes(graph)
        for layer in list(graph.layers):
            if _RANKS.get(layer.class_name) and not layer.envelope:
                calls = graph.calls_of(layer.name)
                if any(_strikes_bias(graph, layer, call, shapes) for call in calls):
                    _put_channels_last(translation, graph, layer)
            elif layer.class_name == "Add" and (not layer.envelope or is_operation(layer)):
                calls = graph.calls_of(layer.name)
                if any(_strikes_sum(graph, call, shapes) for call in calls):
                    path = graph.path_of(layer.name)
                    masked = not is_operation(layer) and any(flow.layer == path for flow in flows)
                    _mend_sum(translation, graph, layer, masked)


def _strikes_bias(graph: ModelGraph, layer: Layer, call: Call, told: Shapes) -> bool:
    """Whether the outputs of a convolution may be as wide as it has filters."""
    config = layer.config
    if config.get("data_format") != "channels_first" or not config.get("use_bias", True):
        return False
    shape = told.get(graph.producers(call)[0])
    filters = config.get("filters")
    if layer.class_name.startswith("Depthwise") and shape is not None and shape[1] is not None:
        filters = shape[1] * config.get("depth_multiplier", 1)
    if shape is None or shape[-1] is None or filters is None:
        return True
    return bool(_width(layer, shape[-1]) == filters)


def _width(layer: Layer, width: int) -> int:
    """Return the last axis of a convolution's outputs."""
    config = layer.config
    kernel, stride, dilation = (
        _last(config.get(key, 1)) for key in ("kernel_size", "strides", "dilation_rate")
    )
    reach = (kernel - 1) * dilation + 1
    if layer.class_name.endswith("Transpose"):
        more = max(reach - stride, 0) if config.get("padding") == "valid" else 0
        return width * stride + more
    if config.get("padding") == "valid":
        width -= reach - 1
    return -(-width // stride)


def _last(value: Any) -> int:
    return int(value[-1]) if isinstance(value, list | tuple) else int(value)


def _put_channels_last(translation: Translation, graph: ModelGraph, layer: Layer) -> None:
    """Put a convolution between two Permutes, with channels last."""
    rank = _RANKS[layer.class_name]
    to_last = [*range(2, rank + 2), 1]
    to_first = [rank + 1, *range(1, rank + 1)]
    changes = [graph.configure(layer.name, {"data_format": "channels_last"}, reason=_REASON)]
    for call in graph.calls_of(layer.name):
        (source,) = graph.producers(call)[:1]
        into = _permute(graph.unique_name(f"{layer.name}_channels_last"), to_last)
        holes = [(call, hole) for hole in graph.fillings(call)]
        changes.append(graph.insert_after(source, into, reason=_REASON, consumers=holes))
        back = _permute(graph.unique_name(f"{layer.name}_channels_first"), to_first)
        changes.append(graph.insert_after(Tensor(call), back, reason=_REASON))
    translation.changes += [replace(change, pass_name="port") for change in changes]


def _permute(name: str, dims: Sequence[int]) -> Layer:
    return Layer(name, "Permute", {"name": name, "dims": list(dims)})


def _strikes_sum(graph: ModelGraph, call: Call, told: Shapes) -> bool:
    """Whether Keras 3 may take one of the inputs of a sum for a bias."""
    shapes = [told.get(tensor) for tensor in graph.producers(call)]
    if len(set(graph.producers(call))) < 2:  # a constant, or one tensor twice
        return False
    if any(shape is None for shape in shapes):
        return len(shapes) > 1
    known: list[Shape] = [shape for shape in shapes if shape is not None]
    sums = list(accumulate(known, _broadcast))
    return any(_is_taken_for_bias(one, other) for one, other in zip(sums, known[1:], strict=False))


def _mend_sum(translation: Translation, graph: ModelGraph, layer: Layer, masked: bool) -> None:
    """Write a + b as a - (-b), which is the same to the bit; of more inputs, plainly."""
    calls = graph.calls_of(layer.name)
    if masked or any(len(graph.fillings(call)) != 2 for call in calls):
        translation.changes.append(merge_plainly(translation, graph, layer, _ADDED))
        return
    changes = [graph.replace(layer.name, replace(layer, class_name="Subtract"), reason=_ADDED)]
    if layer.envelope:
        envelope = {**layer.envelope, "registered_name": "Subtract"}
        new = replace(graph.layer(layer.name), envelope=envelope)
        graph.replace(layer.name, new, reason=_ADDED)
    for call in calls:
        hole, tensor = list(graph.fillings(call).items())[1]
        negative = operation("numpy.Negative", graph.unique_name(f"{layer.name}_negative"))
        changes.append(
            graph.insert_after(tensor, negative, reason=_ADDED, consumers=[(call, hole)])
        )
    translation.changes += [replace(change, pass_name="port") for change in changes]


def _broadcast(one: Shape, other: Shape) -> Shape:
    """Return the shape of a sum, its axes told as far as they are."""
    if len(one) != len(other):
        one, other = sorted((one, other), key=len, reverse=True)
        other = (other[0], *(1,) * (len(one) - len(other)), *other[1:])
    return tuple(b if a == 1 else a for a, b in zip(one, other, strict=True))


def _is_taken_for_bias(one: Shape, other: Shape) -> bool:
    """Whether, at batch 1 or some length, ``other`` is added along an axis that is not its own.

    Equal shapes are added right whatever they are taken for.
    """
    if one == other:
        return False
    if len(one) != len(other):
        return True
    wide = [axis for axis, size in enumerate(other) if axis and size != 1]
    fixed = [axis for axis in wide if other[axis] is not None]
    if len(fixed) > 1 or not wide:
        return False
    axis = fixed[0] if fixed else wide[0]
    length = other[axis]
    last, second = len(one) - 1, 1
    may_be_last = length is None or one[last] in (None, length)
    may_be_second = length is None or one[second] in (None, length)
    if may_be_last:
        return axis != last
    return may_be_second and axis != second


def merge_plainly(translation: Translation, graph: ModelGraph, layer: Layer, reason: str) -> Change:
    """Put the merging layer of this package in the place of one of Keras."""
    kept = {key: layer.config[key] for key in ("trainable", "dtype") if key in layer.config}
    config: dict[str, Any] = {
        "name": layer.name,
        **kept,
        "operation": layer.class_name.lower(),
        "axis": layer.config.get("axis", -1),
    }
    translation.package.append(graph.path_of(layer.name))
    new = Layer(
        layer.name, "MergeWithMasks", config, package_envelope("MergeWithMasks"), first_node=0
    )
    change = graph.replace(layer.name, new, reason=reason)
    return replace(change, pass_name="port")
