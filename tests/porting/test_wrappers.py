"""Wrappers, steps, time_major, pinned noise: what stands in their place."""

from __future__ import annotations

import numpy as np
import pytest
from support.porting_trial import gap, ported, randomise

import rewriter
from rewriter.errors import PortError
from rewriter.live.reading import read_live
from rewriter.porting import translate


def steps(keras):
    layers = keras.layers
    x = keras.Input((None, 6, 6, 2))
    y = layers.TimeDistributed(layers.Conv2D(2, 2), name="each")(x)
    y = layers.TimeDistributed(layers.GlobalAveragePooling2D())(y)
    y = layers.TimeDistributed(layers.Dense(3), name="dense")(y)
    return keras.Model(x, layers.LSTM(2)(y))


def test_steps_of_any_number_are_right_once_compiled(tmp_path):
    import tf_keras

    model = steps(tf_keras)
    randomise(model)
    new = ported(model, tmp_path / "new.keras")
    for length in (3, 5, 4):
        x = np.random.default_rng(length).standard_normal((2, length, 6, 6, 2)).astype("float32")
        assert np.abs(model.predict(x, verbose=0) - new.predict(x, verbose=0)).max() < 1e-6


def test_a_layer_that_works_on_every_step_stands_without_its_wrapper():
    import tf_keras

    after = translate(read_live(steps(tf_keras))).after
    assert after.layer("dense").class_name == "Dense"
    assert after.layer("each").class_name == "EachStep"


def test_a_known_number_of_steps_needs_nothing():
    import tf_keras

    layers = tf_keras.layers
    x = tf_keras.Input((4, 6))
    model = tf_keras.Model(x, layers.TimeDistributed(layers.LayerNormalization())(x))
    translation = translate(read_live(model))
    assert translation.package == []


def pinned(keras):
    layers = keras.layers
    x = keras.Input((7, 4))
    y = layers.Dropout(0.5, name="always")(x, training=True)
    return keras.Model(x, layers.Dense(3)(layers.SpatialDropout1D(0.2)(y, training=True)))


def test_noise_that_is_pinned_on_stays_on():
    import tf_keras

    result = rewriter.port(pinned(tf_keras))
    assert type(result.model.get_layer("always")).__name__ == "DynamicDropout"
    assert result.verification.ok
    assert "noise at inference switched off" in str(result.verification)
    x = np.ones((2, 7, 4), "float32")
    assert (result.model.predict(x, verbose=0) != result.model.predict(x, verbose=0)).any()


def pinned_norm(layers, x):
    return layers.BatchNormalization()(x, training=True)


def pinned_lstm(layers, x):
    return layers.LSTM(2, dropout=0.5)(x, training=True)


@pytest.mark.parametrize("call", [pinned_norm, pinned_lstm])
def test_what_cannot_be_pinned_is_refused(call):
    import tf_keras

    x = tf_keras.Input((7, 4))
    with pytest.raises(PortError, match="training=True is baked into its call"):
        rewriter.port(tf_keras.Model(x, call(tf_keras.layers, x)))


def test_weights_go_by_layer_whatever_the_order_of_the_model(tmp_path):
    import tf_keras

    layers = tf_keras.layers
    x = tf_keras.Input((4,))
    short = layers.Dense(4, name="z")(x)
    long = layers.Dense(4, name="a")(layers.Dropout(0.1)(layers.Dense(4, name="m")(x)))
    model = tf_keras.Model(x, layers.Concatenate()([short, long]))
    randomise(model)
    assert gap(model, ported(model, tmp_path / "new.keras"), [np.eye(4, dtype="float32")]) == 0.0
