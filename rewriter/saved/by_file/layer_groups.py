"""Tell under which group Keras looks for the weights of each layer, from the graph alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from rewriter.graph.graph import Layer


def group_names(layers: Sequence[Layer]) -> dict[str, str]:
    """Return the name of each layer's group in ``layers`` of a weights file, by layer name.

    It is the class in snake case, numbered where several have it, in the order of
    ``model.layers`` (saving_lib.py of both Keras, `_save_container_state`).

    Examples
    --------
    >>> group_names([Layer("a", "Conv2D", {}), Layer("b", "LSTM", {}), Layer("c", "LSTM", {})])
    {'a': 'conv2d', 'b': 'lstm', 'c': 'lstm_1'}
    """
    counts: Counter[str] = Counter()
    found = {}
    for layer in layers:
        base = _snake_case(_written_class(layer))
        found[layer.name] = f"{base}_{counts[base]}" if counts[base] else base
        counts[base] += 1
    return found


def _written_class(layer: Layer) -> str:
    """Return the class as it is written: a list of layers that is no chain becomes Functional."""
    graph = layer.graph
    if graph is not None and graph.listed and not graph.sequential:
        return "Functional"
    return layer.class_name


def _snake_case(class_name: str) -> str:
    """Return a class as both Keras name its group (`to_snake_case`)."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
