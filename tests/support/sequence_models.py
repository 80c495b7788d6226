"""Sequence models of every kind, and how far padding moves what they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

IDS, FEATURES, STEPS = 9, 4, 12

Body = Callable[[Any, Any], Any]


def _attention(kl: Any, x: Any) -> Any:
    return kl.GlobalAveragePooling1D()(kl.Attention()([x, x]))


def _transformer(kl: Any, x: Any) -> Any:
    attended = kl.MultiHeadAttention(2, FEATURES)(x, x)
    x = kl.LayerNormalization()(kl.Add()([x, attended]))
    return kl.GlobalAveragePooling1D()(kl.Dense(FEATURES)(x))


def _nested(kl: Any, x: Any) -> Any:
    import keras
    import tf_keras

    module = keras if kl.__name__.startswith("keras") else tf_keras
    values = kl.Input((None, FEATURES))
    encoder = module.Model(values, kl.GRU(FEATURES, return_sequences=True)(values), name="encoder")
    return kl.GRU(3)(encoder(kl.Dropout(0.2)(encoder(x))))


def _convolutions(kl: Any, x: Any) -> Any:
    x = kl.Conv1D(5, 3, padding="same", activation="relu")(x)
    x = kl.MaxPooling1D(2)(kl.Conv1D(4, 2, dilation_rate=2)(x))
    return kl.LSTM(3)(kl.ZeroPadding1D(1)(kl.UpSampling1D(2)(x)))


BODIES: dict[str, Body] = {
    "lstm": lambda kl, x: kl.LSTM(3)(x),
    "gru": lambda kl, x: kl.GRU(3)(x),
    "simple rnn": lambda kl, x: kl.SimpleRNN(3)(x),
    "cells": lambda kl, x: kl.RNN([kl.LSTMCell(3), kl.GRUCell(2)])(x),
    "bidirectional": lambda kl, x: kl.Bidirectional(kl.LSTM(3))(x),
    "stacked": lambda kl, x: kl.GRU(2)(kl.Dropout(0.3)(kl.LSTM(3, return_sequences=True)(x))),
    "nested": _nested,
    "attention": _attention,
    "transformer": _transformer,
    "convolutions": _convolutions,
    "causal": lambda kl, x: kl.GRU(3)(kl.Conv1D(4, 3, padding="causal", dilation_rate=2)(x)),
    "operators": lambda kl, x: kl.GRU(3)(kl.Rescaling(0.5)(x) * 2.0 + 1.0),
}
"""What stands behind the Embedding."""

BUILT = ("unknown length", "fixed length", "by data")


def model_of(keras: Any, name: str, built: str) -> Any:
    """Return a model of ids: Functional, or Sequential and built by being called on data."""
    kl = keras.layers
    embedding = kl.Embedding(IDS, FEATURES)
    if built != "by data":
        ids = kl.Input((None if built == "unknown length" else STEPS,), dtype="int32")
        return keras.Model(ids, kl.Dense(2)(BODIES[name](kl, embedding(ids))))
    values = kl.Input((None, FEATURES))
    body = keras.Model(values, BODIES[name](kl, values), name="body")
    chain = body.layers[1:] if is_chain(name) else [body]
    model = keras.Sequential([embedding, *chain, kl.Dense(2)])
    model(np.ones((4, STEPS), "int32"))
    return model


def is_chain(name: str) -> bool:
    return name not in ("nested", "attention", "transformer", "operators")


def sensitivity(model: Any, built: str, embedding: Any, batch: int = 4) -> dict[str, float]:
    """Return how far padding moves the outputs, by where it stands.

    Where the length is fixed, shorter sequences are padded in front and behind, and the vector
    at index 0 is replaced by another.
    """
    random = np.random.default_rng(0)
    run = lambda ids: np.asarray(model(ids, training=False))  # noqa: E731
    if built != "fixed length":
        ids = random.integers(1, IDS, (batch, STEPS)).astype("int32")
        zeros = np.zeros((batch, 4), "int32")
        plain = run(ids)
        return {
            "in front": float(abs(run(np.hstack([zeros, ids])) - plain).max()),
            "behind": float(abs(run(np.hstack([ids, zeros])) - plain).max()),
        }
    ids = random.integers(1, IDS, (batch, STEPS - 4)).astype("int32")
    zeros = np.zeros((batch, 4), "int32")
    front, behind = run(np.hstack([zeros, ids])), run(np.hstack([ids, zeros]))
    table = embedding.get_weights()[0]
    embedding.set_weights([np.vstack([random.normal(size=(1, FEATURES)), table[1:]])])
    other = run(np.hstack([ids, zeros]))
    embedding.set_weights([table])
    return {
        "in front, not behind": float(abs(front - behind).max()),
        "another vector at index 0": float(abs(other - behind).max()),
    }
