"""Define the layers and functions that Keras 2 has and Keras 3 has not.

They are put into models that `rewriter port` translates, and belong to `rewriter.layers.keras3`:
so their module stands in files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

_MODULE = "rewriter.layers.keras3"


def _registered(thing: Any) -> Any:
    thing.__module__ = _MODULE
    return keras.saving.register_keras_serializable(package="rewriter")(thing)


@_registered
def hard_sigmoid_of_keras2(x: Any) -> Any:
    """Return ``clip(0.2 x + 0.5, 0, 1)``, which Keras 2 calls hard_sigmoid.

    Keras 3 calls ``relu6(x + 3) / 6`` so.

    Examples
    --------
    >>> [float(hard_sigmoid_of_keras2(x)) for x in (-3.0, 0.0, 1.0)]
    [0.0, 0.5, 0.699999988079071]
    """
    scaled = keras.ops.multiply(x, 0.2)
    return keras.ops.clip(keras.ops.add(scaled, 0.5), 0.0, 1.0)


@_registered
class ThresholdedReLU(keras.layers.Layer):  # type: ignore[misc]
    """Gives what is greater than ``theta``, and 0 for all else.

    Parameters
    ----------
    theta : float
        At least 0.
    **kwargs
        As for every Keras layer: `name`, `dtype`.
    """

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.theta = float(theta)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Return the inputs where they are greater than the threshold."""
        return inputs * keras.ops.cast(inputs > self.theta, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "theta": self.theta}


@_registered
class GatewiseLSTMCell(keras.layers.LSTMCell):  # type: ignore[misc]
    """An LSTMCell that multiplies gate by gate, and saves that: ``implementation=1``."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **{"implementation": 1, **kwargs})

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "implementation": self.implementation}


@_registered
class GatewiseGRUCell(keras.layers.GRUCell):  # type: ignore[misc]
    """A GRUCell that multiplies gate by gate, and saves that: ``implementation=1``."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **{"implementation": 1, **kwargs})

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "implementation": self.implementation}


@_registered
class GatewiseLSTM(keras.layers.LSTM):  # type: ignore[misc]
    """An LSTM that multiplies gate by gate, and saves that: ``implementation=1``.

    Its outputs are those of the slow path of Keras 2, to the bit or within a rounding error.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **{"implementation": 1, **kwargs})

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "implementation": self.cell.implementation}


@_registered
class GatewiseGRU(keras.layers.GRU):  # type: ignore[misc]
    """A GRU that multiplies gate by gate, and saves that: ``implementation=1``."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **{"implementation": 1, **kwargs})

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "implementation": self.cell.implementation}


def _with_bias_add(cell: Any) -> Any:
    """Return what a cell of ConvLSTM does with its input, the bias by ``tf.nn.bias_add``.

    TensorFlow computes that and the convolution in one kernel once it compiles them.
    """

    def input_conv(x: Any, kernel: Any, bias: Any = None, padding: str = "valid") -> Any:
        outputs = type(cell).input_conv(cell, x, kernel, None, padding=padding)
        if bias is None:
            return outputs
        if cell.data_format != "channels_last":
            return outputs + keras.ops.reshape(bias, (1, -1, *[1] * cell.rank))
        return keras.ops.add(outputs, bias)

    return input_conv


@_registered
class FusedConvLSTM1D(keras.layers.ConvLSTM1D):  # type: ignore[misc]
    """A ConvLSTM1D that adds its bias by the operation by which Keras 2 does."""

    def __init__(self, filters: int, kernel_size: Any, **kwargs: Any) -> None:
        super().__init__(filters, kernel_size, **kwargs)
        self.cell.input_conv = _with_bias_add(self.cell)


@_registered
class FusedConvLSTM2D(keras.layers.ConvLSTM2D):  # type: ignore[misc]
    """A ConvLSTM2D that adds its bias by the operation by which Keras 2 does."""

    def __init__(self, filters: int, kernel_size: Any, **kwargs: Any) -> None:
        super().__init__(filters, kernel_size, **kwargs)
        self.cell.input_conv = _with_bias_add(self.cell)


@_registered
class FusedConvLSTM3D(keras.layers.ConvLSTM3D):  # type: ignore[misc]
    """A ConvLSTM3D that adds its bias by the operation by which Keras 2 does."""

    def __init__(self, filters: int, kernel_size: Any, **kwargs: Any) -> None:
        super().__init__(filters, kernel_size, **kwargs)
        self.cell.input_conv = _with_bias_add(self.cell)


