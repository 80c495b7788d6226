"""Define a layer, and a graph that can be read, built and copied."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import networkx as nx

from rewriter.graph.calls import Arguments, Call, Hole, Tensor
from rewriter.graph.changes import Note
from rewriter.graph.nested import leaves

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as its config tells it; what no pass touches is kept as it was read.

    Parameters
    ----------
    name, class_name : str
        As in the config.
    config : mapping
        The whole config. Where it holds a layer that `inner` has, it holds None.
    envelope : mapping
        The serialised layer around class name and config: module, registered name and
        whatever else stands there, in its order.
    graph : Graph, optional
        The graph of a nested model.
    inner : mapping of str to Layer
        Wrapped layers and cells by their place in the config: ``layer``,
        ``backward_layer``, ``cell``, ``cells/0``.
    origin : tuple of str, optional
        Where the layer stands in the model that was read; None for one that a pass made.
    first_node : int
        Number that Keras gives the layer's first call. It is 1 for most nested models,
        whose own graph counts as the first.
    implicit : bool
        True for the input that a Sequential model has but does not write down.
    functional : bool
        True for a nested Functional model of a class of its own, whose config lists no layers.
    identity : int, optional
        Equal for layers that are one object, where that stands in several places.
    """

    name: str
    class_name: str
    config: Mapping[str, Any]
    envelope: Mapping[str, Any] = field(default_factory=dict)
    graph: Any = None  # of the class of the graph that has the layer: `Graph` has no verbs
    inner: Mapping[str, Layer] = field(default_factory=dict)
    origin: tuple[str, ...] | None = None
    first_node: int = 0
    implicit: bool = False
    functional: bool = False
    identity: int | None = None

    def walk(self) -> Iterator[Layer]:
        """Yield this layer and the layers and cells that it wraps, at any depth."""
        yield self
        for layer in self.inner.values():
            yield from layer.walk()


