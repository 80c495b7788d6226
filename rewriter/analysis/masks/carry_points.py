"""Find the calls that a mask must be carried around to reach the layers that use it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from rewriter.analysis.masks.flow import CallFlow
from rewriter.graph.calls import Call, Tensor
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves

GraphCall = tuple[int, Call]
"""A call with the identity of its graph: names of calls repeat in nested models."""


def calls_to_carry_around(
    model: ModelGraph,
    flows: Sequence[CallFlow],
    wanted: Collection[GraphCall],
    carried: Callable[[ModelGraph, Call], bool],
) -> set[GraphCall]:
    """Return the calls that stand between a mask and the calls that are to use it.

    Parameters
    ----------
    model : ModelGraph
        The outermost model.
    flows : sequence of CallFlow
        Its flow, with the mask taken as if it were carried wherever it can be.
    wanted : collection of GraphCall
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
        (graphs[graph_id], tensor)
        for graph_id, call in wanted
        for tensor in graphs[graph_id].producers(call)
    ]
    seen: set[tuple[int, Tensor]] = set()
    around: set[GraphCall] = set()
    while pending:
        graph, tensor = pending.pop()
        if (id(graph), tensor) in seen:
            continue
        seen.add((id(graph), tensor))
        if (id(graph), tensor.call) in masked:
            around.add((id(graph), tensor.call))
        inner = graph.layer(tensor.call).graph
        if inner is not None:
            pending.append((inner, list(leaves(inner.outputs))[tensor.output]))
        pending.extend((graph, source) for source in graph.producers(tensor.call))
        if not graph.producers(tensor.call):
            for outer, call in above.get(id(graph), ()):
                pending.extend((outer, source) for source in outer.producers(call))
    return around


def _parents(graphs: Collection[ModelGraph]) -> dict[int, list[tuple[ModelGraph, Call]]]:
    """Return the calls of each nested model, by its id."""
    parents: dict[int, list[tuple[ModelGraph, Call]]] = {}
    for graph in graphs:
        for layer in graph.layers:
            if layer.graph is not None:
                calls = [(graph, call) for call in graph.calls_of(layer.name)]
                parents.setdefault(id(layer.graph), []).extend(calls)
    return parents
