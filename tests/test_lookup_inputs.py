"""Inputs of models that make ids of words, numbers and texts: what is padding in them."""

import numpy as np
import pytest

import rewriter
from rewriter.inputs import input_specs, make_inputs

TEXTS = ["a model", "the model", "a wörd 1"]


def texts(keras, shape=(), **options):
    import tensorflow as tf

    layer = keras.layers.TextVectorization(name="text", **options)
    layer.adapt(tf.constant(TEXTS))
    x = keras.Input(shape, dtype="string", name="x")
    y = keras.layers.Embedding(layer.vocabulary_size(), 3)(layer(x))
    return keras.Model(x, keras.layers.LSTM(2)(y))


def words(keras):
    layer = keras.layers.StringLookup(vocabulary=["a", "model"], mask_token="none")
    x = keras.Input((None,), dtype="string", name="x")
    return keras.Model(x, keras.layers.GRU(2)(keras.layers.Embedding(4, 2)(layer(x))))


def numbers(keras):
    layer = keras.layers.IntegerLookup(vocabulary=[4, 5, 7], mask_token=-1)
    x = keras.Input((None,), dtype="int64", name="x")
    return keras.Model(x, keras.layers.GRU(2)(keras.layers.Embedding(5, 2)(layer(x))))


MODELS = {
    "texts of any length": texts,
    "texts of a fixed length": lambda keras: texts(keras, output_sequence_length=4),
    "texts in columns": lambda keras: texts(keras, (1,)),
    "characters": lambda keras: texts(keras, split="character", output_sequence_length=9),
    "pairs of words": lambda keras: texts(keras, ngrams=2),
    "words": words,
    "numbers": numbers,
}


@pytest.mark.parametrize("name", MODELS)
def test_masking_behind_a_vocabulary_is_verified_on_inputs_without_padding(dialect, name):
    result = rewriter.rewrite(MODELS[name](dialect.keras), ["enable-masking"])
    assert "emb" in result.plan.changes[0].layer
    assert {case.outcome for case in result.verification.cases} >= {"equal"}
    padding = result.verification.padding
    assert padding.changed > 0
    if name in ("words", "numbers"):  # of texts, no padding can stand in front
        assert min(padding.before.values()) > 0
        assert max(padding.after.values()) == 0


def test_the_padding_of_the_users_texts_is_found(dialect):
    model = texts(dialect.keras, output_sequence_length=3)
    data = {"x": np.array(["a the model", "a wörd 1", "a model", "the model a wörd"])}
    result = rewriter.rewrite(model, ["enable-masking"], data=data)
    assert (result.verification.padding.sequences, result.verification.padding.changed) == (1, 1)
    assert result.verification.padding.on_data


def test_a_fault_that_one_known_word_shows_is_found(dialect):
    keras = dialect.keras

    def of(value):
        layer = keras.layers.StringLookup(vocabulary=["only"])
        x = keras.Input((3,), dtype="string", name="x")
        model = keras.Model(x, keras.layers.Embedding(2, 1, name="emb")(layer(x)))
        model.get_layer("emb").set_weights([np.array([[0.0], [value]])])
        return model

    assert rewriter.verify(of(1.0), of(1.0)).ok
    assert not rewriter.verify(of(1.0), of(2.0)).ok


@pytest.mark.parametrize(("zeros", "counts"), [(False, {4}), (True, {0, 1, 2, 3, 4})])
def test_texts_are_made_whole_or_short(dialect, zeros, counts):
    specs = input_specs(rewriter.read(texts(dialect.keras, output_sequence_length=4)))
    (made,) = make_inputs(specs, 64, 1, 0, zeros=zeros)
    assert {len(text.split()) for text in made} == counts


def test_a_lookup_of_words_by_their_ids_gets_ids(dialect):
    keras = dialect.keras
    x = keras.Input((3,), dtype="int64")
    model = keras.Model(x, keras.layers.StringLookup(vocabulary=["a"], invert=True)(x))
    assert rewriter.verify(model, model).ok