class Graph:
    """The graph of one model.

    Parameters
    ----------
    keras : int
        2 or 3, the dialect.
    class_name, name : str
        Class and name of the model.
    path : tuple of str
        Names of the layers that lead to this model from the outermost one, which has ().
    config : mapping
        What the model's config holds besides layers, inputs and outputs, in its order.
    envelope : mapping
        What stands around class name and config, as in `Layer`.

    Attributes
    ----------
    network : networkx.MultiDiGraph
        Nodes are `Call`, with ``arguments``; edges have the number of the hole as their
        key, and ``output`` and ``spec`` (what the dialect wrote beside the tensor).
    inputs, outputs : nested structures of Tensor
        As Keras wrote them.
    listed : bool
        Whether the model was read as a list of layers, as Sequential models are written.
    root : Graph
        The outermost graph.
    notes : tuple of Note
        What the user should know of how the model was read.
    """

    def __init__(
        self,
        keras: int,
        class_name: str,
        name: str,
        *,
        path: tuple[str, ...] = (),
        config: Any = None,
        envelope: Mapping[str, Any] | None = None,
    ) -> None:
        self.keras = keras
        self.class_name = class_name
        self.name = name
        self.path = path
        self.config = {} if config is None else config
        self.envelope = dict(envelope or {})
        self.network = nx.MultiDiGraph()
        self.inputs: Any = []
        self.outputs: Any = []
        self.listed = False
        self.root: Graph = self
        self.notes: tuple[Note, ...] = ()
        self._layers: dict[str, Layer] = {}
        self._rank: dict[str, tuple[int, ...]] = {}
        self._calls: dict[str, list[Call]] = {}
        self._inserted = 0
        self._sorted: list[Call] | None = None

    # Reading

    @property
    def layers(self) -> list[Layer]:
        """The layers in the order of the config, inserted ones behind what they follow."""
        return [self._layers[name] for name in sorted(self._layers, key=self._rank.__getitem__)]

    @property
    def sequential(self) -> bool:
        """Whether the model is written as a list of layers: it was read so, and is a chain."""
        return self.listed and is_chain(self)

    def __contains__(self, name: str) -> bool:
        return name in self._layers

    def layer(self, call: Call | str) -> Layer:
        """Return the layer of a call, or the one of that name."""
        return self._layers[call.layer if isinstance(call, Call) else call]

    def calls(self, classes: Collection[str] | None = None) -> list[Call]:
        """Return the calls in topological order, ties in the order of the config.

        Parameters
        ----------
        classes : collection of str, optional
            Only calls of layers of these classes.
        """
        if self._sorted is None:
            self._sorted = list(
                nx.lexicographical_topological_sort(
                    self.network, key=lambda call: (self._rank[call.layer], call.number)
                )
            )
        if classes is None:
            return list(self._sorted)
        return [call for call in self._sorted if self._layers[call.layer].class_name in classes]

    def calls_of(self, name: str) -> list[Call]:
        """Return the calls of a layer in the order of their numbers."""
        return list(self._calls[name])

    def arguments(self, call: Call) -> Arguments:
        """Return the arguments of a call."""
        arguments: Arguments = self.network.nodes[call]["arguments"]
        return arguments

    def fillings(self, call: Call) -> dict[int, Tensor]:
        """Return the tensor in each hole of a call, by the number of the hole."""
        # networkx' own dicts, for its views take most of the time that a large graph takes.
        tensors = {
            hole: Tensor(source, edge["output"])
            for source, edges in self.network._pred[call].items()
            for hole, edge in edges.items()
        }
        return tensors if len(tensors) < 2 else dict(sorted(tensors.items()))

    def producers(self, call: Call) -> list[Tensor]:
        """Return the tensors that go into a call, by the number of their hole."""
        return list(self.fillings(call).values())

    def producer(self, call: Call) -> Tensor | None:
        """Return the one tensor that goes into a call; None if there are more, or none."""
        tensors = self.producers(call)
        return tensors[0] if len(tensors) == 1 else None

    def consumers(self, tensor: Tensor) -> list[tuple[Call, int]]:
        """Return the calls, with the hole, that a tensor goes into."""
        edges = self.network.out_edges(tensor.call, keys=True, data="output")
        targets = [(call, hole) for _, call, hole, output in edges if output == tensor.output]
        return sorted(
            targets, key=lambda item: (self._rank[item[0].layer], item[0].number, item[1])
        )

    def outputs_in_use(self, call: Call) -> set[Tensor]:
        """Return the tensors of a call that other calls get, or that the model gives."""
        used = {Tensor(call, output) for _, _, output in self.network.out_edges(call, "output")}
        return used | {tensor for tensor in leaves(self.outputs) if tensor.call == call}

    def is_output(self, call: Call) -> bool:
        """Whether an output of the call is an output of the model."""
        return any(tensor.call == call for tensor in leaves(self.outputs))

    def path_of(self, call: Call | str) -> str:
        """Return the path of a call's layer in the nesting of models."""
        return "/".join((*self.path, call.layer if isinstance(call, Call) else call))

    def walk(self) -> Iterator[Self]:
        """Yield this graph and every nested one, also inside wrappers, each of them once."""
        seen: set[int] = set()
        pending = [self]
        while pending:
            graph = pending.pop()
            if id(graph) in seen:
                continue
            seen.add(id(graph))
            yield graph
            nested = [
                layer.graph
                for outer in graph.layers
                for layer in outer.walk()
                if layer.graph is not None
            ]
            pending.extend(reversed(nested))

    # Building

    def add(
        self,
        layer: Layer,
        tensors: Sequence[Tensor] = (),
        *,
        arguments: Arguments | None = None,
        after: str | None = None,
    ) -> Call:
        """Add a layer, or one more call of a layer that is there, and fill its holes.

        Parameters
        ----------
        layer : Layer
            The layer.
        tensors : sequence of Tensor
            What goes into holes 0, 1, ...
        arguments : Arguments, optional
            By default the tensors are the positional arguments.
        after : str, optional
            The layer behind which a new one stands in the order of layers; the last by
            default.
        """
        if layer.name not in self._layers:
            self._inserted += 1
            above = self._rank[after] if after is not None else ()
            self._rank[layer.name] = (*above, self._inserted)
            self._layers[layer.name] = layer
            self._calls[layer.name] = []
        numbers = self._calls[layer.name]
        call = Call(layer.name, numbers[-1].number + 1 if numbers else 0)
        numbers.append(call)
        if arguments is None:
            arguments = Arguments(args=[Hole(index) for index in range(len(tensors))])
        self.network.add_node(call, arguments=arguments)
        for hole, tensor in enumerate(tensors):
            self.connect(tensor, call, hole)
        self._sorted = None
        return call

    def connect(self, tensor: Tensor, call: Call, hole: int, spec: Any = None) -> None:
        """Fill a hole of a call with a tensor."""
        self.network.add_edge(tensor.call, call, key=hole, output=tensor.output, spec=spec)
        self._sorted = None

    def unique_name(self, wish: str) -> str:
        """Return `wish`, with a number behind it if a layer has that name already."""
        if wish not in self._layers:
            return wish
        number = 1
        while f"{wish}_{number}" in self._layers:
            number += 1
        return f"{wish}_{number}"

    def copy(self) -> Self:
        """Return a copy that can be edited; nested graphs are copied, shared ones once."""
        copies: dict[int, Self] = {}
        new = self._copy(copies)
        for graph in copies.values():
            graph.root = new
        return new

    def map_layers(self, function: Callable[[Layer], Layer]) -> None:
        """Put in the place of each layer what a function returns for it, of the same name."""
        for name, layer in self._layers.items():
            self._layers[name] = function(layer)

    def _copy(self, copies: dict[int, Any]) -> Self:
        if id(self) in copies:
            known: Self = copies[id(self)]
            return known
        new = type(self)(self.keras, self.class_name, self.name, path=self.path)
        copies[id(self)] = new
        new.config, new.envelope = self.config, self.envelope
        new.network = self.network.copy()
        new.inputs, new.outputs, new.listed = self.inputs, self.outputs, self.listed
        new.notes = self.notes
        new._layers = {name: _copy_layer(layer, copies) for name, layer in self._layers.items()}
        new._rank = dict(self._rank)
        new._calls = {name: list(calls) for name, calls in self._calls.items()}
        new._inserted, new._sorted = self._inserted, self._sorted
        return new


