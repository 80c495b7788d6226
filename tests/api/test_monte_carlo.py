"""Predictions with dropout on and everything else as at inference."""

from __future__ import annotations

import numpy as np
import pytest

import rewriter
from rewriter.errors import RewriterError

ROWS = 5


def test_dropout_is_on_and_batch_normalization_is_not(dialect):
    keras = dialect.keras
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
    )
    x = np.arange(10, dtype="float32").reshape(ROWS, 2)
    before = [np.array(weight) for weight in model.get_weights()]
    mean, std = rewriter.predict_mc(model, x, samples=400, batch_size=2)
    exact = model(x).numpy()
    assert np.allclose(mean, exact, rtol=0.3, atol=1e-6)
    assert np.allclose(std, exact, rtol=0.1, atol=1e-6)  # p = 1/2: the deviation is the mean
    after = model.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert np.array_equal(model.predict(x, verbose=0), exact)
    wrong = np.mean([model(x, training=True).numpy() for _ in range(50)], 0)
    assert not np.allclose(wrong, exact, rtol=0.3)
    assert not np.array_equal(model(x), exact)  # and the averages have moved


def noisy_layers(keras):
    layers = keras.layers
    return {
        "LSTM(dropout)": layers.LSTM(3, dropout=0.5),
        "GRU(recurrent_dropout)": layers.GRU(3, recurrent_dropout=0.5),
        "Bidirectional": layers.Bidirectional(layers.LSTM(3, dropout=0.5)),
        "RNN of cells": layers.RNN([layers.LSTMCell(3), layers.GRUCell(3, dropout=0.5)]),
        "TimeDistributed": layers.TimeDistributed(layers.Dropout(0.5)),
        "SpatialDropout1D": layers.SpatialDropout1D(0.5),
        "GaussianNoise": layers.GaussianNoise(0.5),
        "nested": keras.Sequential([keras.Input((4, 2)), layers.GaussianDropout(0.5)]),
    }


@pytest.mark.parametrize(
    "name",
    [
        "LSTM(dropout)",
        "GRU(recurrent_dropout)",
        "Bidirectional",
        "RNN of cells",
        "TimeDistributed",
        "SpatialDropout1D",
        "GaussianNoise",
        "nested",
    ],
)
def test_noise_is_found_wherever_it_is(dialect, name):
    """The smallest masks have six bits: all samples draw the same one with 64 ** -7 = 2.3e-13."""
    keras = dialect.keras
    inputs = keras.Input((4, 2))
    outputs = keras.layers.Flatten()(noisy_layers(keras)[name](inputs))
    std = rewriter.predict_mc(keras.Model(inputs, outputs), np.ones((3, 4, 2)), samples=8).std
    assert std.shape[0] == 3
    assert (std > 0).any()


def test_attention_drops_its_scores(dialect):
    keras = dialect.keras
    inputs = keras.Input((4, 2))
    plain = keras.layers.Attention(dropout=0.5)([inputs, inputs])
    headed = keras.layers.MultiHeadAttention(1, 2, dropout=0.5)(inputs, inputs)
    model = keras.Model(inputs, [plain, headed])
    deviations = rewriter.predict_mc(model, np.ones((3, 4, 2)), samples=4).std
    assert [bool((std > 0).any()) for std in deviations] == [True, True]


def test_inputs_and_outputs_keep_their_structure(dialect):
    keras = dialect.keras
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    dropped = keras.layers.Dropout(0.5)(keras.layers.Add()([a, b]))
    model = keras.Model([a, b], {"sum": dropped, "a": keras.layers.Identity()(a)})
    mean, std = rewriter.predict_mc(model, {"a": np.ones((ROWS, 2)), "b": np.ones((ROWS, 2))})
    assert set(mean) == {"a", "sum"}
    assert mean["sum"].shape == (ROWS, 2)
    assert not std["a"].any()


@pytest.mark.parametrize("targets", [(), (np.zeros(ROWS),)], ids=["inputs", "with targets"])
def test_a_dataset_gives_its_own_batches_without_its_targets(dialect, targets):
    import tensorflow as tf

    keras = dialect.keras
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5)])
    x = np.ones((ROWS, 2), "float32")
    data = tf.data.Dataset.from_tensor_slices((x, *targets) if targets else x).batch(2)
    mean, std = rewriter.predict_mc(model, data, samples=200)
    assert mean.shape == std.shape == (ROWS, 2)
    assert np.allclose(mean, 1, atol=0.5)
    with pytest.raises(RewriterError, match="no batch"):
        rewriter.predict_mc(model, data.take(0))


def test_a_seed_repeats_the_draws_and_another_gives_others(dialect):
    keras = dialect.keras
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dropout(0.5)])
    x = np.ones((4, 8), "float32")

    def means(seed):
        keras.utils.set_random_seed(seed)
        return rewriter.predict_mc(model, x, samples=2).mean

    assert not np.array_equal(means(1), means(2))
    assert np.array_equal(means(1), means(1))


def test_a_model_without_noise_has_no_spread_to_tell(dialect):
    keras = dialect.keras
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.0)])
    with pytest.raises(RewriterError, match="no noise layer and no dropout"):
        rewriter.predict_mc(model, np.ones((2, 3)))


@pytest.mark.parametrize(
    ("x", "options"),
    [(np.ones((0, 3)), {}), (np.float32(1), {}), (np.ones((2, 3)), {"samples": 0})],
)
def test_nothing_to_predict_is_refused(dialect, x, options):
    keras = dialect.keras
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5)])
    with pytest.raises(RewriterError, match="predict_mc"):
        rewriter.predict_mc(model, x, **options)
