"""Predict many times with the noise switched on (Monte Carlo dropout).

The spread of the outputs tells how unsure the model is (Gal and Ghahramani, Dropout as a
Bayesian Approximation, arXiv 1506.02142). ``model(x, training=True)`` is another thing: it
makes BatchNormalization use the batch's statistics, and move its averages, too.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rewriter.analysis.layer_kinds import NOISE, RECURRENT
from rewriter.errors import RewriterError
from rewriter.live.adapters import Live, keras_of, live_keras, require_tensorflow_backend

ATTENTION = frozenset({"Attention", "AdditiveAttention"})
"""Layers that drop out their scores themselves, in ``dropout``."""


class Prediction(NamedTuple):
    """What many noisy passes gave.

    Attributes
    ----------
    mean, std : array, or list or dict of arrays
        In the structure and shape of the model's outputs, and in their units; ``std`` as
        `numpy.std` has it, divided by the number of samples.
    """

    mean: Any
    std: Any


def predict_mc(model: Live, x: Any, samples: int = 50, batch_size: int = 32) -> Prediction:
    """Return mean and standard deviation of predictions with dropout on.

    Noise layers, ``dropout`` and ``recurrent_dropout`` of recurrent layers and the dropout of
    attention are active; all else, BatchNormalization included, is as at inference. The model
    is not changed: its weights are shared with a copy.

    Parameters
    ----------
    model : live model
        Functional or Sequential, of Keras 2 or Keras 3.
    x : array or tensor, list or dict of them, or tf.data.Dataset
        The model's inputs, of shape (rows, ...). Of a dataset's elements that are tuples the
        first item is taken, as ``predict`` does.
    samples : int
        How many passes.
    batch_size : int
        How many rows at a time; a dataset has batches of its own.

    Returns
    -------
    Prediction
        ``mean`` and ``std``.

    Raises
    ------
    RewriterError
        The model has no noise that could be switched on, or no graph; or there is nothing to
        predict.

    Examples
    --------
    >>> import keras, numpy, rewriter
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5)])
    >>> mean, std = rewriter.predict_mc(model, numpy.ones((2, 3)), samples=200)
    >>> mean.shape, bool((abs(mean - 1.0) < 0.4).all()), bool((abs(std - 1.0) < 0.2).all())
    ((2, 3), True, True)
    """
    require_tensorflow_backend()
    import numpy as np
    import tensorflow as tf

    if samples < 1 or batch_size < 1:
        raise RewriterError("samples and batch_size are 1 or more", where="predict_mc")
    noisy = noisy_copy(model)
    run = tf.function(lambda batch: noisy(batch, training=False), reduce_retracing=True)
    means, deviations = [], []
    for batch in _batches(x, batch_size):
        drawn = (tf.nest.map_structure(np.asarray, run(batch)) for _ in range(samples))
        mean, std = _moments(drawn)
        means.append(mean)
        deviations.append(std)
    if not means:
        raise RewriterError("the dataset gives no batch of inputs", where="predict_mc")
    return Prediction(_joined(means), _joined(deviations))


def _batches(x: Any, batch_size: int) -> Iterator[Any]:
    """Yield the inputs in batches of tensors."""
    import tensorflow as tf

    if isinstance(x, tf.data.Dataset):
        for element in x:
            yield element[0] if isinstance(element, tuple) else element
        return
    tensors = tf.nest.map_structure(tf.convert_to_tensor, x)
    rows = {int(tf.shape(each)[0]) if each.shape.rank else 0 for each in tf.nest.flatten(tensors)}
    if len(rows) != 1 or 0 in rows:
        raise RewriterError(
            f"the inputs have different numbers of rows: {sorted(rows)}", where="predict_mc"
        )
    for start in range(0, rows.pop(), batch_size):
        here = slice(start, start + batch_size)
        yield tf.nest.map_structure(lambda one, here=here: one[here], tensors)


def noisy_copy(model: Live) -> Live:
    """Return a model over the same weights whose noise is on whenever it is called.

    Raises
    ------
    RewriterError
        There is no noise in it.
    """
    from rewriter.api.functions import rewrite
    from rewriter.live.walk import with_sublayers

    noisy = rewrite(model, [], verify=False, weights="share").model
    keras = live_keras(keras_of(model))
    layers = [layer for layer in with_sublayers(noisy, keras) if _draws(layer)]
    if not layers:
        raise RewriterError(
            "the model has no noise layer and no dropout to switch on",
            where=model.name,
            fix="train it with dropout; without, a prediction has no spread",
        )
    for layer in layers:
        layer.call = _pinned(layer.call)
        for seed in keras.seeds(layer):
            seed.assign([random.getrandbits(31) for _ in range(2)])
    return noisy


def _draws(layer: Live) -> bool:
    """Whether a layer has noise of its own, of a rate that is not 0."""
    names = {cls.__name__ for cls in type(layer).__mro__}
    if names & NOISE:
        return any(getattr(layer, name, 0) for name in ("rate", "stddev"))
    if names & RECURRENT:
        cells = getattr(layer, "cell", None)
        cells = getattr(cells, "cells", [cells])
        return any(
            getattr(cell, name, 0) for cell in cells for name in ("dropout", "recurrent_dropout")
        )
    return bool(names & ATTENTION) and bool(getattr(layer, "dropout", 0))


def _pinned(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a layer's call with ``training=True``, whatever it is given."""
    signature = inspect.signature(call)

    def pinned(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.arguments["training"] = True
        return call(*bound.args, **bound.kwargs)

    return pinned


def _moments(drawn: Iterator[Any]) -> tuple[Any, Any]:
    """Return mean and standard deviation, one sample at a time.

    Welford, Note on a method for calculating corrected sums of squares and products,
    Technometrics 4 (1962).
    """
    import numpy as np
    import tensorflow as tf

    first = next(drawn)
    mean = [np.asarray(each, "float64") for each in tf.nest.flatten(first)]
    squares = [np.zeros_like(each) for each in mean]
    count = 1
    for sample in drawn:
        count += 1
        for place, value in enumerate(tf.nest.flatten(sample)):
            gap = value - mean[place]
            mean[place] = mean[place] + gap / count
            squares[place] = squares[place] + gap * (value - mean[place])
    deviations = [np.sqrt(each / count) for each in squares]

    def packed(arrays: list[Any]) -> Any:
        return tf.nest.pack_sequence_as(first, [each.astype("float32") for each in arrays])

    return packed(mean), packed(deviations)


def _joined(parts: list[Any]) -> Any:
    import numpy as np
    import tensorflow as tf

    return tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *parts)
