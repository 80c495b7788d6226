"""Find the rates inside recurrent layers, and what keeps a layer from its fast kernel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rewriter.analysis.known_layers import class_of, is_known
from rewriter.analysis.layer_kinds import CELLS, RECURRENT, rates_in, with_inner_layers
from rewriter.graph.graph import Layer


@dataclass(frozen=True, slots=True)
class LayerWithRates:
    """A layer or cell of Keras that keeps the rates of a recurrent layer.

    Parameters
    ----------
    role : str or None
        Where it stands in the recurrent layer, as for `ModelGraph.configure`.
    layer : Layer
        The layer or cell itself.
    first : bool
        Whether it gets the input of the recurrent layer, and not the output of another cell.
    """

    role: str | None
    layer: Layer
    first: bool

    @property
    def rates(self) -> dict[str, float]:
        """The rates above 0 by their key."""
        return rates_in(self.layer)


def layers_with_rates(layer: Layer) -> list[LayerWithRates]:
    """Return the layers and cells that keep the rates of a recurrent layer, wrapped or not.

    Examples
    --------
    >>> lstm = Layer("lstm", "LSTM", {"dropout": 0.5})
    >>> both = Layer("both", "Bidirectional", {}, inner={"layer": lstm})
    >>> [(inner.role, inner.rates) for inner in layers_with_rates(both)]
    [('layer', {'dropout': 0.5})]
    """
    return list(_layers_with_rates(layer))


def _layers_with_rates(layer: Layer) -> Iterator[LayerWithRates]:
    for role, inner in with_inner_layers(layer):
        if not is_known(inner) or inner.class_name not in (RECURRENT - {"RNN"}) | CELLS:
            continue
        steps = (role or "").split(".")
        behind = any(step.startswith("cells/") and step != "cells/0" for step in steps)
        yield LayerWithRates(role, inner, not behind)


def time_axis(layer: Layer) -> int | None:
    """Return the axis of time in the input of a recurrent layer with its wrappers.

    None for a layer that is not recurrent, or whose wrapper this program does not know.
    """
    if class_of(layer) == "TimeDistributed" and "layer" in layer.inner:
        axis = time_axis(layer.inner["layer"])
        return None if axis is None else axis + 1
    if class_of(layer) == "Bidirectional" and "layer" in layer.inner:
        return time_axis(layer.inner["layer"])
    if layer.class_name not in RECURRENT or not is_known(layer):
        return None
    return 0 if layer.config.get("time_major") else 1


FUSED = frozenset({"LSTM", "GRU"})
"""Layers that have a fast kernel on a GPU."""

# What the fast kernel asks for: tf_keras/src/layers/rnn/lstm.py, `_could_use_gpu_kernel`;
# keras/src/backend/tensorflow/rnn.py, `cudnn_ok`, and the constructors of the two layers.
_ASKED: Mapping[str, Any] = {
    "activation": "tanh",
    "recurrent_activation": "sigmoid",
    "use_bias": True,
    "unroll": False,
}
_ASKED_OF_GRU: Mapping[str, Any] = {**_ASKED, "reset_after": True}


def fast_path_obstacles(layer: Layer) -> dict[str, str]:
    """Return the options that keep an LSTM or GRU from its fast kernel on a GPU, as text.

    The input's ``dropout`` is none of them.

    Examples
    --------
    >>> fast_path_obstacles(Layer("lstm", "LSTM", {"recurrent_dropout": 0.2}))
    {'recurrent_dropout': 'recurrent_dropout=0.2'}
    """
    config = layer.config
    asked = _ASKED_OF_GRU if layer.class_name == "GRU" else _ASKED
    rate = config.get("recurrent_dropout")
    found = {}
    if isinstance(rate, int | float) and rate > 0:
        found["recurrent_dropout"] = f"recurrent_dropout={rate:g}"
    for key, value in asked.items():
        if key in config and config[key] != value:
            found[key] = f"{key}={_short(config[key])}"
    return found


def has_fast_path(layer: Layer) -> bool:
    """Whether a layer meets the conditions of the fast kernel."""
    return layer.class_name in FUSED and is_known(layer) and not fast_path_obstacles(layer)


def _short(value: Any) -> str:
    return str(value) if isinstance(value, str | bool | int | float) else "a function of its own"
