"""Where noise must not go, and which batch sizes a freed model takes: judged by Keras."""

from __future__ import annotations

import numpy as np
import pytest

import rewriter
from rewriter.errors import VerificationError
from rewriter.verification import fewer_rows


def reasons(plan):
    return [note.reason for note in plan.notes]


def ending_in(keras, last, nested=False):
    """Return a model whose last layer has noise in front of it."""
    layers = keras.layers
    x = layers.Input((7, 4), name="x")
    y = layers.Dropout(0.5, name="noise")(x)
    model = keras.Model(x, last(layers)(y), name="inner")
    if not nested:
        return model
    outer = layers.Input((7, 4), name="outer")
    return keras.Model(outer, model(layers.Dense(4)(outer)))


LAST = {
    "BatchNormalization": lambda layers: layers.BatchNormalization(name="last"),
    "GRU": lambda layers: layers.GRU(3, name="last"),
    "Masking": lambda layers: layers.Masking(name="last"),
}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("last", LAST)
def test_no_noise_is_moved_onto_the_models_output(dialect, last, nested):
    model = ending_in(dialect.keras, LAST[last], nested)
    plan = rewriter.plan(model, ["move-dropout"])
    assert not plan.changes
    assert "gives an output of the model" in reasons(plan)[0]
    for finding in rewriter.check(model):
        assert finding.fix is None or not finding.fix.startswith("move-dropout")


@pytest.mark.parametrize("nested", [False, True])
def test_noise_on_the_models_output_is_found_in_a_nested_model_too(dialect, nested):
    layers = dialect.keras.layers
    model = ending_in(dialect.keras, lambda layers: layers.GaussianNoise(0.1, name="last"), nested)
    found = [each.layer for each in rewriter.check(model, select=["RW303"])]
    assert found == ["inner/last" if nested else "last"]
    assert layers


def whole_numbers(keras, kind):
    layers = keras.layers
    words = layers.Input((6,), dtype="string", name="words")
    ids = layers.Input((6,), dtype="int32", name="ids")
    given = words if kind == "StringLookup" else ids
    made = {
        "Reshape": lambda: layers.Reshape((6,), name="on")(ids),
        "Flatten": lambda: layers.Flatten(name="on")(ids),
        "StringLookup": lambda: layers.StringLookup(vocabulary=["a", "b"], name="on")(words),
    }[kind]()
    y = layers.Embedding(9, 4)(layers.Reshape((6,), name="further")(made))
    return keras.Model(given, layers.Dense(2)(layers.Flatten()(y)))


@pytest.mark.parametrize("kind", ["Reshape", "Flatten", "StringLookup"])
def test_no_noise_is_put_on_whole_numbers(dialect, kind):
    plan = rewriter.plan(whole_numbers(dialect.keras, kind), ["insert-dropout:after=on"])
    assert not plan.changes
    assert "whole numbers" in reasons(plan)[0]


def test_no_noise_is_put_on_what_operations_make_of_whole_numbers(dialect):
    """Sums, comparisons, choices, casts and indices are whole; what is scaled is not."""
    import tensorflow as tf

    keras, layers = dialect.keras, dialect.keras.layers
    ops = tf if dialect.number == 2 else keras.ops
    ids, real = layers.Input((6,), dtype="int32"), layers.Input((6, 4))
    whole = [
        ops.where(ids > 3, ids + 1, 0),
        ops.cast(ops.argmax(real, axis=-1), "int32") // 2,
        layers.Add()([ids, ids]),
        ops.maximum(ids, 2),
    ]
    rows = [layers.Reshape((6, 1))(each) for each in whole]
    scaled = ops.cast(layers.Reshape((6, 1))(ids), "float32") * 0.5
    told = layers.Embedding(9, 3)(layers.Reshape((24,))(layers.Concatenate(axis=2)(rows)))
    out = layers.Dense(1)(layers.Flatten()(told))
    model = keras.Model([ids, real], [out, layers.Dense(1)(scaled)])
    plan = rewriter.plan(model, ["insert-dropout:after=*"])
    behind = [change.layer.removesuffix("_dropout") for change in plan.changes]
    names = {graph_layer.name for graph_layer in rewriter.read(model).layers}
    assert set(behind) <= names
    classes = [rewriter.read(model).layer(name).class_name for name in behind]
    numbers = {"Embedding", "Flatten", "Cast", "Multiply", "TFOpLambda", "InputLayer"}
    assert set(classes) <= numbers
    assert len(behind) == 5