def is_chain(graph: Graph) -> bool:
    """Whether every call has at most one input, its own layer, and one consumer."""
    network = graph.network
    return (
        isinstance(graph.outputs, Tensor)
        and graph.outputs.output == 0
        and all(
            number <= 1
            for degree in (network.in_degree, network.out_degree)
            for _, number in degree()
        )
        and network.number_of_nodes() == len(graph.layers)
        and all(output == 0 for _, _, output in network.edges(data="output"))
        and network.out_degree(graph.outputs.call) == 0
    )


def _copy_layer(layer: Layer, copies: dict[int, Any]) -> Layer:
    if layer.graph is None and not layer.inner:
        return layer
    graph = None if layer.graph is None else layer.graph._copy(copies)
    inner = {role: _copy_layer(each, copies) for role, each in layer.inner.items()}
    return replace(layer, graph=graph, inner=inner)


def with_config(layer: Layer, steps: Sequence[str], changes: Mapping[str, Any]) -> Layer:
    """Return a layer with keys of its config set, or of what it wraps at these roles."""
    if not steps:
        return replace(layer, config={**layer.config, **changes})
    inner = dict(layer.inner)
    inner[steps[0]] = with_config(inner[steps[0]], steps[1:], changes)
    return replace(layer, inner=inner)


def with_config_of(layer: Layer, identity: int, changes: Mapping[str, Any]) -> Layer:
    """Return a layer with keys set wherever it, or what it wraps, is the one meant."""
    if layer.identity == identity:
        return replace(layer, config={**layer.config, **changes})
    inner = {role: with_config_of(each, identity, changes) for role, each in layer.inner.items()}
    return layer if inner == layer.inner else replace(layer, inner=inner)


def with_inner(layer: Layer, steps: Sequence[str], new: Layer) -> Layer:
    """Return a layer with another one in the place of one that it holds."""
    if not steps:
        return new
    inner = dict(layer.inner)
    inner[steps[0]] = with_inner(inner[steps[0]], steps[1:], new)
    return replace(layer, inner=inner)
