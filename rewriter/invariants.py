"""What holds of every graph, and what makes one a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx

from rewriter.errors import GraphError
from rewriter.layer import Call, Tensor
from rewriter.structure import leaves

if TYPE_CHECKING:
    from rewriter.graph import ModelGraph


def check(graph: ModelGraph) -> None:
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


def is_chain(graph: ModelGraph) -> bool:
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
