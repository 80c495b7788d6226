"""Masks go the way that they went in Keras 2, and layers are put in for that alone."""

from __future__ import annotations

import pytest
from support.porting_trial import gap, padded_ids, ported, randomise

from rewriter.live.reading import read_live
from rewriter.porting import translate

MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")


def embedded(layers, tensor, *, masked=True):
    return layers.Embedding(9, 4, mask_zero=masked)(tensor)


def ids(keras, name):
    return keras.Input((None,), dtype="int32", name=name)


def merged(keras, masks):
    layers = keras.layers
    inputs = [ids(keras, "a"), ids(keras, "b")]
    tensors = [embedded(layers, x, masked=on) for x, on in zip(inputs, masks, strict=True)]
    outputs = [layers.LSTM(3)(getattr(layers, name)(name=name)(tensors)) for name in MERGES]
    return keras.Model(inputs, outputs)


def stopped(keras):
    layers = keras.layers
    x = ids(keras, "a")
    y = embedded(layers, x)
    stopping = [
        layers.Identity(),
        layers.Rescaling(2.0),
        layers.Normalization(mean=[1.0] * 4, variance=[2.0] * 4),
    ]
    return keras.Model(x, [layers.GRU(3)(layer(y)) for layer in stopping])


def residual_attention(keras, dropout=0.0):
    layers = keras.layers
    x = ids(keras, "a")
    y = embedded(layers, x)
    for _ in range(2):
        attended = layers.MultiHeadAttention(2, 3)(y, y)
        y = layers.Add()([y, layers.Dropout(dropout)(attended)])
        y = layers.LayerNormalization()(y)
    return keras.Model(x, layers.GRU(2)(y))


def decoder(keras):
    layers = keras.layers
    source, target = ids(keras, "source"), ids(keras, "target")
    encoded = layers.LSTM(4, return_state=True)(embedded(layers, source))
    decoded = layers.LSTM(4, return_sequences=True, name="decoder")(
        embedded(layers, target), initial_state=encoded[1:]
    )
    return keras.Model([source, target], layers.GRU(2)(decoded))


def nested(keras):
    layers = keras.layers
    inner_ids = ids(keras, "inner")
    inner = keras.Model(inner_ids, embedded(layers, inner_ids), name="encoder")
    one, other = ids(keras, "a"), ids(keras, "b")
    y = layers.Multiply()([inner(one), inner(other)])
    return keras.Model([one, other], layers.LSTM(3)(y))


MODELS = {
    "merges of masks": lambda keras: merged(keras, (True, True)),
    "merges of a mask and none": lambda keras: merged(keras, (True, False)),
    "layers that stop a mask": stopped,
    "residual attention": residual_attention,
    "residual attention with dropout": lambda keras: residual_attention(keras, 0.1),
    "initial state": decoder,
    "nested": nested,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_masked_model_gives_what_it_gave(name, tmp_path):
    import tf_keras

    model = MODELS[name](tf_keras)
    randomise(model)
    new = ported(model, tmp_path / "new.keras")
    for seed, (batch, length) in enumerate([(1, 5), (3, 6), (7, 9)]):
        given = [padded_ids(batch, length, seed + 10 * place) for place in range(len(model.inputs))]
        limit = 1e-6 if "attention" in name else 0.0
        assert gap(model, new, given) <= limit
        assert gap(model, new, [each % 8 + 1 for each in given]) <= limit


@pytest.mark.parametrize("name", MODELS)
def test_what_is_put_in_is_named(name):
    import tf_keras

    translation = translate(read_live(MODELS[name](tf_keras)))
    told = {change.layer for change in translation.changes if change.action.value != "configure"}
    assert translation.package
    assert set(translation.package) <= told


def test_nothing_is_put_in_where_no_mask_is_used():
    import tf_keras

    layers = tf_keras.layers
    x, y = ids(tf_keras, "a"), ids(tf_keras, "b")
    merged = layers.Multiply()(
        [embedded(layers, x, masked=False), embedded(layers, y, masked=False)]
    )
    unmasked = tf_keras.Model([x, y], layers.LSTM(3)(merged))
    added = layers.Add()([embedded(layers, x), embedded(layers, y)])
    unused = tf_keras.Model([x, y], layers.GlobalMaxPooling1D()(added))
    for model in (unmasked, unused):
        assert translate(read_live(model)).package == []


def test_one_mask_for_both_inputs_of_a_sum_needs_nothing():
    import tf_keras

    layers = tf_keras.layers
    x = ids(tf_keras, "a")
    y = embedded(layers, x)
    y = layers.Add()([y, layers.Dense(4)(y)])
    model = tf_keras.Model(x, layers.LSTM(3)(y))
    assert translate(read_live(model)).package == []
