"""Layers for Keras 2 (`tf_keras`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf
import tf_keras

from rewriter.layers.noise_shape import (
    checked_axes,
    checked_rate,
    minimum_rank,
    noise_dtype,
    noise_shape,
)


@tf_keras.utils.register_keras_serializable(package="rewriter")
class DynamicDropout(tf_keras.layers.Dropout):  # type: ignore[misc]
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
        Drop at inference too: Monte Carlo dropout [2]_. It is part of the layer, where
        `training=True` belongs to a call.
    seed : int, optional
        Makes the sequence of masks repeatable, as in `tf_keras.layers.Dropout`.
    **kwargs
        As for `tf_keras.layers.Dropout`: `name`, `dtype`, `rng_type`.

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
            self.input_spec = tf_keras.layers.InputSpec(min_ndim=minimum_rank(self.shared_axes))

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Drop units in training, or always if `always_on`; else return the inputs."""
        if self.rate == 0:
            return tf.identity(inputs)
        return tf_keras.backend.in_train_phase(
            lambda: self._dropped(inputs),
            lambda: tf.identity(inputs),
            training=True if self.always_on else training,
        )

    def _dropped(self, inputs: Any) -> Any:
        dropped = self._random_generator.dropout(
            tf.cast(inputs, noise_dtype(inputs.dtype.name)),
            self.rate,
            noise_shape=self._get_noise_shape(inputs),
        )
        return tf.cast(dropped, inputs.dtype)

    def _get_noise_shape(self, inputs: Any) -> list[Any] | None:
        if not self.shared_axes:
            return None
        at_run_time = tf.shape(inputs)
        lengths = [
            at_run_time[axis] if length is None else length
            for axis, length in enumerate(inputs.shape)
        ]
        return noise_shape(lengths, self.shared_axes)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        config = super().get_config()
        del config["noise_shape"]
        return {**config, "shared_axes": list(self.shared_axes), "always_on": self.always_on}
