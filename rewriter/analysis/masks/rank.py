"""The rank of a tensor, as far as the graph tells it."""

from __future__ import annotations

from rewriter.analysis.layer_kinds import NOISE, is_recurrent, returns_sequences
from rewriter.graph import Layer, ModelGraph, Tensor

_NAMES = (
    "Dense Activation ReLU LeakyReLU PReLU ELU LayerNormalization BatchNormalization Masking "
    "GroupNormalization UnitNormalization RMSNormalization Identity Rescaling Normalization "
    "ActivityRegularization Conv1D SeparableConv1D DepthwiseConv1D MaxPooling1D "
    "AveragePooling1D ZeroPadding1D Cropping1D UpSampling1D Add Subtract Multiply Average "
    "Maximum Minimum Concatenate Softmax CarryMask ZeroMaskedSteps Permute"
)
_KEEPING = NOISE | frozenset(_NAMES.split())
"""Layers whose output has the rank of their first input."""


def rank_of(graph: ModelGraph, tensor: Tensor) -> int | None:
    """Return the rank of a tensor, the batch axis counted; None where it is not known.

    Examples
    --------
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> ids = graph.add(Layer("ids", "InputLayer", {"batch_shape": (None, 7)}))
    >>> rank_of(graph, Tensor(graph.add(Layer("emb", "Embedding", {}), [Tensor(ids)])))
    3
    """
    more = 0
    while True:
        layer = graph.layer(tensor.call)
        producers = graph.producers(tensor.call)
        if not producers:
            shape = layer.config.get("batch_shape") or layer.config.get("batch_input_shape")
            return len(shape) + more if isinstance(shape, list | tuple) else None
        change = _change(layer)
        if change is None:
            return None
        more += change
        tensor = producers[0]


def _change(layer: Layer) -> int | None:
    """Return by how much a layer raises the rank."""
    if layer.class_name in _KEEPING:
        return 0
    if layer.class_name in ("Embedding", "RepeatVector"):
        return 1
    if is_recurrent(layer):
        return 0 if returns_sequences(layer) else -1
    if layer.class_name == "TimeDistributed" and "layer" in layer.inner:
        return _change(layer.inner["layer"])
    return None
