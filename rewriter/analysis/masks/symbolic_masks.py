"""Find the masks that Keras 3 writes into a Functional model as operations.

When a Functional model is built, Masking and Embedding compute their masks symbolically, and
Keras 3 keeps these computations as calls of the model: ``NotEqual(x, mask_value)``, with
``Any(axis=-1)`` behind it for Masking, and gives the result to the layers that use it as
``mask=`` (keras/src/layers/core/masking.py and embedding.py, `compute_mask`;
keras/src/layers/layer.py, `Layer.__call__`). Keras 2 and Sequential models have no such calls.
"""

from __future__ import annotations

from rewriter.analysis.known_layers import class_of
from rewriter.graph.calls import Call, Tensor
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph


def masked_source(graph: ModelGraph, call: Call) -> Call | None:
    """Return the Masking or Embedding whose mask a call computes; None if it computes none.

    Examples
    --------
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> x = Tensor(graph.add(Layer("x", "InputLayer", {})))
    >>> masking = graph.add(Layer("masking", "Masking", {"mask_value": 0.0}), [x])
    >>> from rewriter.graph import Arguments, Hole
    >>> test = Arguments([Hole(0), 0.0])
    >>> unequal = graph.add(Layer("not_equal", "NotEqual", {}), [x], arguments=test)
    >>> mask = graph.add(Layer("any", "Any", {"axis": -1}), [Tensor(unequal)])
    >>> str(masked_source(graph, mask)), str(masked_source(graph, unequal))
    ('masking', 'masking')
    """
    layer = graph.layer(call)
    if layer.class_name == "Any" and layer.config.get("axis") in (-1, [-1]):
        tensor = graph.producer(call)
        source = None if tensor is None else masked_source(graph, tensor.call)
        is_masking = source is not None and class_of(graph.layer(source)) == "Masking"
        return source if is_masking else None
    tensor = graph.producer(call)
    if layer.class_name != "NotEqual" or tensor is None:
        return None
    value = _compared_with(graph, call)
    consumers = [each for each, _ in graph.consumers(tensor)]
    sources = [each for each in consumers if value in _hidden_by(graph.layer(each))]
    twins = [
        each
        for each in consumers
        if graph.layer(each).class_name == "NotEqual" and _compared_with(graph, each) == value
    ]
    # Keras makes one for each source, in their order.
    place = twins.index(call)
    return sources[min(place, len(sources) - 1)] if sources else None


def readers(graph: ModelGraph, tensor: Tensor) -> list[tuple[Call, int]]:
    """Return the consumers of a tensor that do more than compute the mask of another of them."""
    consumers = graph.consumers(tensor)
    calls = {call for call, _ in consumers}
    return [(call, hole) for call, hole in consumers if masked_source(graph, call) not in calls]


def _compared_with(graph: ModelGraph, call: Call) -> object:
    """Return the constant that a NotEqual compares its input with."""
    arguments = graph.arguments(call)
    constants = [each for each in arguments.args if isinstance(each, int | float)]
    constants += [each for each in arguments.kwargs.values() if isinstance(each, int | float)]
    return constants[0] if len(constants) == 1 else None


def _hidden_by(layer: Layer) -> tuple[object, ...]:
    """Return the value that a layer's mask hides, if it makes a mask."""
    if class_of(layer) == "Masking":
        return (layer.config.get("mask_value", 0.0),)
    return (0,) if class_of(layer) == "Embedding" and layer.config.get("mask_zero") else ()
