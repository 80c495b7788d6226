"""Which calls a mask has to be carried around, so that it comes to where it is used."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from rewriter.analysis.masks.flow import CallFlow
from rewriter.graph.calls import Call, Tensor
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves

Place = tuple[int, Call]
"""A call in a graph, the graph by its id: nested models are walked over as they are."""


def needed(
    model: ModelGraph,
    flows: Sequence[CallFlow],
    wanted: Collection[Place],
    carried: Callable[[ModelGraph, Call], bool],
) -> set[Place]:
    """Return the calls that stand between a mask and the calls that are to use it.

    Parameters
    ----------
    model : ModelGraph
        The outermost model.
    flows : sequence of CallFlow
        Its flow, with the mask taken as if it were carried wherever it can be.
    wanted : collection of places
        The calls that are to use it.
    carried : callable
        Whether the mask can be carried around a call.
    """
    masked = {
        (id(flow.graph), flow.call)
        for flow in flows
        if flow.carried and carried(flow.graph, flow.call)
    }
    graphs = {id(graph): graph for graph in model.walk()}
    above = _parents(graphs.values())
    pending = [
        (graphs[place], tensor)
        for place, call in wanted
        for tensor in graphs[place].producers(call)
    ]
    seen: set[tuple[int, Tensor]] = set()
    found: set[Place] = set()
    while pending:
        graph, tensor = pending.pop()
        if (id(graph), tensor) in seen:
            continue
        seen.add((id(graph), tensor))
        place = (id(graph), tensor.call)
        if place in masked:
            found.add(place)
        inner = graph.layer(tensor.call).graph
        if inner is not None:
            pending.append((inner, list(leaves(inner.outputs))[tensor.output]))
        pending.extend((graph, each) for each in graph.producers(tensor.call))
        if not graph.producers(tensor.call):
            for outer, call in above.get(id(graph), ()):
                pending.extend((outer, each) for each in outer.producers(call))
    return found


def _parents(graphs: Collection[ModelGraph]) -> dict[int, list[tuple[ModelGraph, Call]]]:
    """Return the calls of each nested model, by its id."""
    found: dict[int, list[tuple[ModelGraph, Call]]] = {}
    for graph in graphs:
        for layer in graph.layers:
            if layer.graph is not None:
                calls = [(graph, call) for call in graph.calls_of(layer.name)]
                found.setdefault(id(layer.graph), []).extend(calls)
    return found
