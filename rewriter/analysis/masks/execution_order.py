"""Order the calls of a model as Keras runs them.

It matters in Keras 3 alone, where MultiHeadAttention takes the masks off its inputs: what runs
before it sees them, what runs after it does not.
"""

from __future__ import annotations

from collections.abc import Iterator

from rewriter.analysis.masks.table import Rule, rules
from rewriter.graph.calls import Call
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves


def calls_in_order(graph: ModelGraph) -> list[Call]:
    """Return the calls in the order in which Keras runs them, as far as that changes masks."""
    table = rules(graph.keras)
    takes = {layer.class_name for layer in graph.layers if layer.graph is not None} | {
        name for name, rule in table.items() if rule is Rule.TAKE_QUERY
    }
    if graph.keras == 2 or not any(layer.class_name in takes for layer in graph.layers):
        return graph.calls()
    return _by_depth(graph)


def _by_depth(graph: ModelGraph) -> list[Call]:
    """Return the calls by depth, the deepest first.

    keras/src/ops/function.py, `map_graph`: the depth of a call is the number of calls between
    it and the outputs, and no call of a layer is less deep than a call of it that was seen.
    """
    depths: dict[Call, int] = {}
    deepest: dict[str, int] = {}
    needed: dict[Call, list[Call]] = {}
    for call in reversed(list(_depth_first(graph, needed))):
        depth = max(depths.setdefault(call, 0), deepest.get(call.layer, 0))
        deepest[call.layer] = depths[call] = depth
        for source in needed[call]:
            depths[source] = max(depth + 1, depths.get(source, 0))
    ordered = sorted(depths, key=lambda call: -depths[call])
    if len(ordered) == len(graph.network):
        return ordered
    return [*ordered, *(call for call in graph.calls() if call not in depths)]


def _depth_first(graph: ModelGraph, needed: dict[Call, list[Call]]) -> Iterator[Call]:
    """Yield each call behind those that it needs, from the outputs down; write these down."""
    entered: set[Call] = set()

    def enter(call: Call) -> tuple[Call, Iterator[Call]]:
        entered.add(call)
        needed[call] = [tensor.call for tensor in graph.producers(call)]
        return call, iter(needed[call])

    for end in leaves(graph.outputs):
        pending = [] if end.call in entered else [enter(end.call)]
        while pending:
            call, rest = pending[-1]
            following = next((each for each in rest if each not in entered), None)
            if following is None:
                pending.pop()
                yield call
            else:
                pending.append(enter(following))
