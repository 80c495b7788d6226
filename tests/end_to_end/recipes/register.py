"""The recipes by name, and what their functions share: batches of inputs without padding."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

ROWS = 4
MODULES = ("attention", "further", "mixtures", "sequences")
"""The modules of this folder that hold recipes, and in `CUSTOM` the classes that these use."""

RECIPES: dict[str, Callable[[Any], tuple[Any, dict[str, np.ndarray]]]] = {}


def recipe(function):
    """Register a function that makes a model, and a batch for it, with a Keras."""
    RECIPES[function.__name__] = function
    return function


def tenth() -> list[str]:
    """Return the tenth of the recipes that every run tries: those with the least hashes."""
    ordered = sorted(RECIPES, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return ordered[: -(-len(ordered) // 10)]


def ids(size: int, length: int, seed: int = 0):
    return np.random.default_rng(seed).integers(1, size, (ROWS, length)).astype("int32")


def numbers(*shape: int):
    return np.random.default_rng(0).standard_normal((ROWS, *shape)).astype("float32")


def words(length: int):
    return np.random.default_rng(0).choice(["a", "b", "c", "?"], (ROWS, length)).astype(object)


def operations(k):
    """Return the functions that work on tensors of Keras: those of Keras 3, or TensorFlow's."""
    import tensorflow as tf

    return getattr(k, "ops", tf)
