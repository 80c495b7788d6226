"""Models that a port once got wrong, refused or crashed on, judged by both Keras alone."""

from __future__ import annotations

import numpy as np
import pytest
from support.porting_trial import gap, padded_ids, ported, randomise

from rewriter.live.reading import read_live
from rewriter.porting import translate


def masked(keras, name, features=8):
    x = keras.Input((None,), dtype="int32", name=name)
    return x, keras.layers.Embedding(9, features, mask_zero=True)(x)


def steps_joined(keras):
    """The mask of Concatenate is an operation, which Keras 3 gives the name of the layer."""
    layers = keras.layers
    (a, x), (b, y) = masked(keras, "a"), masked(keras, "b")
    return keras.Model([a, b], layers.LSTM(3)(layers.Concatenate(axis=1)([x, y])))


def nested_twice(keras):
    """The two Keras go through the calls of the nested model in different orders."""
    layers = keras.layers
    entrance = keras.Input((None, 8))
    hidden = layers.LSTM(4, return_sequences=True)(entrance)
    inner = keras.Model(entrance, layers.Dense(3)(hidden), name="inner")
    (a, x), (b, y) = masked(keras, "a"), masked(keras, "b")
    return keras.Model([a, b], [layers.GRU(2)(inner(x)), layers.GRU(2)(inner(y))])


def transformer(keras):
    """A sum by an operator, of a tensor with a mask and attention with dropout."""
    layers = keras.layers
    a, x = masked(keras, "a")
    for _ in range(2):
        attended = layers.MultiHeadAttention(2, 4, dropout=0.1)(x, x)
        x = layers.LayerNormalization()(x + attended)
        x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(8)(x)]))
    return keras.Model(a, [x, layers.GlobalAveragePooling1D()(x)])


def scores(keras):
    """Queries of which the mask hides every key, and the scores of the attention."""
    layers = keras.layers
    a, x = masked(keras, "a")
    attention = layers.MultiHeadAttention(2, 4)
    both = attention(x, x, use_causal_mask=True, return_attention_scores=True)
    return keras.Model(a, list(both))


def activations(keras):
    """A layer, and functions of TensorFlow, as activations."""
    import tensorflow as tf

    layers = keras.layers
    a, x = masked(keras, "a")
    given = (layers.LeakyReLU(0.3), tf.nn.relu, "hard_sigmoid")
    return keras.Model(a, [layers.Dense(3, activation=each)(x) for each in given])


MODELS = {
    each.__name__: each for each in (steps_joined, nested_twice, transformer, scores, activations)
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_gives_what_it_gave(name, tmp_path):
    import tf_keras

    model = MODELS[name](tf_keras)
    randomise(model)
    new = ported(model, tmp_path / "new.keras")
    for seed, (batch, length) in enumerate([(1, 5), (3, 6)]):
        given = [padded_ids(batch, length, seed + 10 * place) for place in range(len(model.inputs))]
        assert gap(model, new, given) <= 1e-6


def test_pairs_of_features_are_crossed(tmp_path):
    import tensorflow as tf
    import tf_keras

    layers = tf_keras.layers
    words = tf_keras.Input((1,), dtype="string")
    crossed = layers.HashedCrossing(7, output_mode="one_hot")((words, layers.Hashing(5)(words)))
    model = tf_keras.Model(words, crossed)
    given = tf.constant([["a"], ["b"], ["c d"]])
    new = ported(model, tmp_path / "new.keras")
    assert np.array_equal(model(given), new(given))


def test_sums_of_equal_shapes_stay_as_they_are():
    import tf_keras

    layers = tf_keras.layers
    x = tf_keras.Input((8, 8, 4))
    y = x
    for _ in range(2):
        z = layers.ReLU()(layers.Conv2D(4, 3, padding="same")(y))
        y = layers.Add()([layers.ZeroPadding2D(1)(z), layers.ZeroPadding2D(1)(y)])
    y = layers.MultiHeadAttention(2, 3)(*[layers.Reshape((-1, 4))(y)] * 2) + 1.0
    translation = translate(read_live(tf_keras.Model(x, y)))
    assert "Subtract" not in {layer.class_name for layer in translation.after.layers}


def test_few_bits_have_a_tolerance_of_their_own():
    import tf_keras

    layers = tf_keras.layers
    x = tf_keras.Input((4,))
    model = tf_keras.Model(x, layers.Dense(3, dtype="mixed_bfloat16")(x))
    assert translate(read_live(model)).tolerance == 2.0**-7
