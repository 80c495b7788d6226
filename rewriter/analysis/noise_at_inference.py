"""Find the calls with ``training=True`` written into them, and noise that draws at inference."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from rewriter.graph.calls import Call
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph

PathAndCall = tuple[tuple[str, ...], Call]


@dataclass(frozen=True, slots=True)
class TrainingTrue:
    """The calls with ``training=True`` written into them, of a model and all that is nested in it.

    Keras 2 honours ``training=True`` that is baked into a call, and hands it to the layers of
    a nested model; a call of theirs that has its own goes before it. Keras 3 saves it, and
    ignores it whenever the model is called with ``training=False``, as `predict` does
    (keras#20285); it writes ``training=False`` into the calls that have none.

    Parameters
    ----------
    keras : int
        2 or 3.
    calls : set of (path, Call)
        The calls, with the path of their graph.

    Examples
    --------
    >>> from rewriter.graph import Arguments, Hole, Layer, Tensor
    >>> graph = ModelGraph(keras=2, class_name="Functional", name="m")
    >>> source = graph.add(Layer("source", "InputLayer", {}))
    >>> drop = Layer("drop", "Dropout", {"rate": 0.5})
    >>> pinned = Arguments([Hole(0)], {"training": True})
    >>> drop = graph.add(drop, [Tensor(source)], arguments=pinned)
    >>> TrainingTrue.of(graph).draws_at_inference(graph, drop)
    True
    """

    keras: int
    calls: Set[PathAndCall]

    @classmethod
    def of(cls, model: ModelGraph) -> TrainingTrue:
        """Find the calls of a model."""
        calls: set[PathAndCall] = set()
        _collect(model, False, calls, set())
        return cls(model.keras, frozenset(calls))

    def is_set(self, graph: ModelGraph, call: Call) -> bool:
        """Whether ``training=True`` is written into a call, honoured or not."""
        return (graph.path, call) in self.calls

    def draws_at_inference(self, graph: ModelGraph, call: Call) -> bool:
        """Whether noise of this call is drawn at inference too."""
        always_on = any(layer.config.get("always_on") for layer in graph.layer(call).walk())
        return always_on or (self.keras == 2 and self.is_set(graph, call))

    def layer_draws_at_inference(self, graph: ModelGraph, name: str) -> bool:
        """Whether noise of one of the layer's calls is drawn at inference too."""
        return any(self.draws_at_inference(graph, call) for call in graph.calls_of(name))


def _collect(
    graph: ModelGraph, inherited: bool, calls: set[PathAndCall], seen: set[tuple[int, bool]]
) -> None:
    if (id(graph), inherited) in seen:
        return
    seen.add((id(graph), inherited))
    for call in graph.calls():
        own: Any = graph.arguments(call).kwargs.get("training")
        decided = own is not None and (graph.keras == 2 or own is not False)
        pinned = bool(own) if decided else inherited
        if pinned:
            calls.add((graph.path, call))
        for layer in graph.layer(call).walk():
            if layer.graph is not None:
                _collect(layer.graph, pinned, calls, seen)


def is_pinned(layer: Layer, kwargs: Mapping[str, Any], keras: int) -> bool:
    """Whether a noise layer drops at inference too.

    Keras 2 honours ``training=True`` that is baked into a call, Keras 3 ignores it whenever
    the model is called with ``training=False`` (keras#20285).
    """
    if layer.config.get("always_on"):
        return True
    return keras == 2 and bool(kwargs.get("training"))


def draws_at_inference(graph: ModelGraph) -> bool:
    """Whether a model draws noise at inference."""
    training_true = TrainingTrue.of(graph)
    return any(
        training_true.draws_at_inference(inner, call)
        for inner in graph.walk()
        for call in inner.calls()
    )
