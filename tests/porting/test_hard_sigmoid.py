"""hard_sigmoid: a function of this package, or scaled weights and that of Keras 3."""

from __future__ import annotations

import numpy as np
import pytest
from support.porting_trial import difference, randomise

from rewriter.live.reading import read_live
from rewriter.porting import translate
from rewriter.rebuild.ported import build


def model_of(keras):
    """Every layer whose weights can be scaled, side by side."""
    layers = keras.layers
    steps, image = keras.Input((7, 4)), keras.Input((8, 8, 4))
    gates = {"recurrent_activation": "hard_sigmoid"}
    own = {"activation": "hard_sigmoid"}
    rows = keras.Input((3, 6, 6, 2))
    outputs = [
        layers.LSTM(3, **gates)(steps),
        layers.GRU(3, **gates)(steps),
        layers.GRU(3, reset_after=False, **gates, **own)(steps),
        layers.SimpleRNN(3, **own)(steps),
        layers.Bidirectional(layers.LSTM(3, **gates))(steps),
        layers.RNN(layers.LSTMCell(3, **gates))(steps),
        layers.ConvLSTM2D(2, 2)(rows),
        layers.Dense(3, **own)(steps),
        layers.Conv1D(3, 2, **own)(steps),
        layers.SeparableConv2D(3, 2, **own)(image),
        layers.DepthwiseConv2D(2, **own)(image),
        layers.Activation("hard_sigmoid")(steps),
    ]
    return keras.Model([steps, image, rows], outputs)


@pytest.mark.parametrize("way", ["exact", "stock"])
def test_both_ways_give_what_keras_2_gives(way, tmp_path):
    import keras
    import tf_keras

    model = model_of(tf_keras)
    randomise(model)
    translation = translate(read_live(model), hard_sigmoid=way)
    build(translation, model, {}).save(tmp_path / "new.keras")
    new = keras.models.load_model(tmp_path / "new.keras")
    random = np.random.default_rng(0)
    given = [
        random.standard_normal((5, *each.shape[1:])).astype("float32") for each in model.inputs
    ]
    worst, why = difference(model(given), new(given))
    assert not why
    assert worst <= (2e-6 if way == "stock" else 1e-6)
    assert bool(translation.package) == (way == "exact")


def test_without_either_the_outputs_are_others():
    import keras
    import tensorflow as tf
    import tf_keras

    x = tf.linspace(-2.0, 2.0, 9)
    one, other = (module.activations.hard_sigmoid(x) for module in (tf_keras, keras))
    assert np.abs(np.asarray(one) - np.asarray(other)).max() > 0.05


def refusal(layer):
    import tf_keras

    x = tf_keras.Input((7, 4))
    model = tf_keras.Model(x, layer(tf_keras.layers)(x))
    return "; ".join(map(str, translate(read_live(model), hard_sigmoid="stock").refusals))


def test_what_no_scaling_mends_is_refused_by_name():
    said = refusal(lambda layers: layers.LSTM(2, activation="hard_sigmoid", name="twice"))
    assert said.startswith("twice: LSTM: its activation is hard_sigmoid, which it uses twice")
    said = refusal(
        lambda layers: layers.GRU(
            2, recurrent_activation="hard_sigmoid", kernel_regularizer="l2", name="counted"
        )
    )
    assert "counted: GRU" in said
    assert "kernel_regularizer counts them" in said


def test_scaled_weights_are_told_with_what_they_do_to_training():
    import tf_keras

    layers = tf_keras.layers
    x = tf_keras.Input((7, 4))
    lstm = layers.LSTM(2, recurrent_activation="hard_sigmoid", implementation=1)
    translation = translate(read_live(tf_keras.Model(x, lstm(x))), hard_sigmoid="stock")
    said = " ".join(note.reason for note in translation.notes)
    assert "slots for them start fresh" in said
    assert "implementation=1 is left out" in said
    assert translation.tolerance >= 1e-4
