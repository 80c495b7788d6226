"""Inputs of models that make ids of words, numbers and texts: what is padding in them."""

import numpy as np
import pytest

import rewriter
from rewriter.verification.inputs.made import make_inputs
from rewriter.verification.inputs.specs import input_specs

TEXTS = ["a model", "the model", "a wörd 1"]


def texts(keras, shape=(), **options):
    import tensorflow as tf

    layer = keras.layers.TextVectorization(name="text", **options)
    layer.adapt(tf.constant(TEXTS))
    x = keras.Input(shape, dtype="string", name="x")
    y = keras.layers.Embedding(layer.vocabulary_size(), 3)(layer(x))
    return keras.Model(x, keras.layers.GlobalAveragePooling1D()(y))


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


def looked_up(keras, layer, dtype, ids=9):
    x = keras.Input((5,), dtype=dtype, name="x")
    embedded = keras.layers.Embedding(ids, 2)(getattr(keras.layers, layer[0])(**layer[1])(x))
    return keras.Model(x, keras.layers.GlobalAveragePooling1D()(embedded))


CLOSED = {
    "words": (("StringLookup", {"vocabulary": ["a", "b"]}), "string"),
    "words, padded": (("StringLookup", {"vocabulary": ["a", "b"], "mask_token": "none"}), "string"),
    "numbers": (("IntegerLookup", {"vocabulary": [4, -5]}), "int64"),
    "numbers, padded": (("IntegerLookup", {"vocabulary": [4, 5], "mask_token": -1}), "int32"),
}


@pytest.mark.parametrize("name", CLOSED)
def test_a_lookup_that_fails_on_unknown_words_gets_none(dialect, name):
    (lookup, options), dtype = CLOSED[name]
    model = looked_up(dialect.keras, (lookup, {**options, "num_oov_indices": 0}), dtype)
    verified = rewriter.rewrite(model, ["enable-masking"]).verification
    assert "left out" not in {case.outcome for case in verified.cases}
    assert (verified.padding is not None) == ("mask_token" in options)
    assert {case.outcome for case in rewriter.rehearse(model).cases} == {"trains"}


@pytest.mark.parametrize(
    ("vocabulary", "token", "dtype"),
    [
        ([2**63 - 1, 7], -1, "int64"),
        ([2**31 - 1, 7], 0, "int32"),
        ([2**40, 7], -(2**40), "int32"),
        ([7], -1, "uint8"),
    ],
)
def test_made_numbers_are_within_the_type_of_the_input(dialect, vocabulary, token, dtype):
    options = {"vocabulary": vocabulary, "mask_token": token}
    model = looked_up(dialect.keras, ("IntegerLookup", options), dtype)
    assert rewriter.rewrite(model, ["enable-masking"]).verification.ok


@pytest.mark.parametrize(("token", "dtype"), [("", "string"), (-1, "int64")])
def test_what_hashing_takes_for_padding_is_padding(dialect, token, dtype):
    model = looked_up(dialect.keras, ("Hashing", {"num_bins": 5, "mask_value": token}), dtype)
    assert rewriter.rewrite(model, ["enable-masking"]).verification.padding.changed


@pytest.mark.parametrize("dtype", ["S", object])
def test_padding_is_found_in_bytes(dialect, dtype):
    data = {"x": np.array([[b"a", b"a", b"b", b"a", b"none"], [b"a"] * 5], dtype)}
    options = {"vocabulary": ["a", "b"], "mask_token": "none"}
    model = looked_up(dialect.keras, ("StringLookup", options), "string")
    result = rewriter.rewrite(model, ["enable-masking"], data=data)
    assert (result.verification.padding.sequences, result.verification.padding.changed) == (1, 1)


def test_what_a_layer_says_is_told_where_the_original_fails(dialect):
    model = looked_up(dialect.keras, ("StringLookup", {"mask_token": ""}), "string")
    with pytest.raises(
        rewriter.RewriterError, match=r"was tried: layer string_lookup\w*: Table not initialized"
    ):
        rewriter.rewrite(model, ["enable-masking"])


def test_padding_is_found_in_texts_in_rows(dialect):
    from rewriter.live.vocabulary import pads

    layer = dialect.keras.layers.TextVectorization(output_sequence_length=2, vocabulary=["a"])
    rows = np.array([["a a", "a a a"], ["a", "a a"]], object)
    assert pads(layer, rows).tolist() == [False, True]


def test_ids_that_a_lookup_gets_as_well_stay_within_the_embedding(dialect):
    keras = dialect.keras
    x = keras.Input((3,), dtype="int64")
    found = keras.layers.IntegerLookup(vocabulary=[100, 200])(x)
    both = [keras.layers.Embedding(6, 2)(x), keras.layers.Embedding(3, 2)(found)]
    model = keras.Model(x, keras.layers.Add()(both))
    assert rewriter.verify(model, model).ok
