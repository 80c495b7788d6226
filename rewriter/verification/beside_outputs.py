"""Compare what outputs may not show: masks, tables, zero weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rewriter.analysis.lookups import LOOKUPS
from rewriter.live.adapters import Live
from rewriter.live.walk import live_layers
from rewriter.verification.compared_models import Models
from rewriter.verification.differences import relative_difference
from rewriter.verification.layer_equality import same_masks, vocabulary_of
from rewriter.verification.running import Subject, call_of, reset, to_array, to_tensors

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TABLES = frozenset({"Embedding", *LOOKUPS})

_ADDED = ("bias", "beta")
"""Weights of these names are added: zeros hide nothing there."""


def other_masks(models: Models) -> str:
    """Say which output has another mask; nothing if none has. Losses and metrics use it."""
    if not any(map(_masks, (models.before, models.after))):
        return ""
    for arrays in models.inputs():
        old, new = (_masks_of(models, each, arrays) for each in (models.before, models.after))
        for name, one, other in zip(models.names, old, new, strict=False):
            if not same_masks(one, other):
                return f"the mask of output {name} differs"
    return ""


def other_tables(models: Models) -> str:
    """Say which table of vectors or words is another one; nothing if none is.

    No input has all ids, nor all words: tables are compared whole.
    """
    both = [dict(_tables(models, each)) for each in (models.before, models.after)]
    if len(both[0]) != len(both[1]):
        return ""
    paths = list(both[1]) if both[0].keys() != both[1].keys() else list(both[0])
    for path, other, layer in zip(both[0], paths, both[0].values(), strict=True):
        if _other_table(layer, both[1][other], models.tolerance):
            return f"the table of {path} is another one"
    return ""


def hidden_by_zeros(models: Models) -> str:
    """Return the path of a layer whose weights are zero, and so hide what they multiply."""
    import numpy as np

    layers = live_layers(models.keras, models.before.graph, models.before.model)
    for path, layer in layers.items():
        in_keras_2 = getattr(layer, "_trainable_weights", ())
        for weight in getattr(layer, "_trainable_variables", in_keras_2):
            name, values = weight.name.split("/")[-1], np.asarray(weight)
            if values.size and not any(word in name for word in _ADDED) and not np.any(values):
                return path
    return ""


def _masks(subject: Subject) -> bool:
    """Whether a model has a layer that makes a mask."""
    layers = (
        layer for graph in subject.graph.walk() for outer in graph.layers for layer in outer.walk()
    )
    return any(
        layer.config.get("mask_zero") or "mask" in layer.class_name.lower() for layer in layers
    )


def _masks_of(
    models: Models, subject: Subject, arrays: tuple[NDArray[Any], ...]
) -> list[NDArray[Any] | None]:
    """Return the mask of each output; nothing for an input that the model does not take."""
    reset(models.keras.states(subject.model))
    try:
        outputs = call_of(subject)(*to_tensors(models.specs, arrays))
    except Exception:
        return []
    masks = [getattr(each, "_keras_mask", None) for each in outputs]
    return [None if mask is None else to_array(mask) for mask in masks]


def _tables(models: Models, subject: Subject) -> Iterator[tuple[str, Live]]:
    for path, layer in live_layers(models.keras, subject.graph, subject.model).items():
        if type(layer).__name__ in _TABLES:
            yield path, layer


def _other_table(one: Live, other: Live, tolerance: float) -> bool:
    import numpy as np

    if type(one) is not type(other):
        return False
    tables = [getattr(each, "embeddings", None) for each in (one, other)]
    if tables[0] is None or tables[1] is None:
        return bool(vocabulary_of(one) != vocabulary_of(other))
    first, second = map(np.asarray, tables)
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    return relative_difference(first, second) > tolerance
