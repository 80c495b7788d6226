"""Where recurrent layers keep their rates, and what keeps them from the fast kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rewriter.analysis.known_layers import is_known
from rewriter.analysis.layer_kinds import CELLS, RECURRENT, held, rates_in
from rewriter.graph import Layer


@dataclass(frozen=True, slots=True)
class Place:
    """A layer or cell of Keras that keeps the rates of a recurrent layer.

    Parameters
    ----------
    role : str or None
        Where it stands in the recurrent layer, as for `ModelGraph.configure`.
    layer : Layer
        It.
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


def rate_places(layer: Layer) -> list[Place]:
    """Return the places of the rates of a recurrent layer, with what wraps it.

    Examples
    --------
    >>> lstm = Layer("lstm", "LSTM", {"dropout": 0.5})
    >>> both = Layer("both", "Bidirectional", {}, inner={"layer": lstm})
    >>> [(place.role, place.rates) for place in rate_places(both)]
    [('layer', {'dropout': 0.5})]
    """
    return list(_places(layer))


def _places(layer: Layer) -> Iterator[Place]:
    for role, inner in held(layer):
        if not is_known(inner) or inner.class_name not in (RECURRENT - {"RNN"}) | CELLS:
            continue
        steps = (role or "").split(".")
        behind = any(step.startswith("cells/") and step != "cells/0" for step in steps)
        yield Place(role, inner, not behind)


def time_axis(layer: Layer) -> int | None:
    """Return the axis of time in the input of a recurrent layer with its wrappers.

    None for a layer that is not recurrent, or whose wrapper this program does not know.
    """
    if layer.class_name == "TimeDistributed" and "layer" in layer.inner:
        axis = time_axis(layer.inner["layer"])
        return None if axis is None else axis + 1
    if layer.class_name == "Bidirectional" and "layer" in layer.inner:
        return time_axis(layer.inner["layer"])
    if layer.class_name not in RECURRENT or not is_known(layer):
        return None
    return 0 if layer.config.get("time_major") else 1


# What the fast kernel of LSTM and GRU asks for: tf_keras/src/layers/rnn/lstm.py,
# `_could_use_gpu_kernel`; keras/src/backend/tensorflow/rnn.py, `cudnn_ok`.
_ASKED: tuple[tuple[str, Any], ...] = (
    ("activation", "tanh"),
    ("recurrent_activation", "sigmoid"),
    ("unroll", False),
    ("use_bias", True),
    ("reset_after", True),
)


def fast_path_obstacles(layer: Layer) -> list[str]:
    """Return the options that keep an LSTM or GRU from its fast kernel on a GPU.

    The input's ``dropout`` is none of them.

    Examples
    --------
    >>> fast_path_obstacles(Layer("lstm", "LSTM", {"recurrent_dropout": 0.2}))
    ['recurrent_dropout=0.2']
    """
    config = layer.config
    found = [
        f"{key}={config[key]}" for key, asked in _ASKED if key in config and config[key] != asked
    ]
    if config.get("recurrent_dropout"):
        found.append(f"recurrent_dropout={config['recurrent_dropout']}")
    return found


def has_fast_path(layer: Layer) -> bool:
    """Whether a layer meets the conditions of the fast kernel."""
    return layer.class_name in ("LSTM", "GRU") and not fast_path_obstacles(layer)
