"""Tell which layers work on every step alike, and so need no TimeDistributed around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rewriter.analysis.known_layers import is_known
from rewriter.analysis.shapes import INPUT_SHAPE_KEYS
from rewriter.graph.graph import Layer

Config = Mapping[str, Any]


def without_time_distributed(layer: Layer) -> Layer | str:
    """Return what does the same as a TimeDistributed layer without it, or why nothing does.

    The layer inside works on tensors with one more axis, so that its own axes count the steps.

    Parameters
    ----------
    layer : Layer
        A TimeDistributed layer with the layer that it wraps.

    Examples
    --------
    >>> norm = Layer("norm", "LayerNormalization", {"axis": 1})
    >>> without_time_distributed(Layer("td", "TimeDistributed", {}, inner={"layer": norm})).config
    {'axis': 2}
    >>> conv = Layer("conv", "Conv1D", {})
    >>> without_time_distributed(Layer("td", "TimeDistributed", {}, inner={"layer": conv}))
    'Conv1D is not known to work on every step alike'
    """
    inner = layer.inner.get("layer")
    if inner is None or not is_known(layer):
        return "what it wraps is not known"
    if inner.class_name == "TimeDistributed" and "layer" in inner.inner:
        unwrapped = without_time_distributed(inner)
        if isinstance(unwrapped, str):
            return unwrapped
        inner = unwrapped
    rule = _RULES.get(inner.class_name) if is_known(inner) and inner.graph is None else None
    if rule is None:
        return f"{inner.class_name} is not known to work on every step alike"
    config = rule(inner.config)
    if isinstance(config, str):
        return config
    kept = {key: value for key, value in config.items() if key not in INPUT_SHAPE_KEYS}
    envelope = {key: value for key, value in inner.envelope.items() if key != "build_config"}
    return replace(inner, config=kept, envelope=envelope)


def _as_it_is(config: Config) -> Config | str:
    return config


def _normalization(config: Config) -> Config | str:
    axes = config.get("axis", -1)
    if isinstance(axes, int):
        return {**config, "axis": _moved(axes)}
    return {**config, "axis": [_moved(axis) for axis in axes]}


def _embedding(config: Config) -> Config | str:
    if config.get("mask_zero"):
        return "Embedding makes a mask for each step"
    return {**config, "input_length": None} if "input_length" in config else config


def _dropout(config: Config) -> Config | str:
    shape = config.get("noise_shape")
    if not shape:
        return config
    if shape[0] is not None:
        return "its noise_shape fixes the batch size of a step"
    return {**config, "noise_shape": [None, *shape]}


def _dynamic(config: Config) -> Config | str:
    axes = config.get("shared_axes") or ()
    if 0 in axes:
        return "its noise is shared along the batch of a step"
    return {**config, "shared_axes": [_moved(axis) for axis in axes]}


def _moved(axis: int) -> int:
    """Return an axis of a step as an axis of the sequence of steps."""
    return axis + 1 if axis > 0 else axis


_RULES: Mapping[str, Callable[[Config], Config | str]] = {
    "Dense": _as_it_is,
    "Activation": _as_it_is,
    "ReLU": _as_it_is,
    "LeakyReLU": _as_it_is,
    "ELU": _as_it_is,
    "GaussianDropout": _as_it_is,
    "GaussianNoise": _as_it_is,
    "LayerNormalization": _normalization,
    "Embedding": _embedding,
    "Dropout": _dropout,
    "AlphaDropout": _dropout,
    "DynamicDropout": _dynamic,
}
