"""Find the layers that receive a tensor's values unchanged, across nested models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.layer_kinds import NOISE
from rewriter.graph.calls import Call, Tensor
from rewriter.graph.graph import Graph, Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves

# Layers and operations that give the values that they get, if in another order or shape,
# or with the greatest ones cut off.
_KEEPING_VALUES = NOISE | {
    "InputLayer",
    "Identity",
    "Masking",
    "Reshape",
    "Flatten",
    "Permute",
    "RepeatVector",
    "Cropping1D",
    "Concatenate",
    "ActivityRegularization",
    "SlicingOpLambda",
    "GetItem",
    "Cast",
    "Clip",
    "ExpandDims",
    "Minimum",
    "Squeeze",
}

_FUNCTIONS = frozenset(
    {
        "cast",
        "clip_by_value",
        "expand_dims",
        "identity",
        "math.minimum",
        "minimum",
        "reshape",
        "squeeze",
    }
)
"""The same among the functions that Keras 2 records."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """A layer that receives values unchanged.

    Parameters
    ----------
    graph : ModelGraph
        The model that it is in.
    call : Call
        Its call.
    axis : int
        The axis of the steps there: one more for each TimeDistributed around the model.
    """

    graph: ModelGraph
    call: Call
    axis: int

    @property
    def layer(self) -> Layer:
        """The layer itself."""
        return self.graph.layer(self.call)

    @property
    def path(self) -> str:
        """Its path."""
        return self.graph.path_of(self.call)

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of the layers that lead to it."""
        return (*self.graph.path, self.call.layer)


class ValueFlow:
    """The flow of values through a model.

    Calls of one nested model are not told apart: what enters it by one call counts as leaving
    it by all.

    Parameters
    ----------
    model : ModelGraph
        The outermost model.

    Examples
    --------
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> ids = graph.add(Layer("ids", "InputLayer", {}))
    >>> flat = graph.add(Layer("flat", "Flatten", {}), [Tensor(ids)])
    >>> emb = graph.add(Layer("emb", "Embedding", {}), [Tensor(flat)])
    >>> graph.inputs, graph.outputs = Tensor(ids), Tensor(emb)
    >>> [each.path for each in ValueFlow(graph).receivers(graph, Tensor(ids))]
    ['flat', 'emb']
    """

    def __init__(self, model: ModelGraph) -> None:
        self._callers: dict[int, list[tuple[ModelGraph, Call, int]]] = {}
        for graph in model.walk():
            for layer in graph.layers:
                inside, wraps = unwrap_time_distributed(layer)
                if inside.graph is not None:
                    calls = [(graph, call, wraps) for call in graph.calls_of(layer.name)]
                    self._callers.setdefault(id(inside.graph), []).extend(calls)

    def receivers(
        self,
        graph: ModelGraph,
        tensor: Tensor,
        through: Callable[[Layer], bool] | None = None,
    ) -> Iterator[Receiver]:
        """Yield the calls that get a tensor's values, nested models themselves not counted.

        Parameters
        ----------
        graph : ModelGraph
            The model that the tensor is in, nested or not.
        tensor : Tensor
            Where the values are.
        through : callable, optional
            Whether values are followed through a layer; by default, where it keeps them.
        """
        goes_on = through or keeps_values
        pending, seen = [(graph, tensor, 1)], {(id(graph), tensor)}
        while pending:
            inner, current, axis = pending.pop()
            following = list(self._outside(inner, current, axis))
            for call, hole in inner.consumers(current):
                inside, wraps = unwrap_time_distributed(inner.layer(call))
                if inside.graph is None:
                    yield Receiver(inner, call, axis)
                    if goes_on(inner.layer(call)):
                        following.append((inner, Tensor(call), axis))
                elif hole < len(entrances := list(leaves(inside.graph.inputs))):
                    following.append((inside.graph, entrances[hole], axis + wraps))
            for step in following:
                if (id(step[0]), step[1]) not in seen:
                    seen.add((id(step[0]), step[1]))
                    pending.append(step)

    def _outside(
        self, graph: ModelGraph, tensor: Tensor, axis: int
    ) -> Iterator[tuple[ModelGraph, Tensor, int]]:
        """Yield what a tensor is outside of a nested model that gives it."""
        given = [number for number, each in enumerate(leaves(graph.outputs)) if each == tensor]
        for parent, call, wraps in self._callers.get(id(graph), ()) if given else ():
            for number in given:
                yield parent, Tensor(call, number), axis - wraps


def gives_model_output(graph: Graph, call: Call) -> bool:
    """Whether the first output of a call is one of the outermost model, through nested ones too.

    Examples
    --------
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> ids = graph.add(Layer("ids", "InputLayer", {}))
    >>> flat = graph.add(Layer("flat", "Flatten", {}), [Tensor(ids)])
    >>> graph.inputs, graph.outputs = Tensor(ids), Tensor(flat)
    >>> gives_model_output(graph, ids), gives_model_output(graph, flat)
    (False, True)
    """
    given = [number for number, end in enumerate(leaves(graph.outputs)) if end == Tensor(call)]
    if not given or graph is graph.root:
        return bool(given)
    return any(
        outside == end
        for outer in graph.root.walk()
        for layer in outer.layers
        if unwrap_time_distributed(layer)[0].graph is graph
        for place in outer.calls_of(layer.name)
        for outside in (Tensor(place, number) for number in given)
        for end in leaves(outer.outputs)
        if outer is outer.root or gives_model_output(outer, place)
    )


def unwrap_time_distributed(layer: Layer) -> tuple[Layer, int]:
    """Return the layer inside TimeDistributed, and how many TimeDistributed are around it."""
    wraps = 0
    while class_of(layer) == "TimeDistributed" and "layer" in layer.inner:
        layer, wraps = layer.inner["layer"], wraps + 1
    return layer, wraps


def keeps_values(layer: Layer) -> bool:
    """Whether a layer gives the values that it gets, if in another order or shape."""
    if class_of(layer) == "TFOpLambda":
        return layer.config.get("function") in _FUNCTIONS
    return class_of(layer) in _KEEPING_VALUES
