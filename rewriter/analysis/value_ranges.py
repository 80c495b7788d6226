"""Tell which numbers a layer can give at all, where its activation or its class bounds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.layer_kinds import NOISE
from rewriter.graph.graph import Layer

Range = tuple[float, float]

ANY: Range = (float("-inf"), float("inf"))

_ACTIVATIONS: Mapping[str, Range] = {
    "relu": (0.0, float("inf")),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, float("inf")),
    "exponential": (0.0, float("inf")),
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
}
"""What activations give (keras/src/activations/activations.py)."""

_KEEPS = NOISE | frozenset(
    f"{kind}{rank}D"
    for kind in ("MaxPooling", "AveragePooling", "GlobalMaxPooling", "GlobalAveragePooling")
    for rank in (1, 2, 3)
)
_KEEPS |= frozenset({"Flatten", "Reshape", "Permute", "RepeatVector", "Concatenate", "Identity"})
"""Layers that give no number that is smaller or greater than all that they are given."""


def range_of(layer: Layer, given: Sequence[Range]) -> Range:
    """Return the least and the greatest number that a layer can give.

    Parameters
    ----------
    layer : Layer
        The layer.
    given : sequence of (float, float)
        The ranges of the tensors that it is called on.

    Examples
    --------
    >>> range_of(Layer("d", "Dense", {"activation": "sigmoid"}), [ANY])
    (0.0, 1.0)
    """
    kind = class_of(layer)
    if kind in _KEEPS and given:
        return min(low for low, _ in given), max(high for _, high in given)
    if kind == "ReLU":
        return _relu(layer.config)
    if kind == "Softmax":
        return _ACTIVATIONS["softmax"]
    return _ACTIVATIONS.get(str(layer.config.get("activation")), ANY) if kind else ANY


def _relu(config: Mapping[str, Any]) -> Range:
    highest = config.get("max_value")
    lowest = float("-inf") if config.get("negative_slope") else 0.0
    return lowest, float("inf") if highest is None else float(highest)
