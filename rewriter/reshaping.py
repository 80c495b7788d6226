"""Operations that have a shape in their arguments, and the batch size in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from math import prod
from typing import Any

from rewriter.graph import Arguments, Call, ModelGraph
from rewriter.shapes import Shape, shape_of

# Keras 2: the function of a TFOpLambda, and the argument that is the shape; Keras 3: the class
# of the operation in keras.src.ops, and the key of its config.
_KEYWORDS = {"reshape": "shape", "broadcast_to": "shape"}
_KEYS = {"Reshape": "newshape", "BroadcastTo": "shape"}


def freed_reshape(
    graph: ModelGraph, call: Call, batches: Set[int]
) -> Arguments | Mapping[str, Any] | str | None:
    """Return what frees the batch size in the arguments of a call.

    Parameters
    ----------
    graph, call
        The call.
    batches : set of int
        Batch sizes that the inputs of the model fix.

    Returns
    -------
    Arguments, mapping, str or None
        New arguments (Keras 2), the change of the config (Keras 3), why there is no way; or
        None where no batch size stands in the arguments.
    """
    layer, arguments = graph.layer(call), graph.arguments(call)
    module = str(layer.envelope.get("module") or "")
    if layer.class_name == "TFOpLambda":
        function = str(layer.config.get("function")).rpartition(".")[2]
        key = _KEYWORDS.get(function)
        written = arguments.kwargs.get(key) if key else None
    elif module.startswith(("keras.src.ops.", "keras.ops.")):
        function, key = layer.class_name.lower(), _KEYS.get(layer.class_name)
        written = layer.config.get(key) if key else None
    else:
        return None
    if key is None or not _is_fixed(written):
        return None
    assert written is not None
    freed = _freed(graph, call, list(written), batches)
    if freed is None or isinstance(freed, str):
        return freed
    if function.startswith("broadcast"):
        return f"{function} takes no open batch size"
    if layer.class_name == "TFOpLambda":
        return replace(arguments, kwargs={**arguments.kwargs, key: freed})
    return {key: freed}


def _is_fixed(shape: Any) -> bool:
    whole = isinstance(shape, list | tuple) and all(type(size) is int for size in shape)
    return whole and len(shape) > 0 and shape[0] > 1


def _freed(
    graph: ModelGraph, call: Call, shape: list[int], batches: Set[int]
) -> list[int] | str | None:
    """Return the shape with an open batch size; None where the first size is none."""
    source = graph.producer(call)
    size = None if source is None else _size(shape_of(graph, source))
    rest = shape[1:]
    fixed = prod(each for each in rest if each != -1)
    if -1 not in rest:
        told = size == fixed or (size is None and shape[0] in batches)
        return [-1, *rest] if told else None
    if shape[0] not in batches and size is None:
        return "what its first size means cannot be told"
    if size is None or size % fixed:
        return "the size of its input is not known"
    return [-1, *(size // fixed if each == -1 else each for each in rest)]


def _size(shape: Shape | Sequence[int | None] | None) -> int | None:
    """Return how many units one row of a batch has."""
    if shape is None or None in shape[1:]:
        return None
    return prod(size for size in shape[1:] if size is not None)