def test_nothing_is_inserted_where_nothing_reads_the_tensor(dialect):
    layers = dialect.keras.layers
    x = layers.Input((7, 4))
    _, state = layers.GRU(3, return_sequences=True, return_state=True, name="gru")(x)
    model = dialect.keras.Model(x, layers.Dense(2)(state))
    plan = rewriter.plan(model, ["insert-dropout:after=gru"])
    assert not plan.changes
    assert reasons(plan) == ["gets no noise: nothing gets its output"]


BATCH = 4


def fixed(keras, number, kind):
    """Return a model for batches of four, which an operation or a Lambda holds."""
    import tensorflow as tf

    layers, ops = keras.layers, tf if number == 2 else keras.ops
    x = layers.Input(batch_shape=(BATCH, 6), name="x")
    y = layers.Dense(3, name="dense")(x)
    constant = np.arange(12, dtype="float32").reshape(4, 3)
    if kind == "constant":
        y = y + constant if number == 2 else ops.add(y, constant)
    elif kind == "product":
        y = tf.matmul(np.eye(4, dtype="float32"), y) if number == 2 else ops.matmul(np.eye(4), y)
    elif kind == "take":
        rows = [3, 2, 1, 0]
        y = tf.gather(y, rows, axis=0) if number == 2 else ops.take(y, rows, axis=0)
    elif kind == "split":
        parts = tf.split(y, 2, axis=0) if number == 2 else ops.split(y, 2, axis=0)
        y = layers.Concatenate(axis=0)(list(parts))
    elif kind == "index":
        rows = slice(2) if number == 2 else (slice(0, 2),)
        y = layers.Concatenate(axis=0)([y[rows], y[rows]])
    elif kind == "lambda":
        y = layers.Lambda(lambda t: t + constant, output_shape=(3,), name="hidden")(y)
    elif kind == "harmless":
        y = layers.Lambda(lambda t: t * 2.0, output_shape=(3,), name="hidden")(y)
    return keras.Model(x, layers.Dense(2, name="out")(y))


@pytest.mark.parametrize("kind", ["constant", "product", "take", "split", "index"])
def test_inputs_keep_a_batch_size_that_something_holds(dialect, kind):
    plan = rewriter.plan(fixed(dialect.keras, dialect.number, kind), ["free-batch"])
    assert not plan.changes
    assert any("the inputs keep their batch size" in reason for reason in reasons(plan))


def test_a_lambda_that_holds_the_batch_size_is_named_and_found_by_the_verification(dialect):
    model = fixed(dialect.keras, dialect.number, "lambda")
    plan = rewriter.plan(model, ["free-batch"])
    assert any("whether it takes every batch size" in reason for reason in reasons(plan))
    with pytest.raises(VerificationError):
        rewriter.rewrite(model, ["free-batch"])


def test_a_freed_model_is_tried_at_other_batch_sizes(dialect, monkeypatch):
    rows, attempt = set(), fewer_rows.attempt

    def watched(run, arrays):
        rows.add(len(arrays[0]))
        return attempt(run, arrays)

    monkeypatch.setattr(fewer_rows, "attempt", watched)
    model = fixed(dialect.keras, dialect.number, "harmless")
    result = rewriter.rewrite(model, ["free-batch"])
    assert result.verification.ok
    assert rows == {1, 3, 4}
    given = np.ones((7, 6), "float32")
    np.testing.assert_allclose(
        np.asarray(result.model(given))[:4], np.asarray(model(given[:4])), atol=1e-6
    )


def test_no_noise_is_inserted_in_front_of_noise(dialect):
    layers = dialect.keras.layers
    x = layers.Input((7, 4))
    y = layers.GRU(3, return_sequences=True, name="gru")(x)
    heads = [layers.Dense(1)(layers.Dropout(0.5, name="noise")(y)), layers.Dense(1)(y)]
    plan = rewriter.plan(dialect.keras.Model(x, heads), ["insert-dropout"])
    assert not plan.changes
    assert "noise draws noise on it already" in reasons(plan)[0]
