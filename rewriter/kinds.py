"""The kinds of layers that passes and analyses speak of, by class name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewriter.graph import Layer

NOISE = frozenset(
    {
        "Dropout",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "GaussianDropout",
        "GaussianNoise",
        "AlphaDropout",
        "DynamicDropout",
    }
)
"""Noise layers: the identity at inference, unless pinned on."""

RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
"""Layers that walk over the time axis; `is_recurrent` sees them inside Bidirectional too."""

NOISE_RANK = {"SpatialDropout1D": 3, "SpatialDropout2D": 4, "SpatialDropout3D": 5}
"""Noise layers that take tensors of one rank only, the batch axis counted."""


def is_recurrent(layer: Layer) -> bool:
    """Whether a layer is recurrent, or Bidirectional around one that is."""
    if layer.class_name == "Bidirectional" and "layer" in layer.inner:
        return is_recurrent(layer.inner["layer"])
    return layer.class_name in RECURRENT


def returns_sequences(layer: Layer) -> bool:
    """Whether a recurrent layer gives its output at every step."""
    if layer.class_name == "Bidirectional" and "layer" in layer.inner:
        return returns_sequences(layer.inner["layer"])
    return bool(layer.config.get("return_sequences", False))


def is_pinned(layer: Layer, kwargs: Mapping[str, Any], keras: int) -> bool:
    """Whether a noise layer drops at inference too.

    Keras 2 honours ``training=True`` that is baked into a call, Keras 3 ignores it whenever
    the model is called with ``training=False`` (keras#20285).
    """
    if layer.config.get("always_on"):
        return True
    return keras == 2 and bool(kwargs.get("training"))
