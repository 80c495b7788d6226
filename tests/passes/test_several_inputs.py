"""`enable-masking` and `carry-mask` where the masks of several inputs meet: which of them pads."""

from __future__ import annotations

import numpy as np
import pytest
from support.written import Written

import rewriter
from rewriter.pipeline.run import make_plan

LENGTH = 8
ENABLE = "enable-masking"


def transformer(keras, vocabularies=None, length=LENGTH, end="attention"):
    """Return a model of tokens, segments and positions, each with an Embedding, added."""
    layers = keras.layers
    vocabularies = vocabularies or {"tokens": 40, "segments": 2, "positions": LENGTH}
    inputs = [layers.Input((length,), dtype="int32", name=name) for name in vocabularies]
    made = [
        layers.Embedding(size, 6, name=f"{name}_table")(each)
        for each, (name, size) in zip(inputs, vocabularies.items(), strict=True)
    ]
    y = layers.Add(name="sum")(made)
    if end == "attention":
        y = layers.MultiHeadAttention(2, 3, name="attention")(y, y)
        y = layers.GlobalAveragePooling1D(name="average")(y)
    else:
        y = layers.GRU(3, name="gru")(y)
    return keras.Model(inputs, layers.Dense(2, name="out")(y))


def unpadded(rows=4, length=LENGTH):
    """Return what users give: the first segment is 0, positions count from 0."""
    random = np.random.default_rng(0)
    tokens = random.integers(1, 40, (rows, length)).astype("int32")
    segments = np.repeat(np.arange(length)[None] >= length // 2, rows, 0).astype("int32")
    positions = np.repeat(np.arange(length, dtype="int32")[None], rows, 0)
    return {"tokens": tokens, "segments": segments, "positions": positions}


def with_padding(data, steps=3):
    tokens = data["tokens"].copy()
    tokens[:, -steps:] = 0
    return {**data, "tokens": tokens}


def on(plan):
    return {
        change.layer
        for change in plan.changes
        if change.class_name in ("Embedding", "Masking") and change.action.value != "replace"
    }


def reasons(plan):
    return {note.layer: note.reason for note in plan.notes if "stays" in note.reason}


def same_on_unpadded(model, wanted, data):
    new = rewriter.rewrite(model, [wanted], verify=False).model
    given = [data[each.name] for each in model.inputs]
    before, after = (np.asarray(each(given)) for each in (model, new))
    np.testing.assert_allclose(after, before, atol=2e-7)
    np.testing.assert_allclose(new.predict(given, verbose=0), before, atol=2e-7)
    return new


@pytest.mark.parametrize("wanted", [ENABLE, "carry-mask"])
def test_the_sizes_of_the_vocabularies_tell_which_input_pads(dialect, wanted):
    model = transformer(dialect.keras)
    plan = rewriter.plan(model, [wanted])
    # In Keras 3, Add drops the mask of the tokens: carry-mask alone gets it around.
    acts = (dialect.number == 2) is (wanted == ENABLE)
    assert on(plan) == ({"tokens_table"} if acts else set())
    assert dialect.number == 2 or wanted != ENABLE or "drops" in reasons(plan)["tokens_table"]
    if wanted == ENABLE:
        assert "vocabulary of 2" in reasons(plan)["segments_table"]
        assert "each of the 8 steps" in reasons(plan)["positions_table"]
    same_on_unpadded(model, wanted, unpadded())


def test_nothing_is_switched_on_where_nothing_tells_which_input_pads(dialect):
    sizes = {"tokens": 40, "segments": 5, "positions": 40}
    model = transformer(dialect.keras, sizes, length=None)
    plan = rewriter.plan(model, [ENABLE])
    assert not plan.changes
    assert all("is not known: name the inputs" in reason for reason in reasons(plan).values())
    assert len(reasons(plan)) == 3


@pytest.mark.parametrize("padded", [True, False])
def test_the_data_tells_which_input_pads(dialect, padded):
    sizes = {"tokens": 40, "segments": 5, "positions": 40}
    model = transformer(dialect.keras, sizes, length=None)
    data = with_padding(unpadded()) if padded else unpadded()
    wanted = ENABLE if dialect.number == 2 else "carry-mask"
    plan = rewriter.plan(model, [wanted], data=data)
    assert on(plan) == {"tokens_table"}
    result = rewriter.rewrite(model, [wanted], data=data)
    assert result.verification.ok
    if dialect.number == 2:
        assert "count the steps" in reasons(plan)["positions_table"]
        assert "where tokens_table has no padding" in reasons(plan)["segments_table"]


def test_inputs_that_are_named_pad(dialect):
    sizes = {"tokens": 40, "tags": 30}
    model = transformer(dialect.keras, sizes, length=None, end="gru")
    plan = rewriter.plan(model, [f"{ENABLE}:input=(tokens,tags)"])
    assert on(plan) == {"tokens_table", "tags_table"}
    assert not rewriter.plan(model, [ENABLE]).changes


def test_words_and_flags_that_are_concatenated_do_not_hide_each_other(dialect):
    layers = dialect.keras.layers
    words = layers.Input((None,), dtype="int32", name="words")
    flags = layers.Input((None, 1), name="flags")
    both = layers.Concatenate(name="both")([layers.Embedding(20, 4, name="table")(words), flags])
    model = dialect.keras.Model([words, flags], layers.GRU(3, name="gru")(both))
    plan = rewriter.plan(model, [ENABLE])
    assert not plan.changes
    assert set(reasons(plan)) == {"table", "flags"}
    data = {
        "words": np.array([[1, 2, 3, 0]], "int32"),
        "flags": np.array([[[0.0], [1.0], [0.0], [0.0]]], "float32"),
    }
    shown = rewriter.plan(model, [ENABLE], data=data)
    assert on(shown) == ({"table"} if dialect.number == 2 else set())
    assert "where table has no padding" in reasons(shown)["flags"]


def test_two_tables_of_one_input_pad_alike(dialect):
    layers = dialect.keras.layers
    ids = layers.Input((None,), dtype="int32", name="ids")
    both = [layers.Embedding(20, 4, name=name)(ids) for name in ("one", "two")]
    model = dialect.keras.Model(ids, layers.GRU(3)(layers.Add()(both)))
    assert on(rewriter.plan(model, [ENABLE])) == {"one", "two"}
    half = [layers.Embedding(20, 4, name=n, mask_zero=n == "one")(ids) for n in ("one", "two")]
    model = dialect.keras.Model(ids, layers.GRU(3)(layers.Add()(half)))
    assert on(rewriter.plan(model, [ENABLE])) == {"two"}


def test_the_probe_pads_as_users_do(dialect):
    """Positions go on counting and segments stay, else the model could not be called."""
    sizes = {"tokens": 40, "segments": 5, "positions": 40}
    model = transformer(dialect.keras, sizes, length=None)
    wanted = f"{ENABLE if dialect.number == 2 else 'carry-mask'}:input=tokens"
    padding = rewriter.rewrite(model, [wanted], data=unpadded()).verification.padding
    assert padding.before["behind"] > 1e-4
    assert padding.after["behind"] < 1e-6


@pytest.mark.fast
@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize("wanted", [ENABLE, "carry-mask"])
def test_of_three_inputs_joined_by_two_layers_none_is_guessed(keras, wanted):
    """Neither is the one that the second layer joins with what the first left unmasked."""
    model = Written(keras)
    rows = []
    for name in ("tokens", "segments", "positions"):
        ids = model.input(name, (None, 6), dtype="int32")
        shape = (None, 6, 4)
        rows.append(model.call("Embedding", f"{name}_table", ids, shape=shape, input_dim=20))
    pair = model.call("Concatenate", "pair", *rows[:2], shape=(None, 6, 8), axis=-1)
    y = model.call("Concatenate", "all", pair, rows[2], shape=(None, 6, 12), axis=-1)
    if wanted == "carry-mask":
        y = model.call("Conv1D", "conv", y, filters=4, kernel_size=[3], padding="same")
    plan = make_plan(model.graph(model.call("GRU", "gru", y, shape=(None, 3), units=3)), [wanted])
    assert not plan.changes
    assert len(reasons(plan)) == 3
