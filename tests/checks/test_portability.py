"""RW502 says of each layer of Keras 2 what Keras 3 does when it loads it."""

from __future__ import annotations

import pytest

import rewriter

LAYERS = {
    "Dense": ((4,), lambda layers: layers.Dense(2)),
    "a slash": ((4,), lambda layers: layers.Dense(2, name="block/dense")),
    "LSTM": ((5, 4), lambda layers: layers.LSTM(2)),
    "both": ((5, 4), lambda layers: layers.Bidirectional(layers.GRU(2))),
    "cells": ((5, 4), lambda layers: layers.RNN([layers.LSTMCell(2), layers.GRUCell(2)])),
    "Conv1D": ((5, 4), lambda layers: layers.Conv1D(2, 2)),
    "SeparableConv1D": ((5, 4), lambda layers: layers.SeparableConv1D(2, 2)),
    "DepthwiseConv2D": ((5, 5, 4), lambda layers: layers.DepthwiseConv2D(2)),
    "Conv2DTranspose": ((5, 5, 4), lambda layers: layers.Conv2DTranspose(2, 2)),
    "SpatialDropout1D": ((5, 4), lambda layers: layers.SpatialDropout1D(0.5)),
    "GaussianNoise": ((4,), lambda layers: layers.GaussianNoise(0.5)),
    "BatchNormalization": ((4,), lambda layers: layers.BatchNormalization()),
    "LayerNormalization": ((4,), lambda layers: layers.LayerNormalization()),
    "Embedding": ((5,), lambda layers: layers.Embedding(10, 4)),
    "Lambda": ((4,), lambda layers: layers.Lambda(lambda value: value * 2)),
    "ThresholdedReLU": ((4,), lambda layers: layers.ThresholdedReLU()),
    "RandomFlip": ((5, 5, 3), lambda layers: layers.RandomFlip()),
    "TimeDistributed": ((5, 4), lambda layers: layers.TimeDistributed(layers.Dense(2))),
}


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("name", LAYERS)
def test_what_keras_3_cannot_load_is_told(name, ending, tmp_path):
    import keras
    import tf_keras

    shape, make = LAYERS[name]
    path = tmp_path / f"m{ending}"
    tf_keras.Sequential([tf_keras.Input(shape), make(tf_keras.layers)]).save(path)
    try:
        keras.models.load_model(path, compile=False, safe_mode=False)
        loads = True
    except Exception:
        loads = False
    assert bool(rewriter.check(path, select=["RW502"])) is not loads


def test_functional_models_are_refused_in_keras_files_alone(tmp_path):
    import keras
    import tf_keras

    x = tf_keras.Input((4,))
    model = tf_keras.Model(x, tf_keras.layers.Dense(2)(x))
    model.save(tmp_path / "m.h5")
    model.save(tmp_path / "m.keras")
    assert rewriter.check(tmp_path / "m.h5", select=["RW502"]) == []
    keras.models.load_model(tmp_path / "m.h5", compile=False)
    assert rewriter.check(tmp_path / "m.keras", select=["RW502"])
    with pytest.raises((TypeError, ValueError)):
        keras.models.load_model(tmp_path / "m.keras", compile=False)
