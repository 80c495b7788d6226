"""Define DynamicDropout, CarryMask and ZeroMaskedSteps for Keras 3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from rewriter.layers.mask_steps import Steps, changed_mask
from rewriter.layers.noise_shape import (
    checked_axes,
    checked_rate,
    minimum_rank,
    noise_dtype,
    noise_shape,
)
from rewriter.layers.ported import (
    CopyWithMask,
    EachStep,
    FusedConvLSTM1D,
    FusedConvLSTM2D,
    FusedConvLSTM3D,
    GatewiseGRU,
    GatewiseGRUCell,
    GatewiseLSTM,
    GatewiseLSTMCell,
    MaskOf,
    MergeWithMasks,
    MultiHeadAttentionOfKeras2,
    StopMask,
    ThresholdedReLU,
    hard_sigmoid_of_keras2,
)
from rewriter.layers.tensorflow_call import TensorFlowFunction

__all__ = [
    "CarryMask",
    "CopyWithMask",
    "DynamicDropout",
    "EachStep",
    "FusedConvLSTM1D",
    "FusedConvLSTM2D",
    "FusedConvLSTM3D",
    "GatewiseGRU",
    "GatewiseGRUCell",
    "GatewiseLSTM",
    "GatewiseLSTMCell",
    "MaskOf",
    "MergeWithMasks",
    "MultiHeadAttentionOfKeras2",
    "StopMask",
    "TensorFlowFunction",
    "ThresholdedReLU",
    "ZeroMaskedSteps",
    "hard_sigmoid_of_keras2",
]


@keras.saving.register_keras_serializable(package="rewriter")
class DynamicDropout(keras.layers.Dropout):  # type: ignore[misc]
    """Dropout whose noise takes its whole shape from the tensor of each call.

    Kept units are scaled by 1 / (1 - rate), so that the expectation in training is the value at
    inference. Noise for 16-bit tensors is drawn in float32, which keeps the rate exact.

    Parameters
    ----------
    rate : float
        The fraction of units to drop, at least 0 and less than 1.
    shared_axes : int or iterable of int
        The axes along which the noise is the same; negative ones count from the end. `1` holds one
        mask over all time steps of `(batch, time, features)`: variational dropout [1]_.
    always_on : bool
        Drop at inference too: Monte Carlo dropout [2]_. Unlike a call with `training=True`, which
        Keras 3 ignores in `predict`, it is kept in `predict` and in saved and exported models.
    seed : int, optional
        Makes the sequence of masks repeatable.
    **kwargs
        As for every Keras layer: `name`, `dtype`.

    Raises
    ------
    LayerArgumentError
        If `rate` or `shared_axes` is not as above. It is a `ValueError`.

    References
    ----------
    .. [1] Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural
       Networks", https://arxiv.org/abs/1512.05287
    .. [2] Gal and Ghahramani, "Dropout as a Bayesian Approximation",
       https://arxiv.org/abs/1506.02142

    Examples
    --------
    >>> import numpy as np
    >>> layer = DynamicDropout(0.5, shared_axes=1, seed=1)
    >>> dropped = np.asarray(layer(np.ones((2, 7, 64)), training=True))
    >>> np.unique(dropped).tolist(), bool((dropped == dropped[:, :1]).all())
    ([0.0, 2.0], True)
    """

    def __init__(
        self,
        rate: float,
        shared_axes: int | Iterable[int] = (),
        always_on: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        where = type(self).__name__
        super().__init__(checked_rate(rate, where), noise_shape=None, seed=seed, **kwargs)
        self.shared_axes = checked_axes(shared_axes, where)
        self.always_on = bool(always_on)
        if self.shared_axes:
            self.input_spec = keras.layers.InputSpec(min_ndim=minimum_rank(self.shared_axes))

    def call(self, inputs: Any, training: Any = False) -> Any:
        """Drop units in training, or always if `always_on`; else return the inputs."""
        if self.rate == 0 or not (training or self.always_on):
            return inputs
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if self.shared_axes and noise_dtype(dtype) != dtype:
            return self._dropped_by_small_mask(inputs, dtype)
        dropped = keras.random.dropout(
            keras.ops.cast(inputs, noise_dtype(dtype)),
            self.rate,
            noise_shape=self._noise_shape(inputs),
            seed=self.seed_generator,
        )
        return keras.ops.cast(dropped, dtype)

    def _dropped_by_small_mask(self, inputs: Any, dtype: str) -> Any:
        """Draw the noise in float32, where it is small, and leave the inputs in 16 bits."""
        ones = keras.ops.ones(self._noise_shape(inputs), "float32")
        kept = keras.random.dropout(ones, self.rate, seed=self.seed_generator) > 0
        scaled = keras.ops.multiply(inputs, keras.ops.cast(1 / (1 - self.rate), dtype))
        return keras.ops.where(kept, scaled, keras.ops.zeros((), dtype))

    def _noise_shape(self, inputs: Any) -> list[Any] | None:
        if not self.shared_axes:
            return None
        return noise_shape(keras.ops.shape(inputs), self.shared_axes)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        config = super().get_config()
        del config["noise_shape"]
        return {**config, "shared_axes": list(self.shared_axes), "always_on": self.always_on}


class _MaskFunctions:
    """What `changed_mask` needs of this Keras."""

    def length(self, mask: Any) -> Any:
        return keras.ops.shape(mask)[1]

    def pad(self, mask: Any, front: int, behind: int) -> Any:
        batch = keras.ops.shape(mask)[0]
        ones = [keras.ops.ones((batch, more), "bool") for more in (front, behind)]
        return keras.ops.concatenate([ones[0], mask, ones[1]], axis=1)

    def repeat(self, mask: Any, times: int) -> Any:
        return keras.ops.repeat(mask, times, axis=1)

    def at_least_zero(self, number: Any) -> Any:
        return max(number, 0) if isinstance(number, int) else keras.ops.maximum(number, 0)


@keras.saving.register_keras_serializable(package="rewriter")
class CarryMask(keras.layers.Layer):  # type: ignore[misc]
    """Gives its first input, with the mask of its second.

    It stands behind a layer that drops the mask, and gets beside the output of that layer a
    tensor that still has it. The mask is changed as the layer changed the steps.

    Parameters
    ----------
    steps : mapping, optional
        What the layer does with the steps, as `rewriter.layers.mask_steps.Steps` writes it; by
        default they stay as they are.
    **kwargs
        As for every Keras layer: `name`, `dtype`.

    Examples
    --------
    >>> import numpy as np
    >>> ids = keras.Input((None,))
    >>> x = keras.layers.Embedding(9, 4, mask_zero=True)(ids)
    >>> y = keras.layers.Conv1D(4, 3)(x)
    >>> y = CarryMask({"window": 3})([y, x])
    >>> model = keras.Model(ids, keras.layers.GRU(2)(y))
    >>> same = [model(np.array([[5, 6, 7, 8, *more]])) for more in ([], [0, 0])]
    >>> bool(np.all(np.asarray(same[0]) == np.asarray(same[1])))
    True
    """

    def __init__(self, steps: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._steps = Steps.from_config(steps or {})
        self.supports_masking = True

    def call(self, inputs: Sequence[Any], mask: Any = None) -> Any:
        """Return the first input, as a tensor of its own: a mask belongs to a tensor."""
        return keras.ops.copy(inputs[0])

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the mask of the second input, with its steps changed."""
        if mask is None or mask[1] is None or isinstance(mask[1], keras.KerasTensor):
            return None  # a symbolic mask has no length to count with, and is not used
        return changed_mask(keras.ops.cast(mask[1], "bool"), self._steps, _MaskFunctions())

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "steps": self._steps.to_config()}


@keras.saving.register_keras_serializable(package="rewriter")
class ZeroMaskedSteps(keras.layers.Layer):  # type: ignore[misc]
    """Sets the steps that a mask hides to zero, and passes the mask on.

    In front of a convolution it keeps padding from leaking through the kernel into the steps
    beside it: they see what they see at the end of a sequence without padding.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return the inputs, with zeros where the mask hides a step."""
        if mask is None:
            return keras.ops.copy(inputs)
        zero = keras.ops.cast(0, inputs.dtype)
        return keras.ops.where(keras.ops.expand_dims(mask, -1), inputs, zero)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return the mask as it came."""
        return previous_mask
