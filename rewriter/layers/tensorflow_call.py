"""Define the layer that calls one function of TensorFlow, by a name from a list.

A port puts it in for recorded functions that ``keras.ops`` has not. It belongs to
`rewriter.layers.keras3`: so its module stands in files.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from rewriter.layers.tensorflow_functions import is_allowed


@keras.saving.register_keras_serializable(package="rewriter")
class TensorFlowFunction(keras.layers.Layer):  # type: ignore[misc]
    """Calls a function of TensorFlow.

    Parameters
    ----------
    function : str
        Its name behind ``tf.``, one of `rewriter.layers.tensorflow_functions.FUNCTIONS`.
    arguments : list
        What it is called with: the positional arguments, and those with names. In place of a
        tensor stands ``{"tensor": 0}``, its place among the inputs of the layer.
    **kwargs
        As for every Keras layer: `name`, `dtype`.

    Raises
    ------
    ValueError
        The function is not in the list.
    """

    def __init__(self, function: str, arguments: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        if not is_allowed(function):
            raise ValueError(f"tf.{function} is not one of the functions that this layer calls")
        self.function = function
        self.arguments = arguments

    def call(self, inputs: Any) -> Any:
        """Return what the function gives."""
        tensors = inputs if isinstance(inputs, list | tuple) else [inputs]
        args, kwargs = _filled(self.arguments, tensors)
        return _found(self.function)(*args, **_typed(kwargs))

    def compute_output_spec(self, inputs: Any) -> Any:
        """Return shape and type; Keras 3 takes a tensor times a number for a sparse one."""
        given = inputs if isinstance(inputs, list | tuple) else [inputs]
        dense = [keras.KerasTensor(each.shape, dtype=each.dtype) for each in given]
        return super().compute_output_spec(dense)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Return none, as a function that is called on tensors of Keras 2."""

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        told = {"function": self.function, "arguments": self.arguments}
        return {**super().get_config(), **told}


TensorFlowFunction.__module__ = "rewriter.layers.keras3"


def _found(function: str) -> Any:
    if function == "__operators__.getitem":
        return operator.getitem
    import tensorflow as tf

    return operator.attrgetter(function)(tf)


_TYPES = frozenset({"dtype", "out_type", "output_type"})
_ARRAYS = frozenset({"filter", "filters"})


def _typed(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with types for their names, and tensors for lists that must be some."""
    import tensorflow as tf

    def typed(key: str, value: Any) -> Any:
        if key in _TYPES and isinstance(value, str):
            return tf.dtypes.as_dtype(value)
        return tf.constant(value) if key in _ARRAYS and isinstance(value, list) else value

    return {key: typed(key, value) for key, value in kwargs.items()}


def _filled(value: Any, tensors: Sequence[Any]) -> Any:
    """Return arguments with the tensors in their places, and slices made."""
    if isinstance(value, Mapping):
        if value.keys() == {"tensor"}:
            return tensors[value["tensor"]]
        if value.keys() == {"slice"}:
            return slice(*_filled(value["slice"], tensors))
        if value.keys() == {"tuple"}:
            return tuple(_filled(value["tuple"], tensors))
        if value.keys() == {"ellipsis"}:
            return ...
        return {key: _filled(each, tensors) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(each, tensors) for each in value]
    return value
