"""Have Keras and TensorFlow say how large the tensors of a model are, without running it."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

from rewriter.live.adapters import Live

FEW_STEPS = 9
"""Tried where a model cannot be compiled for more."""


def largest_output(layers: Iterable[Live], rows: int, steps: int) -> tuple[str, int]:
    """Return the layer that gives the largest tensor, and the elements of that.

    Parameters
    ----------
    layers : iterable of live layer
        The layers.
    rows, steps : int
        What stands for a first axis, and for others, that are open.
    """
    import tensorflow as tf

    sizes = [
        (layer.name, prod(_filled(tensor.shape, rows, steps)))
        for layer in layers
        for node in getattr(layer, "_inbound_nodes", ())
        for tensor in tf.nest.flatten(node.outputs)
        if getattr(tensor, "shape", None)  # neither a scalar nor of unknown rank
    ]
    return max(sizes, key=lambda each: each[1], default=("", 0))


def largest_traced(model: Live, rows: int, steps: int) -> tuple[str, int]:
    """Return the operation that makes the largest tensor, and the elements of that.

    Parameters
    ----------
    model : live model
        A model whose inputs are known.
    rows, steps : int
        What its inputs are given where they are open.
    """
    largest = ("", 0)
    for sizes in ((rows, steps), (1, steps), (rows, FEW_STEPS), (1, FEW_STEPS)):
        traced, graph = _traced(model, *sizes)
        for operation in graph.get_operations() if graph is not None else ():
            for output in operation.outputs:
                shape = output.shape.as_list() if output.shape.rank else [0]
                elements = prod(1 if each is None else each for each in shape)
                largest = max(largest, (operation.name, elements), key=lambda each: each[1])
        if traced:
            break
    return largest


def _traced(model: Live, rows: int, steps: int) -> tuple[bool, Any]:
    """Return whether a model can be compiled for these sizes, and its graph as far as it got."""
    import tensorflow as tf

    graphs: list[Any] = []

    def given(tensor: Any) -> Any:
        return tf.TensorSpec(_filled(tensor.shape, rows, steps), tensor.dtype)

    def call(*tensors: Any) -> Any:
        graphs.append(tf.compat.v1.get_default_graph())
        return model(tensors[0] if len(tensors) == 1 else list(tensors), training=False)

    try:
        specs = [given(tensor) for tensor in tf.nest.flatten(model.inputs)]
        tf.function(call).get_concrete_function(*specs)
    except Exception:  # whoever runs it says why
        return False, graphs[-1] if graphs else None
    return True, graphs[-1]


def _filled(shape: Iterable[Any], rows: int, steps: int) -> list[int]:
    sizes = [None if each is None else int(each) for each in shape]
    return [
        (steps if number else rows) if each is None else each for number, each in enumerate(sizes)
    ]
