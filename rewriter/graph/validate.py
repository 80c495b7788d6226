"""Check that a graph is valid: no cycle, no missing tensor, unique names."""

from __future__ import annotations

import networkx as nx

from rewriter.errors import GraphError
from rewriter.graph.calls import Call
from rewriter.graph.graph import Graph
from rewriter.graph.nested import leaves


def check(graph: Graph) -> None:
    """Check one graph, without those nested in it.

    Raises
    ------
    GraphError
        A cycle, a hole that is not filled by one tensor, a layer without calls, an output
        that no input reaches.
    """
    try:
        order = graph.calls()
    except nx.NetworkXUnfeasible:
        where = "/".join(graph.path) or graph.name
        raise GraphError("the calls form a cycle", where=where) from None
    fed: set[Call] = {tensor.call for tensor in leaves(graph.inputs)}
    for call in order:
        keys = sorted(hole for _, _, hole in graph.network.in_edges(call, keys=True))
        if keys != sorted(set(graph.arguments(call).holes)):
            raise GraphError("an argument has no tensor, or two", where=graph.path_of(call))
        if any(source in fed for source in graph.network.predecessors(call)):
            fed.add(call)
    for layer in graph.layers:
        if not graph.calls_of(layer.name):
            raise GraphError("a layer is never called", where=graph.path_of(layer.name))
    for tensor in leaves(graph.outputs):
        if tensor.call not in fed:
            raise GraphError("an output has no input", where=graph.path_of(tensor.call))
