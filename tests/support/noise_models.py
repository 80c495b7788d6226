"""Small models of noise and recurrent layers, in either Keras.

A layer is given as a function of `keras.layers`, a model as a function of `keras`.
"""

from __future__ import annotations

import importlib

import numpy as np


def dynamic(layers):
    number = 3 if layers.__name__.startswith("keras") else 2
    return importlib.import_module(f"rewriter.layers.keras{number}").DynamicDropout


def noise(layers, kind="Dropout", name="drop", **options):
    """Return a noise layer of rate 0.5."""
    cls = dynamic(layers) if kind == "DynamicDropout" else getattr(layers, kind)
    return cls(0.5, name=name, **options)


def drop(kind="Dropout", **options):
    return lambda layers: noise(layers, kind, **options)


def steps(kind="Dropout", **options):
    return lambda layers: layers.TimeDistributed(noise(layers, kind, **options), name="steps")


def gru(name="gru", **options):
    return lambda layers: layers.GRU(4, name=name, **options)


def lstm(name="lstm", **options):
    return lambda layers: layers.LSTM(3, name=name, **options)


def chain(*layer_functions, shape=(None, 4)):
    """Return a function that makes a Sequential model."""

    def model(keras):
        layers = keras.layers
        return keras.Sequential([layers.Input(shape), *(one(layers) for one in layer_functions)])

    return model


def of(make, shape=(7, 4)):
    """Return a function that makes a model, given what makes its output of layers and an input."""

    def model(keras):
        inputs = keras.layers.Input(shape, name="x")
        return keras.Model(inputs, make(keras.layers, inputs))

    return model


def with_training_true(layer_function):
    return of(lambda layers, x: layer_function(layers)(x, training=True))


def shared_lstm(keras):
    """Return a model that calls one LSTM with a rate twice."""
    layers = keras.layers
    inputs = [layers.Input((None, 4), name=name) for name in "ab"]
    layer = layers.LSTM(3, dropout=0.5, name="lstm")
    return keras.Model(inputs, layers.Add(name="add")([layer(x) for x in inputs]))


def nested(keras):
    """Return a model with noise in front of a GRU with rates, in a nested model."""
    layers = keras.layers
    x = layers.Input((None, 4))
    inner_noise = layers.Dropout(0.5, name="drop")(x)
    inner_gru = layers.GRU(3, dropout=0.2, recurrent_dropout=0.4, name="gru")
    inner = keras.Model(x, inner_gru(inner_noise), name="inner")
    inputs = layers.Input((None, 4), name="x")
    return keras.Model(inputs, layers.Dense(2, name="dense")(inner(inputs)))


def constant_sequence(keras, **options):
    """Return a recurrent layer that is given its state, over steps that are always the same."""
    state = keras.layers.Input((3,), name="state")
    sequence = np.ones((2, 7, 4), "float32")
    layer = keras.layers.GRU(3, name="gru", **options)
    return keras.Model(state, layer(sequence, initial_state=noise(keras.layers)(state)))


def steps_by_name():
    """Return a Keras 3 model whose GRU is given its state in front of its steps."""
    import keras

    sequence, state = keras.Input((7, 4), name="steps"), keras.Input((3,))
    layer = keras.layers.GRU(3, dropout=0.5, name="gru")
    y = layer(initial_state=state, sequences=noise(keras.layers)(sequence))
    return keras.Model([sequence, state], keras.layers.Dense(2, name="out")(y))


def everything(keras):
    """Return a model with shared noise, a shared nested model and wrapped layers."""
    layers = keras.layers
    x = layers.Input((3, 4))
    y = layers.Masking(name="mask")(layers.Dropout(0.5, name="drop")(x))
    y = layers.LSTM(4, dropout=0.3, recurrent_dropout=0.2, return_sequences=True, name="lstm")(y)
    y = layers.TimeDistributed(layers.Dense(4), name="steps")(y)
    inner = keras.Model(x, layers.SpatialDropout1D(0.5, name="spatial")(y), name="inner")
    inputs = [layers.Input((3, 4), name=name) for name in "ab"]
    shared = layers.Dropout(0.2, noise_shape=(None, 1, 4), name="shared")
    y = layers.Add(name="add")([inner(shared(tensor)) for tensor in inputs])
    both = layers.SimpleRNN(3, dropout=0.2, return_sequences=True)
    y = layers.Bidirectional(both, name="both")(y)
    y = layers.TimeDistributed(layers.Dropout(0.5), name="wrapped")(y)
    return keras.Model(inputs, layers.SimpleRNN(3, name="last")(y))
