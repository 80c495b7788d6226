"""Both Keras, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import keras
import pytest
import tensorflow as tf
import tf_keras

from rewriter.layers import keras2, keras3


@dataclass(frozen=True)
class Dialect:
    """One Keras, and the layer for it."""

    name: str
    keras: ModuleType
    layer: type[Any]


KERAS2 = Dialect("keras2", tf_keras, keras2.DynamicDropout)
KERAS3 = Dialect("keras3", keras, keras3.DynamicDropout)


@pytest.fixture(params=[KERAS2, KERAS3], ids=lambda dialect: dialect.name)
def dialect(request):
    return request.param


@pytest.fixture(autouse=True)
def fixed_seeds():
    keras.utils.set_random_seed(1)
    tf.random.set_seed(1)  # Keras 2 combines the seed of a layer with this one
