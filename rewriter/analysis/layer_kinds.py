"""List layer classes by kind: noise, recurrent, mask users; find such layers inside others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rewriter.analysis.known_layers import class_of, is_known
from rewriter.graph.calls import Call
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph

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

RECURRENT = frozenset(
    {
        "LSTM",
        "GRU",
        "SimpleRNN",
        "RNN",
        "ConvLSTM1D",
        "ConvLSTM2D",
        "ConvLSTM3D",
        "GatewiseLSTM",
        "GatewiseGRU",
        "FusedConvLSTM1D",
        "FusedConvLSTM2D",
        "FusedConvLSTM3D",
    }
)
"""Layers that walk over the time axis; `is_recurrent` sees them inside Bidirectional too."""

MASK_USERS = RECURRENT | frozenset(
    {
        "Bidirectional",
        "Attention",
        "AdditiveAttention",
        "MultiHeadAttention",
        "MultiHeadAttentionOfKeras2",
        "GlobalAveragePooling1D",
    }
)
"""Layers that give other outputs with a mask."""

CELLS = frozenset({"LSTMCell", "GRUCell", "SimpleRNNCell"})
"""Cells of Keras; others are the user's own."""

RATES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", *CELLS), ("dropout", "recurrent_dropout")),
    **dict.fromkeys(("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), ("dropout", "recurrent_dropout")),
    **dict.fromkeys(
        (
            "Attention",
            "AdditiveAttention",
            "MultiHeadAttention",
            "GroupQueryAttention",
            "GroupedQueryAttention",
        ),
        ("dropout",),
    ),
}
"""Layers that drop units inside themselves, and the keys of their rates."""

NOISE_RANK = {"SpatialDropout1D": 3, "SpatialDropout2D": 4, "SpatialDropout3D": 5}
"""Noise layers that take tensors of one rank only, the batch axis counted."""


def noise_in(layer: Layer) -> Layer | None:
    """Return the noise layer that a layer is, itself or inside TimeDistributed."""
    if class_of(layer) == "TimeDistributed" and "layer" in layer.inner:
        return noise_in(layer.inner["layer"])
    return layer if layer.class_name in NOISE and is_known(layer) else None


def noise_calls(graph: ModelGraph) -> list[Call]:
    """Return the calls of noise layers, wrapped ones included, in topological order."""
    return [call for call in graph.calls() if noise_in(graph.layer(call)) is not None]


def with_inner_layers(layer: Layer, role: str = "") -> Iterator[tuple[str | None, Layer]]:
    """Yield a layer and what it wraps, each with its role for `ModelGraph.configure`."""
    yield role or None, layer
    for key, inner in layer.inner.items():
        yield from with_inner_layers(inner, f"{role}.{key}" if role else key)


def rates_in(layer: Layer) -> dict[str, float]:
    """Return the rates above 0 inside a recurrent layer, a cell or an attention layer."""
    keys = RATES.get(layer.class_name, ()) if is_known(layer) else ()
    return {key: float(layer.config[key]) for key in keys if layer.config.get(key)}


def is_recurrent(layer: Layer) -> bool:
    """Whether a layer is recurrent, or Bidirectional around one that is."""
    if class_of(layer) == "Bidirectional" and "layer" in layer.inner:
        return is_recurrent(layer.inner["layer"])
    return layer.class_name in RECURRENT and is_known(layer)


def returns_sequences(layer: Layer) -> bool:
    """Whether a recurrent layer gives its output at every step."""
    if class_of(layer) == "Bidirectional" and "layer" in layer.inner:
        return returns_sequences(layer.inner["layer"])
    return bool(layer.config.get("return_sequences", False))