@_registered
class EachStep(keras.layers.TimeDistributed):  # type: ignore[misc]
    """Applies a layer to every step, all of them at once, as TimeDistributed of Keras 2 does.

    TimeDistributed of Keras 3.14 and later goes wrong where a compiled function meets a second
    number of steps.
    """

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Return what the layer gives for each step."""
        shape = keras.ops.shape(inputs)
        kwargs: dict[str, Any] = {}
        if self.layer._call_has_training_arg:
            kwargs["training"] = training
        if self.layer._call_has_mask_arg and mask is not None:
            kwargs["mask"] = keras.ops.reshape(mask, (-1, *keras.ops.shape(mask)[2:]))
        outputs = self.layer(keras.ops.reshape(inputs, (-1, *shape[2:])), **kwargs)
        return keras.ops.reshape(outputs, (-1, shape[1], *keras.ops.shape(outputs)[1:]))


@_registered
class MergeWithMasks(keras.layers.Layer):  # type: ignore[misc]
    """Merges its inputs as Keras 2 does: plainly, with the masks that there are joined by *and*.

    The merging layers of Keras 3 join masks by *or*, drop them where an input has none, and some
    compute other values where a mask hides a step.

    Parameters
    ----------
    operation : str
        ``add``, ``subtract``, ``multiply``, ``average``, ``maximum``, ``minimum`` or
        ``concatenate``.
    axis : int
        Of ``concatenate``.
    **kwargs
        As for every Keras layer: `name`, `dtype`.
    """

    def __init__(self, operation: str, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.operation = operation
        self.axis = axis
        self.supports_masking = True

    def call(self, inputs: Sequence[Any], mask: Any = None) -> Any:
        """Return the merged inputs."""
        if self.operation == "concatenate":
            return keras.ops.concatenate(inputs, axis=self.axis)
        first, *rest = _of_equal_rank(inputs)
        for each in rest:
            first = _MERGES[self.operation](first, each)
        return first / len(inputs) if self.operation == "average" else first

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the masks that there are, joined by *and*."""
        present = [each for each in mask or () if each is not None]
        if not present or any(isinstance(each, keras.KerasTensor) for each in present):
            return None  # at run time it is computed from the masks that the tensors have then
        joined = present[0]
        for each in present[1:]:
            joined = keras.ops.logical_and(joined, each)
        return joined

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "operation": self.operation, "axis": self.axis}


# The operators, not keras.ops.add: that takes an operand for a bias by its shape.
_MERGES: dict[str, Any] = {
    "add": lambda x, y: x + y,
    "average": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "maximum": keras.ops.maximum,
    "minimum": keras.ops.minimum,
}


def _of_equal_rank(inputs: Sequence[Any]) -> list[Any]:
    """Return tensors with axes put in behind the batch axis of those that have fewer."""
    most = max(len(each.shape) for each in inputs)
    missing = [tuple(range(1, most - len(each.shape) + 1)) for each in inputs]
    return [
        keras.ops.expand_dims(each, axes) if axes else each
        for each, axes in zip(inputs, missing, strict=True)
    ]


@_registered
class MultiHeadAttentionOfKeras2(keras.layers.MultiHeadAttention):  # type: ignore[misc]
    """MultiHeadAttention in which a query of which every key is hidden attends to all alike.

    So does that of Keras 2, which adds a large negative number to what a mask hides. That of
    Keras 3 gives zeros for such a query wherever it has ``dropout`` or gives its scores.
    """

    def _masked_softmax(self, attention_scores: Any, attention_mask: Any = None) -> Any:
        if attention_mask is None:
            return super()._masked_softmax(attention_scores)
        axis = -len(self._attention_axes) * 2 - 1
        for _ in range(len(attention_scores.shape) - len(attention_mask.shape)):
            attention_mask = keras.ops.expand_dims(attention_mask, axis)
        dtype = keras.backend.standardize_dtype(attention_scores.dtype)
        seen = keras.ops.cast(attention_mask, dtype)
        hidden = (1.0 - seen) * (-65504.0 if dtype == "float16" else -1e9)
        return super()._masked_softmax(attention_scores + hidden)


@_registered
class StopMask(keras.layers.Layer):  # type: ignore[misc]
    """Gives its input without its mask."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Return the input as a tensor of its own: a mask belongs to a tensor."""
        return keras.ops.copy(inputs)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Return none."""


@_registered
class CopyWithMask(keras.layers.Layer):  # type: ignore[misc]
    """Gives its input as a tensor of its own, with its mask.

    MultiHeadAttention of Keras 3 takes the mask off the tensors that it gets; in front of it, this
    keeps the mask for the others that get them.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Return the input as a tensor of its own."""
        return keras.ops.copy(inputs)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return the mask as it came."""
        return None if isinstance(previous_mask, keras.KerasTensor) else previous_mask


@_registered
class MaskOf(keras.layers.Layer):  # type: ignore[misc]
    """Gives the mask of its input as a tensor, to be handed to a layer as ``mask=``.

    Keras 3 hands no mask to a recurrent layer that gets its first state as an input.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return the mask; where there is none, every step counts."""
        if mask is None:
            return keras.ops.ones(keras.ops.shape(inputs)[:2], "bool")
        return keras.ops.copy(mask)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Return none: the output is a mask itself."""

    def compute_output_spec(self, inputs: Any, mask: Any = None) -> Any:
        """Return shape and type of the mask."""
        return keras.KerasTensor(inputs.shape[:2], dtype="bool")
