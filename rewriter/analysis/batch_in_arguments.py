"""Find operations with a batch size written in their arguments, and free them of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

from rewriter.analysis.known_layers import class_of, is_operation
from rewriter.analysis.shapes import Shape, as_shape, declared_shape, shape_of
from rewriter.graph.calls import Arguments, Call, Constant, Hole
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph

_SHAPES: Mapping[str, tuple[str, ...]] = {
    "reshape": ("shape", "newshape"),
    "broadcast_to": ("shape",),
    "slice": ("size", "shape"),
    "strided_slice": ("end",),
}
"""Functions that take a whole shape, and what the argument is called: Keras 2 writes it into the
call of a TFOpLambda, Keras 3 into the config of an operation."""

_FUNCTIONS = {"Reshape": "reshape", "BroadcastTo": "broadcast_to", "Slice": "slice"}
"""The functions of `keras.ops` by the class of their operation."""


class WrittenShape(NamedTuple):
    """A shape that an operation was given.

    Parameters
    ----------
    function : str
        ``reshape``, ``broadcast_to``, ``slice`` or ``strided_slice``.
    key : str or None
        The argument that holds it; None where it stands by position.
    in_config : bool
        Whether it stands in the layer's config, and not in the call.
    sizes : Any
        The shape, as it is written.
    """

    function: str
    key: str | None
    in_config: bool
    sizes: Any


def written_shape(layer: Layer, arguments: Arguments) -> WrittenShape | None:
    """Return the shape that an operation was given; None if it is none that takes one.

    Examples
    --------
    >>> reshape = Layer("r", "TFOpLambda", {"function": "reshape"})
    >>> written_shape(reshape, Arguments([Hole(0)], {"shape": [32, -1]})).sizes
    [32, -1]
    """
    if class_of(layer) == "TFOpLambda":
        function = str(layer.config.get("function") or "").rpartition(".")[2]
    elif is_operation(layer):
        function = _FUNCTIONS.get(layer.class_name, "")
    else:
        return None
    for key in _SHAPES.get(function, ()):
        for in_config, held in ((False, arguments.kwargs), (True, layer.config)):
            if key in held:
                return WrittenShape(function, key, in_config, held[key])
    if function not in _SHAPES or not isinstance(arguments.args, list | tuple):
        return None
    rest = [each for each in arguments.args[1:] if not isinstance(each, Hole)]
    return WrittenShape(function, None, False, rest[0]) if rest else None


def input_batches(model: ModelGraph) -> Set[int]:
    """Return the batch sizes that inputs and first layers of a model fix."""
    layers = (layer for graph in model.walk() for layer in graph.layers)
    shapes = [as_shape(declared_shape(layer.config)) for layer in layers]
    return {shape[0] for shape in shapes if shape and shape[0] is not None}


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
    arguments = graph.arguments(call)
    written = written_shape(graph.layer(call), arguments)
    if written is None or written.key is None or not _is_fixed(written.sizes):
        return None
    sizes = list(written.sizes)
    if written.function == "broadcast_to":
        return _freed_broadcast(graph, call, sizes, batches)
    if written.function != "reshape":
        is_batch = sizes[0] in batches
        return f"{written.function}: {sizes[0]} rows stand in its arguments" if is_batch else None
    freed = _freed(graph, call, sizes, batches)
    if freed is None or isinstance(freed, str):
        return freed
    if written.in_config:
        return Freed(config={written.key: freed})
    return Freed(replace(arguments, kwargs={**arguments.kwargs, written.key: freed}))


_OF_ROWS = frozenset({"take", "gather", "split", "unstack", "getitem", "slice"})
"""Functions that take rows of the batch, or split it, where their axis is the first."""

_OPERATIONS = {"Take": "take", "Split": "split", "Unstack": "unstack", "GetItem": "getitem"}


def holds_batch(graph: ModelGraph, call: Call, batches: Set[int]) -> str | None:
    """Return why a call works at the batch sizes alone that the inputs fix; None if it may not.

    Parameters
    ----------
    graph, call
        The call.
    batches : set of int
        Batch sizes that the inputs of the model fix.
    """
    layer, arguments = graph.layer(call), graph.arguments(call)
    held = [*leaves_of(arguments.args), *arguments.kwargs.values(), *layer.config.values()]
    for value in held:
        shape = constant_shape(value)
        if len(shape) > 1 and shape[0] in batches:
            return f"it holds a constant of {shape[0]} rows"
    function = _OPERATIONS.get(layer.class_name, "") if is_operation(layer) else ""
    if class_of(layer) in ("TFOpLambda", "SlicingOpLambda"):
        function = str(layer.config.get("function")).rpartition(".")[2].strip("_")
    if function not in _OF_ROWS:
        return None
    if function == "getitem":
        return _taken_rows(arguments)
    told = {**layer.config, **arguments.kwargs}
    axis = told.get("axis")
    first = axis == 0 or (axis is None and function in ("gather", "split", "unstack"))
    return f"{function} takes rows of the batch" if first else None


def _taken_rows(arguments: Arguments) -> str | None:
    """Return what an index takes of the batch; None where it takes all rows."""
    rest = arguments.kwargs.get("slice_spec") or arguments.kwargs.get("key")
    if rest is None and isinstance(arguments.args, list | tuple) and len(arguments.args) > 1:
        rest = arguments.args[1]
    first = rest[0] if isinstance(rest, list | tuple) and rest else rest
    if isinstance(first, dict) and first.get("class_name") in ("slice", "__slice__"):
        first = first.get("config")
    if isinstance(first, dict) and {"start", "stop", "step"} & first.keys():
        whole = all(first.get(key) is None for key in ("start", "stop", "step"))
        return None if whole else "an index takes rows of the batch"
    return "an index takes rows of the batch" if isinstance(first, int) else None


def constant_shape(value: Any) -> tuple[int, ...]:
    """Return the shape of a constant that stands in a config; () where it is none.

    Examples
    --------
    >>> constant_shape([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    (3, 2)
    """
    if isinstance(value, dict):
        config = value.get("config")
        return constant_shape(config.get("value")) if isinstance(config, dict) else ()
    if isinstance(value, list | tuple) and value:
        return (len(value), *constant_shape(value[0]))
    return ()


def leaves_of(arguments: Any) -> list[Any]:
    """Return the positional arguments that may be constants, as plain values."""
    held = arguments if isinstance(arguments, list | tuple) else [arguments]
    return [each.value if isinstance(each, Constant) else each for each in held]


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
        is_batch = size == fixed or (size is None and shape[0] in batches)
        return [-1, *rest] if is_batch else None
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
