"""Edit a graph: insert, remove, move, replace, configure and rewire layers.

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

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from rewriter.errors import GraphError
from rewriter.graph.calls import Arguments, Call, Hole, Tensor
from rewriter.graph.changes import Action, Change
from rewriter.graph.graph import Graph, Layer, with_config, with_config_of, with_inner
from rewriter.graph.nested import leaves, map_leaves
from rewriter.graph.validate import check


class ModelGraph(Graph):
    """The graph of one model, with the verbs that edit it.

    Each verb leaves the graph valid, or raises before anything changed, and returns the change.
    Parameters and attributes are those of `Graph`.
    """

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
        for end in (tensor, beside or tensor):
            if end.call not in self.network:
                raise GraphError("no such call", where=self.path_of(end.call))
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


def _shown_arguments(arguments: Arguments) -> dict[str, Any]:
    """Return the keyword arguments of a call as plain data."""
    return map_leaves(  # type: ignore[no-any-return]
        lambda leaf: "a tensor" if isinstance(leaf, Hole) else leaf, dict(arguments.kwargs)
    )
