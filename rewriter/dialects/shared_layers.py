"""Recognise one layer that a config writes in several places, and read it as one.

A layer that two nested models have, or a wrapper and its surroundings, is written down in each
place. `join` finds the places, so that a change of the layer's config is made in all of them,
and makes a nested model that stands in several places one graph, which passes see once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from rewriter.dialects import encode
from rewriter.graph.gc_pause import collection_paused
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph

Key = Callable[[Layer], int | None]
"""What tells one layer from another, or None for a layer that stands in one place only."""


def written_key(layer: Layer) -> int | None:
    """Return the number by which Keras files tell that layers are one object."""
    for held in (layer.envelope, layer.config):
        number = held.get("shared_object_id")
        if type(number) is int:
            return number
    return None


def join(model: ModelGraph, key: Key = written_key) -> None:
    """Give the layers that are one the same identity, and the models that are one a graph.

    Parameters
    ----------
    model : ModelGraph
        As it was decoded; is changed.
    key : callable, optional
        Equal for layers that are one; by default, what the file says.
    """
    joining = _Joining(key)
    with collection_paused():
        joining.visit(model)
        shared = {number for number, times in joining.times.items() if times > 1}
        for graph in model.walk():
            graph.root = model
            if shared:
                graph.map_layers(lambda layer: _identified(layer, key, shared))


@dataclass(slots=True)
class _Joining:
    key: Key
    times: Counter[int] = field(default_factory=Counter)
    graphs: dict[int, ModelGraph] = field(default_factory=dict)

    def visit(self, graph: ModelGraph) -> None:
        graph.map_layers(self.settle)

    def settle(self, layer: Layer) -> Layer:
        number = self.key(layer)
        if number is not None:
            self.times[number] += 1
        if layer.graph is not None:
            known = layer.graph if number is None else self.graphs.setdefault(number, layer.graph)
            if known is layer.graph:
                self.visit(layer.graph)
            elif encode(known) == encode(layer.graph):
                return replace(layer, graph=known)
        if not layer.inner:
            return layer
        return replace(layer, inner={role: self.settle(each) for role, each in layer.inner.items()})


def _identified(layer: Layer, key: Key, shared: set[int]) -> Layer:
    number = key(layer)
    if layer.inner:
        inner = {role: _identified(each, key, shared) for role, each in layer.inner.items()}
        layer = replace(layer, inner=inner)
    return replace(layer, identity=number) if number in shared else layer
