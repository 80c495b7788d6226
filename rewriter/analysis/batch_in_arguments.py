"""Operations that have a shape in their arguments, and the batch size in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from rewriter.analysis.shapes import Shape, shape_of
from rewriter.graph import Arguments, Call, Layer, ModelGraph

# Keras 2: the function of a TFOpLambda, and the argument that is the shape; Keras 3: the class
# of the operation in keras.src.ops, and the key of its config.
_KEYWORDS = {"reshape": "shape", "broadcast_to": "shape", "slice": "size", "strided_slice": "end"}
_KEYS = {"Reshape": "newshape", "BroadcastTo": "shape", "Slice": "shape"}


@dataclass(frozen=True, slots=True)
class Freed:
    """A call without the batch size in its arguments.

    Parameters
    ----------
    arguments : Arguments, optional
        What it is called with instead.
    config : mapping, optional
        What changes in its config.
    layer : Layer, optional
        What stands in for it.
    nothing : bool
        Whether the call does nothing, and can go.
    """

    arguments: Arguments | None = None
    config: Mapping[str, Any] | None = None
    layer: Layer | None = None
    nothing: bool = False


def freed_call(graph: ModelGraph, call: Call, batches: Set[int]) -> Freed | str | None:
    """Return a call without the batch size in its arguments.

    Parameters
    ----------
    graph, call
        The call.
    batches : set of int
        Batch sizes that the inputs of the model fix.

    Returns
    -------
    Freed, str or None
        What to do; why there is no way; or None where no batch size stands in the arguments.
    """
    layer, arguments = graph.layer(call), graph.arguments(call)
    module = str(layer.envelope.get("module") or "")
    if layer.class_name == "TFOpLambda":
        function = str(layer.config.get("function")).rpartition(".")[2]
        key = _KEYWORDS.get(function)
        written = arguments.kwargs.get(key) if key else None
    elif module.startswith(("keras.src.ops.", "keras.ops.")):
        function, key = _snake(layer.class_name), _KEYS.get(layer.class_name)
        written = layer.config.get(key) if key else None
    else:
        return None
    if key is None or not _is_fixed(written):
        return None
    assert written is not None
    if function == "broadcast_to":
        return _freed_broadcast(graph, call, list(written), batches)
    if function != "reshape":
        told = written[0] in batches
        return f"{function}: {written[0]} rows stand in its arguments" if told else None
    freed = _freed(graph, call, list(written), batches)
    if freed is None or isinstance(freed, str):
        return freed
    if layer.class_name == "TFOpLambda":
        return Freed(replace(arguments, kwargs={**arguments.kwargs, key: freed}))
    return Freed(config={key: freed})


def _freed_broadcast(
    graph: ModelGraph, call: Call, shape: list[int], batches: Set[int]
) -> Freed | str | None:
    """Repeat the axes that are not the batch instead, which gives the same numbers."""
    source = graph.producer(call)
    given = None if source is None else shape_of(graph, source)
    if given is None or None in given[1:]:
        return "broadcast_to: the shape of its input is not known" if shape[0] in batches else None
    if len(given) != len(shape) or given[0] == 1:
        return "broadcast_to: it makes the rows that it gives"
    if given[0] is None and shape[0] not in batches:
        return "broadcast_to: its input may have one row, which it makes several of"
    times = [1, *(new // old for old, new in zip(given[1:], shape[1:], strict=True) if old)]
    if all(each == 1 for each in times):
        return Freed(nothing=True)
    layer, arguments = graph.layer(call), graph.arguments(call)
    if graph.keras == 2:
        rest = {key: value for key, value in arguments.kwargs.items() if key != "shape"}
        tiled = replace(arguments, kwargs={**rest, "multiples": times})
        return Freed(tiled, {"function": "tile"})
    config = {"name": layer.name, "repeats": times}
    envelope = {**layer.envelope, "module": "keras.src.ops.numpy"}
    return Freed(layer=replace(layer, class_name="Tile", config=config, envelope=envelope))


def _snake(name: str) -> str:
    """Return the name of the function that an operation is."""
    return {"BroadcastTo": "broadcast_to"}.get(name, name.lower())


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
