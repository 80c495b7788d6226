"""Make copies of two models and give both the same other weights.

For models whose outputs say nothing with the weights that they have. No model that the user holds
is touched: weights are drawn in the copies, one at a time. Statistics, seeds, tables and integers
stay.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from rewriter.errors import RewriterError, first_line
from rewriter.live.adapters import Live, LiveKeras
from rewriter.live.walk import live_layers
from rewriter.rebuild.builder import rebuild
from rewriter.verification.layer_equality import same_bits
from rewriter.verification.running import Subject, settled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WAYS = ("spread", "fan-in")
"""Drawn from the spread of each weight; and with scale 1/sqrt(fan-in), for saturated ones."""

_ROOM = 3
"""So many times the weights have to be free in memory before a copy of two models is made."""


class NoCopyError(Exception):
    """Models of which no copies with other weights can be made; says why."""


def copy_of(subject: Subject, custom_objects: Mapping[str, Any]) -> Subject:
    """Return a model made anew, with weights of its own.

    Raises
    ------
    NoCopyError
        There is no room for it, or a class cannot be made again.
    """
    needed = _ROOM * sum(_bytes(weight) for weight in subject.model.weights)
    if needed > _free_memory():
        raise NoCopyError(
            f"a copy needs about {needed / 2**20:.0f} MB of memory, which are not free"
        )
    graph = settled(subject.graph)
    try:
        return Subject(graph, rebuild(graph, graph, subject.model, custom_objects).model)
    except (RewriterError, MemoryError) as error:
        raise NoCopyError(f"no copy can be made: {first_line(error)}") from error


def draw_weights(keras: LiveKeras, before: Subject, after: Subject, way: str) -> None:
    """Give two copies the same other weights, one weight at a time.

    Raises
    ------
    NoCopyError
        A weight of one is no weight of the other, so that both cannot get the same.
    """
    import numpy as np

    random = np.random.default_rng(0)
    for old, new in _pairs(keras, before, after):
        value = _constrained(old, _drawn(np.asarray(old), random, way))
        keras.assign(old, value)
        keras.assign(new, value)


def _pairs(keras: LiveKeras, before: Subject, after: Subject) -> Iterator[tuple[Live, Live]]:
    """Yield each weight that training changes, with its counterpart, which has the same bits."""
    old, new = (dict(_weights(keras, subject)) for subject in (before, after))
    for place in [place for place in old if place in new]:
        first, second = old.pop(place), new.pop(place)
        if not same_bits(first, second):
            raise NoCopyError(f"{'/'.join(map(str, place))} has other weights in the two models")
        yield first, second
    for place, second in new.items():  # of layers that a pass wrapped, or took out of a wrapper
        match = next((key for key, first in old.items() if same_bits(first, second)), None)
        if match is None and old:
            raise NoCopyError(f"{'/'.join(map(str, place))} has no counterpart in the original")
        if match is not None:
            yield old.pop(match), second


def _weights(keras: LiveKeras, subject: Subject) -> Iterator[tuple[tuple[str, int], Live]]:
    """Yield the floating-point weights that were made to be trained, frozen or not."""
    seen: set[int] = set()
    for path, layer in live_layers(keras, subject.graph, subject.model).items():
        in_keras_2 = getattr(layer, "_trainable_weights", ())
        held: Sequence[Live] = getattr(layer, "_trainable_variables", in_keras_2)
        for number, weight in enumerate(held):
            if id(weight) not in seen and "float" in _type(weight):
                seen.add(id(weight))
                yield (path, number), weight


def _drawn(value: NDArray[Any], random: np.random.Generator, way: str) -> NDArray[Any]:
    import numpy as np

    numbers = value.astype("float64")
    spread = float(numbers.std()) if np.isfinite(numbers).all() and numbers.size else 0.0
    normal = random.standard_normal(value.shape)
    if way == "spread" and spread > 0:
        return np.asarray(numbers.mean() + spread * normal).astype(value.dtype)
    return np.asarray(normal / max(1, prod(value.shape[:-1])) ** 0.5).astype(value.dtype)


def _constrained(weight: Live, value: NDArray[Any]) -> Any:
    import tensorflow as tf

    tensor = tf.convert_to_tensor(value)
    constraint = getattr(weight, "constraint", None)
    return tensor if constraint is None else tf.convert_to_tensor(constraint(tensor))


def _bytes(weight: Live) -> int:
    return int(prod(weight.shape)) * (8 if "64" in _type(weight) else 4)


def _type(weight: Live) -> str:
    return str(getattr(weight.dtype, "name", weight.dtype))


def _free_memory() -> float:
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # not told on this system
        return float("inf")
