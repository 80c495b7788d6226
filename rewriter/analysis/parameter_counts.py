"""Count the weights of a layer from its config and the shape of its input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from rewriter.analysis.known_layers import class_of, is_operation
from rewriter.analysis.layer_kinds import NOISE
from rewriter.analysis.shapes import Shape, input_shape, output_shape
from rewriter.graph.calls import Call
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph

Config = Mapping[str, Any]
_Count = Callable[[Config, int], int]
Shapes = dict[Call, Shape | None]
"""The shapes of the inputs of calls, as far as they were needed."""


def parameters(graph: ModelGraph, call: Call, shapes: Shapes | None = None) -> int | None:
    """Return the number of weights of a layer, those of a nested model included.

    Parameters
    ----------
    graph : ModelGraph
        The model.
    call : Call
        A call of the layer.
    shapes : dict of Call to shape or None, optional
        What was found before in this graph; what is found now is added.

    Returns
    -------
    int or None
        None where the layer, or the shape of its input, is not known.
    """
    return _of_layer(
        graph.layer(call), graph, _shape(graph, call, {} if shapes is None else shapes)
    )


def _of_layer(layer: Layer, graph: ModelGraph, shape: Shape | None) -> int | None:
    if layer.graph is not None:
        nested = layer.graph
        firsts = [call for call in nested.calls() if call.number == 0]
        shapes: Shapes = {}
        return _sum(parameters(nested, call, shapes) for call in firsts)
    if class_of(layer) == "Bidirectional":
        backward = layer.inner.get("backward_layer")
        one = _of_inner(layer, "layer", graph, shape)
        other = one if backward is None else _of_layer(backward, graph, shape)
        return _sum([one, other])
    if class_of(layer) == "TimeDistributed":
        step = None if shape is None else (shape[0], *shape[2:])
        return _of_inner(layer, "layer", graph, step)
    if class_of(layer) in WITHOUT_WEIGHTS or is_operation(layer):
        return 0
    count = _COUNTS.get(class_of(layer))
    if count is None:
        return None
    features = _features(shape, layer.config)
    try:
        return None if features is None else count(layer.config, features)
    except (KeyError, TypeError, ValueError, IndexError):
        return None


def _of_inner(layer: Layer, role: str, graph: ModelGraph, shape: Shape | None) -> int | None:
    return _of_layer(layer.inner[role], graph, shape) if role in layer.inner else None


def _sum(numbers: Any) -> int | None:
    known = list(numbers)
    return None if None in known else sum(known)


def _shape(graph: ModelGraph, call: Call, shapes: Shapes) -> Shape | None:
    """Return the shape of a call's input; where nothing tells it, its last axis at least."""
    walked = []
    while call not in shapes:
        walked.append(call)
        shape, source = input_shape(graph, call), graph.producer(call)
        if shape is not None or source is None:
            shapes[call] = shape
            break
        layer = graph.layer(source.call)
        shape = output_shape(graph, source)
        if shape is not None or class_of(layer) not in _SAME_FEATURES | NOISE:
            shapes[call] = shape or _last_axis(layer)
            break
        call = source.call
    shape_there = shapes[call]
    shapes.update(dict.fromkeys(walked, shape_there))
    return shape_there


def _last_axis(layer: Layer) -> Shape | None:
    sizes = (layer.config.get(key) for key in ("units", "filters", "output_dim"))
    size = next((each for each in sizes if isinstance(each, int)), None)
    return None if size is None else (None, None, size)


def _features(shape: Shape | None, config: Config) -> int | None:
    if config.get("data_format") == "channels_first":
        return shape[1] if shape and len(shape) > 1 else None
    if shape:
        return shape[-1]
    return 0 if "input_dim" in config else None


def _bias(config: Config, size: int) -> int:
    return size if config.get("use_bias", True) else 0


def _dense(config: Config, features: int) -> int:
    units = config["units"]
    return int(units * features + _bias(config, units))


def _recurrent(gates: int) -> _Count:
    def count(config: Config, features: int) -> int:
        units = config["units"]
        biases = 2 if gates == 3 and config.get("reset_after") else 1
        return int(gates * (units * (units + features) + biases * _bias(config, units)))

    return count


def _convolution(config: Config, features: int) -> int:
    size = prod(config["kernel_size"]) * features // config.get("groups", 1)
    return int(size * config["filters"] + _bias(config, config["filters"]))


def _depthwise(config: Config, features: int) -> int:
    deep = features * config["depth_multiplier"]
    return int(prod(config["kernel_size"]) * deep + _bias(config, deep))


def _separable(config: Config, features: int) -> int:
    deep = features * config["depth_multiplier"]
    filters = config["filters"]
    return int(prod(config["kernel_size"]) * deep + deep * filters + _bias(config, filters))


def _normalization(config: Config, features: int) -> int:
    return features * (bool(config.get("center", True)) + bool(config.get("scale", True)))


def _batch_normalization(config: Config, features: int) -> int:
    return _normalization(config, features) + 2 * features


_COUNTS: Mapping[str, _Count] = {
    "Dense": _dense,
    "Embedding": lambda config, _: int(config["input_dim"] * config["output_dim"]),
    "LSTM": _recurrent(4),
    "GRU": _recurrent(3),
    "SimpleRNN": _recurrent(1),
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), _convolution),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), _convolution),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), _depthwise),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _separable),
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _normalization,
}

_SAME_FEATURES = frozenset(
    {
        "Activation",
        "BatchNormalization",
        "ELU",
        "LayerNormalization",
        "LeakyReLU",
        "Masking",
        "MaxPooling1D",
        "ReLU",
    }
)

WITHOUT_WEIGHTS = (
    NOISE
    | _SAME_FEATURES - {"BatchNormalization", "LayerNormalization"}
    | {
        "Add",
        "Attention",
        "Average",
        "AveragePooling1D",
        "AveragePooling2D",
        "Concatenate",
        "Cropping1D",
        "Cropping2D",
        "Dot",
        "Flatten",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "Identity",
        "InputLayer",
        "MaxPooling2D",
        "Maximum",
        "Minimum",
        "Multiply",
        "Permute",
        "RepeatVector",
        "Rescaling",
        "Reshape",
        "SlicingOpLambda",
        "Softmax",
        "Subtract",
        "TFOpLambda",
        "UpSampling1D",
        "UpSampling2D",
        "ZeroPadding1D",
        "ZeroPadding2D",
    }
)
