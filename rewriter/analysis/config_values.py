"""Check the values of configs that are computed with, once, before anything reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from rewriter.analysis.known_layers import is_known
from rewriter.errors import ModelReadError
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph

_LARGEST = 2**63


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and isfinite(value))


def _is_whole(value: Any) -> bool:
    return value is None or (isinstance(value, int) and abs(value) < _LARGEST)


def _is_size(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_sizes, value))
    return _is_whole(value)


def _is_sizes(value: Any) -> bool:
    return all(map(_is_whole, value)) if isinstance(value, list | tuple) else _is_whole(value)


def _is_policy(value: Any) -> bool:
    if isinstance(value, dict) and value.get("class_name") == "function":
        return True  # none of Keras' policies, which the look for what runs code says by name
    return _is_text(value) or (isinstance(value, dict) and isinstance(value.get("config"), dict))


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


_KINDS: Mapping[str, tuple[Callable[[Any], bool], tuple[str, ...]]] = {
    "number": (
        _is_number,
        ("rate", "dropout", "recurrent_dropout", "stddev"),
    ),
    "whole number": (
        _is_whole,
        (
            *("units", "filters", "input_dim", "output_dim", "groups", "depth_multiplier"),
            *("num_oov_indices", "num_heads", "key_dim", "value_dim"),
        ),
    ),
    "size, or list of sizes": (
        _is_size,
        (
            *("kernel_size", "pool_size", "strides", "dilation_rate", "cropping", "size"),
            *("shared_axes", "build_input_shape"),
        ),
    ),
    "list of sizes": (
        lambda value: value is None or (isinstance(value, list | tuple) and _is_size(value)),
        ("batch_input_shape", "batch_shape", "dims", "noise_shape", "target_shape"),
    ),
    "size, list of sizes or word": (
        lambda value: isinstance(value, str) or _is_size(value),
        ("padding", "axis"),
    ),
    "word, or object of Keras": (_is_policy, ("dtype",)),
    "word": (_is_text, ("data_format", "merge_mode", "equation", "dtype_policy")),
}
_KIND_OF = {key: (kind, fits) for kind, (fits, keys) in _KINDS.items() for key in keys}


def require_readable_values(graph: ModelGraph) -> None:
    """Refuse a model where a layer of Keras has a value that is none of the kind of its key.

    Raises
    ------
    ModelReadError
        It names the layer and the key.

    Examples
    --------
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> call = graph.add(Layer("dense", "Dense", {"units": float("inf")}))
    >>> require_readable_values(graph)
    Traceback (most recent call last):
    ...
    rewriter.errors.ModelReadError: dense: its units is inf, which is no whole number
    """
    for each in graph.walk():
        for layer in each.layers:
            for held in layer.walk():
                if is_known(held):
                    _require(each, layer, held)


def _require(graph: ModelGraph, layer: Layer, held: Layer) -> None:
    for key, value in held.config.items():
        kind, fits = _KIND_OF.get(key, ("", None))
        if fits is not None and not fits(value):
            raise ModelReadError(
                f"its {key} is {str(value)[:80]}, which is no {kind}",
                where=graph.path_of(layer.name),
            )
