"""Order the layers of a model as ``model.layers`` of Keras, from the graph alone.

Keras numbers the groups of a weights file in this order, and assigns the weights of ``.h5`` files
in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rewriter.analysis.known_layers import is_operation
from rewriter.errors import UnsupportedModelError
from rewriter.graph.calls import Call, Hole
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph


class UncertainError(UnsupportedModelError):
    """What a file needs does not follow from its graph: Keras has to write it."""


def layers_in_order(graph: ModelGraph) -> list[Layer]:
    """Return the layers of a model, operations left out, in the order of ``model.layers``.

    keras/src/ops/function.py, `map_graph`, and tf_keras/src/engine/functional.py,
    `_map_graph_network`, are one algorithm: the deepest layers first, those of one depth as they
    are first met on the way from the outputs down. The depth of a layer is that of its deepest
    call, and no call is less deep than a call of its layer that was seen before.

    Raises
    ------
    UncertainError
        A layer leads to no output: whether Keras lists it is not known.
    """
    if graph.sequential:  # its list leaves the input out
        layers = [graph.layer(call) for call in graph.calls()]
        return layers[1:] if layers and layers[0].class_name == "InputLayer" else layers
    met: dict[str, int] = {}
    finished = list(_finished(graph, met))
    depths = _depths(graph, finished)
    for end in _flat(graph.inputs):
        if end.call.layer not in depths:  # an input that nothing uses
            depths[end.call.layer], met[end.call.layer] = 0, -1
    names = sorted(depths, key=lambda name: (-depths[name], met[name]))
    apart = [layer.name for layer in graph.layers if layer.name not in depths]
    if apart:
        raise UncertainError("leads to no output", where=graph.path_of(apart[0]))
    return [each for each in map(graph.layer, names) if not is_operation(each)]


def _finished(graph: ModelGraph, met: dict[str, int]) -> Iterator[Call]:
    """Yield each call behind those that it needs; write down when its layer was first met."""
    entered: set[Call] = set()

    def enter(call: Call) -> tuple[Call, Iterator[Call]]:
        entered.add(call)
        met.setdefault(call.layer, len(met))
        return call, iter(_sources(graph, call))

    for end in _flat(graph.outputs):
        pending = [] if end.call in entered else [enter(end.call)]
        while pending:
            call, rest = pending[-1]
            following = next((each for each in rest if each not in entered), None)
            if following is None:
                pending.pop()
                yield call
            else:
                pending.append(enter(following))


def _depths(graph: ModelGraph, finished: list[Call]) -> dict[str, int]:
    """Return the depths of the layers that lead to an output."""
    depths: dict[Call, int] = {}
    deepest: dict[str, int] = {}
    for call in reversed(finished):
        depth = max(depths.setdefault(call, 0), deepest.get(call.layer, 0))
        deepest[call.layer] = depths[call] = depth
        for source in _sources(graph, call):
            depths[source] = max(depth + 1, depths.get(source, 0))
    return deepest


def _sources(graph: ModelGraph, call: Call) -> list[Call]:
    """Return the calls whose tensors a call gets, in the order in which Keras flattens them."""
    fillings = graph.fillings(call)
    if len(fillings) < 2:
        return [tensor.call for tensor in fillings.values()]
    arguments = graph.arguments(call)
    holes = [
        leaf.index
        for structure in (arguments.args, dict(arguments.kwargs))
        for leaf in _flat(structure)
        if isinstance(leaf, Hole)
    ]
    return [fillings[hole].call for hole in holes]


def _flat(structure: Any) -> Iterator[Any]:
    """Yield leaves as `tf.nest` and optree do: those of a dict by its sorted keys."""
    if isinstance(structure, dict):
        for key in sorted(structure):
            yield from _flat(structure[key])
    elif isinstance(structure, list | tuple) and not hasattr(structure, "_fields"):
        for each in structure:
            yield from _flat(each)
    else:
        yield structure
