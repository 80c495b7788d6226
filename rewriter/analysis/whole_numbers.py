"""Tell which tensors have whole numbers, truth values or text, and not real numbers."""

from __future__ import annotations

from collections.abc import Sequence

from rewriter.analysis.known_layers import class_of, is_operation
from rewriter.analysis.lookups import makes_ids
from rewriter.analysis.value_flow import keeps_values
from rewriter.graph.calls import Tensor
from rewriter.graph.graph import Graph, Layer
from rewriter.graph.nested import leaves

_KINDS = ("int", "string", "bool")

_OF_IDS = frozenset({"StringLookup", "IntegerLookup", "CategoryEncoding"})
"""Layers that give whole numbers or text whichever way they work."""

_MERGES = frozenset({"Add", "Subtract", "Multiply", "Maximum", "Minimum", "ZeroPadding1D"})
"""Layers that give whole numbers where all that they get are whole."""

# Operations by their names in either Keras, in small letters and without underscores.
_GIVING_WHOLE = frozenset(
    {
        *("greater", "greaterequal", "less", "lessequal", "equal", "notequal", "isnan"),
        *("logicaland", "logicalor", "logicalnot", "logicalxor", "isfinite", "isinf"),
        *("any", "all", "reduceany", "reduceall", "isin"),
        *("argmax", "argmin", "argsort", "countnonzero", "digitize", "searchsorted"),
        *("shape", "size"),
    }
)
"""What they give is whole, whatever they get."""

_KEEPING_WHOLE = frozenset(
    {
        *("add", "subtract", "sub", "multiply", "mul", "floordiv", "floordivide", "mod"),
        *("floormod", "abs", "absolute", "negative", "neg", "square", "maximum", "minimum"),
        *("where", "roll", "take", "takealongaxis", "gather", "tile", "repeat", "concat"),
        *("concatenate", "stack", "transpose", "split", "unstack", "sort", "flip", "reverse"),
        *("sum", "max", "min", "prod", "reducesum", "reducemax", "reducemin", "reduceprod"),
        *("cumsum", "cumprod", "squeeze", "reshape", "expanddims", "clip", "clipbyvalue"),
        *("identity", "getitem", "broadcastto", "pad", "ravel", "swapaxes", "moveaxis"),
    }
)
"""What they give is whole where all tensors and constants that they get are."""


def gives_whole_numbers(
    graph: Graph, tensor: Tensor, known: dict[Tensor, bool] | None = None
) -> bool:
    """Whether a tensor has whole numbers or text: those of an input, or what a layer makes.

    Parameters
    ----------
    graph : Graph
        The model, nested or not, that the tensor is in.
    tensor : Tensor
        The tensor.
    known : dict of Tensor to bool, optional
        What was found of tensors in this graph before; what is found now is added.

    Examples
    --------
    >>> from rewriter.graph import Layer, ModelGraph, Tensor
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> ids = graph.add(Layer("ids", "InputLayer", {"dtype": "int32"}))
    >>> flat = graph.add(Layer("flat", "Flatten", {}), [Tensor(ids)])
    >>> gives_whole_numbers(graph, Tensor(flat))
    True
    """
    found: dict[Tensor, bool] = {} if known is None else known
    pending = [] if tensor in found else [tensor]
    while pending:
        current = pending[-1]
        made = _makes_whole_numbers(graph, current)
        sources = _kept(graph, current) if made is None else ()
        unknown = [source for source in sources if source not in found]
        if unknown:
            pending.extend(unknown)
            continue
        pending.pop()
        found[current] = bool(made) or (bool(sources) and all(found[each] for each in sources))
    return found[tensor]


def _makes_whole_numbers(graph: Graph, tensor: Tensor) -> bool | None:
    """Whether a layer gives whole numbers, whatever it gets; None where that depends on it."""
    layer = graph.layer(tensor.call)
    if layer.class_name == "InputLayer":
        return _is_whole_type(layer.config.get("dtype"))
    if makes_ids(layer) or class_of(layer) in _OF_IDS:
        return True
    name = _operation(layer)
    if name == "cast":
        told = layer.config.get("dtype") if layer.class_name == "Cast" else None
        return any(map(_is_whole_type, [told, *leaves(graph.arguments(tensor.call).kwargs)]))
    return True if name in _GIVING_WHOLE else None


def _kept(graph: Graph, tensor: Tensor) -> Sequence[Tensor]:
    """Return the tensors of which a tensor is whole if all of them are; none if it never is."""
    layer = graph.layer(tensor.call)
    name = _operation(layer)
    known = name in _KEEPING_WHOLE if name else class_of(layer) in _MERGES or keeps_values(layer)
    if not known or _has_real_constants(graph, tensor):
        return ()
    return graph.producers(tensor.call)


def _operation(layer: Layer) -> str:
    """Return the name of an operation, as the tables above have it; empty for a layer."""
    if class_of(layer) == "TFOpLambda":
        name = str(layer.config.get("function")).rpartition(".")[2]
    elif class_of(layer) == "SlicingOpLambda":
        name = "getitem"
    else:
        name = layer.class_name if is_operation(layer) else ""
    return name.replace("_", "").lower()


def _has_real_constants(graph: Graph, tensor: Tensor) -> bool:
    arguments = graph.arguments(tensor.call)
    return any(isinstance(one, float) for one in leaves([arguments.args, arguments.kwargs]))


def _is_whole_type(dtype: object) -> bool:
    return any(kind in str(dtype) for kind in _KINDS)
