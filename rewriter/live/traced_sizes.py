"""Have Keras and TensorFlow say how large the tensors of a model are, without running it."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

from rewriter.live.adapters import Live


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
    import tensorflow as tf

    def given(tensor: Any) -> Any:
        return tf.TensorSpec(_filled(tensor.shape, rows, steps), tensor.dtype)

    try:
        specs = tf.nest.map_structure(given, model.inputs)
        call = tf.function(lambda each: model(each, training=False))
        pending = [call.get_concrete_function(specs if len(specs) > 1 else specs[0]).graph]
    except Exception:  # it cannot be compiled, or not for these sizes
        return "", 0
    largest = ("", 0)
    while pending:
        for operation in pending.pop().get_operations():
            for output in operation.outputs:
                shape = output.shape
                elements = prod(each or 1 for each in shape.as_list()) if shape.rank else 0
                largest = max(largest, (operation.name, elements), key=lambda each: each[1])
    return largest


def _filled(shape: Iterable[Any], rows: int, steps: int) -> list[int]:
    sizes = [None if each is None else int(each) for each in shape]
    return [
        (steps if number else rows) if each is None else each for number, each in enumerate(sizes)
    ]
