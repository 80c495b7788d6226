"""The graph of a model: layers, their calls, the tensors between them, and the edits.

The nodes of the networkx graph are calls, its edges carry tensors. The arguments of a call
are kept as Keras wrote them, with a numbered hole where a tensor goes in; the edge whose key
is that number fills the hole.

    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> ids = graph.add(Layer("ids", "InputLayer", {}))
    >>> drop = graph.add(Layer("drop", "Dropout", {"rate": 0.5}), [Tensor(ids)])
    >>> dense = graph.add(Layer("dense", "Dense", {"units": 2}), [Tensor(drop)])
    >>> graph.inputs, graph.outputs = [Tensor(ids)], [Tensor(dense)]
    >>> graph.remove(drop, reason="not needed").action.value
    'remove'
    >>> [str(call) for call in graph.calls()]
    ['ids', 'dense']
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import networkx as nx

from rewriter.changes import Action, Change, Note
from rewriter.errors import GraphError
from rewriter.invariants import check, is_chain
from rewriter.layer import (
    Arguments,
    Call,
    Hole,
    Layer,
    Tensor,
    with_config,
    with_config_of,
    with_inner,
)
from rewriter.structure import leaves, map_leaves

__all__ = ["Arguments", "Call", "Hole", "Layer", "ModelGraph", "Tensor"]


class ModelGraph:
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
    root : ModelGraph
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
        self.root = self
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
        found = {
            hole: Tensor(source, edge["output"])
            for source, edges in self.network._pred[call].items()
            for hole, edge in edges.items()
        }
        return found if len(found) < 2 else dict(sorted(found.items()))

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
        found = [(call, hole) for _, call, hole, output in edges if output == tensor.output]
        return sorted(found, key=lambda item: (self._rank[item[0].layer], item[0].number, item[1]))

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

    def walk(self) -> Iterator[ModelGraph]:
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

    def copy(self) -> ModelGraph:
        """Return a copy that can be edited; nested graphs are copied, shared ones once."""
        made: dict[int, ModelGraph] = {}
        new = self._copy(made)
        for graph in made.values():
            graph.root = new
        return new

    def map_layers(self, function: Callable[[Layer], Layer]) -> None:
        """Put in the place of each layer what a function returns for it, of the same name."""
        for name, layer in self._layers.items():
            self._layers[name] = function(layer)

    def _copy(self, made: dict[int, ModelGraph]) -> ModelGraph:
        if id(self) in made:
            return made[id(self)]
        new = ModelGraph(self.keras, self.class_name, self.name, path=self.path)
        made[id(self)] = new
        new.config, new.envelope = self.config, self.envelope
        new.network = self.network.copy()
        new.inputs, new.outputs, new.listed = self.inputs, self.outputs, self.listed
        new.notes = self.notes
        new._layers = {name: _copy_layer(layer, made) for name, layer in self._layers.items()}
        new._rank = dict(self._rank)
        new._calls = {name: list(calls) for name, calls in self._calls.items()}
        new._inserted, new._sorted = self._inserted, self._sorted
        return new

    # Editing: each verb leaves the graph valid, or raises before anything changed

    def unique_name(self, wish: str) -> str:
        """Return `wish`, with a number behind it if a layer has that name already."""
        if wish not in self._layers:
            return wish
        number = 1
        while f"{wish}_{number}" in self._layers:
            number += 1
        return f"{wish}_{number}"

    def remove(self, call: Call, *, reason: str) -> Change:
        """Remove a call with one input and one output; its consumers get its input.

        The layer goes with its last call.

        Raises
        ------
        GraphError
            The call has not exactly one input, or a further output of it is used.
        """
        layer = self.layer(call)
        tensor = self._bypass(call)
        position = self._position(call)
        self._rewire(Tensor(call), tensor)
        self._forget(call)
        return self._change(
            Action.REMOVE,
            call,
            reason,
            before={"class": layer.class_name, "config": dict(layer.config), "place": position},
            layer=layer,
        )

    def insert_after(
        self,
        tensor: Tensor,
        layer: Layer,
        *,
        reason: str,
        consumers: Iterable[tuple[Call, int]] | None = None,
        beside: Tensor | None = None,
    ) -> Change:
        """Call a new layer on a tensor and give its output to the tensor's consumers.

        Parameters
        ----------
        tensor : Tensor
            What the layer is called on.
        layer : Layer
            A layer with a name that is free here (see `unique_name`).
        reason : str
            Why.
        consumers : iterable of (Call, int), optional
            The holes that get the new output; by default all, the model's outputs included.
        beside : Tensor, optional
            A second tensor: the layer is then called on a list of the two.
        """
        if layer.name in self._layers:
            raise GraphError("a layer of that name is there", where=self.path_of(layer.name))
        for each in (tensor, beside or tensor):
            if each.call not in self.network:
                raise GraphError("no such call", where=self.path_of(each.call))
        targets = None if consumers is None else list(consumers)
        call = self._splice(tensor, layer, targets, beside)
        return self._change(
            Action.INSERT,
            call,
            reason,
            after={
                "class": layer.class_name,
                "config": dict(layer.config),
                "place": self._position(call),
            },
        )

    def duplicate(
        self,
        call: Call,
        layer: Layer,
        *,
        reason: str,
        consumers: Iterable[tuple[Call, int]] | None = None,
    ) -> Change:
        """Call a new layer on the tensors of a call, in its place for some consumers.

        Parameters
        ----------
        call : Call
            Whose first output the new call stands in for.
        layer : Layer
            A layer with a name that is free here (see `unique_name`).
        reason : str
            Why.
        consumers : iterable of (Call, int), optional
            The holes that get the new output; by default all, the model's outputs included.
        """
        if layer.name in self._layers:
            raise GraphError("a layer of that name is there", where=self.path_of(layer.name))
        everything = self.consumers(Tensor(call)) if consumers is None else list(consumers)
        fillings = self.fillings(call)
        new = self.add(layer, arguments=self.arguments(call), after=call.layer)
        for hole, tensor in fillings.items():
            self.connect(tensor, new, hole, self.network.edges[tensor.call, call, hole]["spec"])
        self._hand_over(Tensor(call), Tensor(new), everything, outputs=consumers is None)
        after = {
            "class": layer.class_name,
            "config": dict(layer.config),
            "place": self._position(new),
        }
        return self._change(Action.INSERT, new, reason, after=after)

    def move(self, call: Call, tensor: Tensor, *, reason: str) -> Change:
        """Take a call with one input and one output away and put it behind another tensor.

        Raises
        ------
        GraphError
            As for `remove`, or the tensor comes from the call itself.
        """
        if tensor.call not in self.network or tensor.call == call:
            raise GraphError("cannot be moved there", where=self.path_of(call))
        before = self._position(call)
        source = self._bypass(call)
        self._rewire(Tensor(call), source)
        self.network.remove_edges_from(list(self.network.in_edges(call, keys=True)))
        targets = self.consumers(tensor)
        self._hand_over(tensor, Tensor(call), targets, outputs=True)
        self.connect(tensor, call, 0)
        if len(self._calls[call.layer]) == 1:
            self._inserted += 1
            self._rank[call.layer] = (*self._rank[tensor.call.layer], self._inserted)
        self._sorted = None
        return self._change(Action.MOVE, call, reason, before=before, after=self._position(call))

    def configure(
        self, name: str, changes: Mapping[str, Any], *, reason: str, role: str | None = None
    ) -> Change:
        """Set keys of a layer's config, wherever in the model that layer stands.

        Parameters
        ----------
        name : str
            The layer.
        changes : mapping
            Keys and their new values.
        reason : str
            Why.
        role : str, optional
            The wrapped layer or cell that is meant, as ``layer`` or ``cell.cells/0``.
        """
        outer = self.layer(name)
        steps = role.split(".") if role else []
        target = outer
        for step in steps:
            target = target.inner[step]
        before = {key: target.config.get(key) for key in changes}
        if target.identity is None:
            self._layers[name] = with_config(outer, steps, changes)
        else:
            for graph in self.root.walk():
                graph.map_layers(partial(with_config_of, identity=target.identity, changes=changes))
        names = [name] if target is outer else [name, target.name]
        return Change(
            Action.CONFIGURE,
            "/".join((*self.path, *names)),
            target.class_name,
            before,
            dict(changes),
            reason,
        )

    def replace(self, name: str, layer: Layer, *, reason: str, role: str | None = None) -> Change:
        """Put another layer in the place of one, under the same name; its calls stay.

        Parameters
        ----------
        name : str
            The layer.
        layer : Layer
            What stands in its place, or in that of the layer that it wraps.
        reason : str
            Why.
        role : str, optional
            The wrapped layer that is meant, as for `configure`.
        """
        outer = self.layer(name)
        steps = role.split(".") if role else []
        old = outer
        for step in steps:
            old = old.inner[step]
        if layer.name != old.name and old is outer:
            raise GraphError("the new layer needs the old name", where=self.path_of(name))
        self._layers[name] = with_inner(outer, steps, layer)
        return Change(
            Action.REPLACE,
            "/".join((*self.path, name, *([old.name] if steps else []))),
            layer.class_name,
            {"class": old.class_name, "config": dict(old.config)},
            {"class": layer.class_name, "config": dict(layer.config)},
            reason,
        )

    def rewire(self, call: Call, arguments: Arguments, *, reason: str) -> Change:
        """Give a call other arguments; a tensor whose hole is not in them is let go.

        Raises
        ------
        GraphError
            The new arguments have a hole that the old ones had not.
        """
        before = self.arguments(call)
        if not set(arguments.holes) <= set(before.holes):
            raise GraphError("an argument has no tensor", where=self.path_of(call))
        gone = set(before.holes) - set(arguments.holes)
        edges = [edge for edge in self.network.in_edges(call, keys=True) if edge[2] in gone]
        self.network.remove_edges_from(edges)
        self.network.nodes[call]["arguments"] = arguments
        self._sorted = None
        return self._change(
            Action.REWIRE,
            call,
            reason,
            before=_shown_arguments(before),
            after=_shown_arguments(arguments),
        )

    def validate(self) -> None:
        """Check this graph and the nested ones.

        Raises
        ------
        GraphError
            A cycle, a hole that is not filled by one tensor, a layer without calls, an
            output that no input reaches.
        """
        for graph in self.walk():
            check(graph)

    # Steps of the verbs

    def _bypass(self, call: Call) -> Tensor:
        """Return the tensor that stands in for a call's output when the call is gone."""
        tensor = self.producer(call)
        if tensor is None:
            raise GraphError("needs exactly one input to be taken out", where=self.path_of(call))
        edges = self.network.out_edges(call, data="output")
        used = [output for _, _, output in edges]
        used += [tensor.output for tensor in leaves(self.outputs) if tensor.call == call]
        if any(used):
            raise GraphError("has a further output that is used", where=self.path_of(call))
        return tensor

    def _rewire(self, old: Tensor, new: Tensor) -> None:
        self._hand_over(old, new, self.consumers(old), outputs=True)

    def _hand_over(
        self, old: Tensor, new: Tensor, targets: Sequence[tuple[Call, int]], *, outputs: bool
    ) -> None:
        """Give `new` to the holes that have `old`."""
        for target, hole in targets:
            spec = self.network.edges[old.call, target, hole]["spec"]
            self.network.remove_edge(old.call, target, key=hole)
            self.connect(new, target, hole, spec)
        if outputs:
            self.outputs = map_leaves(lambda t: new if t == old else t, self.outputs)
        self._sorted = None

    def _splice(
        self,
        tensor: Tensor,
        layer: Layer,
        targets: Sequence[tuple[Call, int]] | None,
        beside: Tensor | None,
    ) -> Call:
        everything = self.consumers(tensor) if targets is None else targets
        args: Any = Hole(0) if beside is None else [Hole(0), Hole(1)]
        call = self.add(layer, after=tensor.call.layer, arguments=Arguments(args=[args]))
        self._hand_over(tensor, Tensor(call), everything, outputs=targets is None)
        self.connect(tensor, call, 0)
        if beside is not None:
            self.connect(beside, call, 1)
        return call

    def _forget(self, call: Call) -> None:
        self.network.remove_node(call)
        self._calls[call.layer].remove(call)
        if not self._calls[call.layer]:
            for table in (self._layers, self._rank, self._calls):
                del table[call.layer]
        self._sorted = None

    def _position(self, call: Call) -> str:
        """Say between which layers a call stands."""
        sources = ", ".join(dict.fromkeys(str(tensor.call) for tensor in self.producers(call)))
        targets = list(dict.fromkeys(str(target) for target in self.network.successors(call)))
        if self.is_output(call):
            targets.append("the output")
        return f"between {sources or 'the input'} and {', '.join(targets) or 'nothing'}"

    def _change(
        self,
        action: Action,
        call: Call,
        reason: str,
        *,
        before: Any = None,
        after: Any = None,
        layer: Layer | None = None,
    ) -> Change:
        class_name = (layer or self.layer(call)).class_name
        return Change(action, self.path_of(call), class_name, before, after, reason)


def _copy_layer(layer: Layer, made: dict[int, ModelGraph]) -> Layer:
    if layer.graph is None and not layer.inner:
        return layer
    graph = None if layer.graph is None else layer.graph._copy(made)
    inner = {role: _copy_layer(each, made) for role, each in layer.inner.items()}
    return replace(layer, graph=graph, inner=inner)


def _shown_arguments(arguments: Arguments) -> dict[str, Any]:
    """Return the keyword arguments of a call as plain data."""
    return map_leaves(  # type: ignore[no-any-return]
        lambda leaf: "a tensor" if isinstance(leaf, Hole) else leaf, dict(arguments.kwargs)
    )
