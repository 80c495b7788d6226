"""free-batch: operations with the batch size in their arguments, freed or named."""

import numpy as np
import pytest
from support.checking import by_refusal, calls_of, check, check_refusal

import rewriter

BATCH = 4


def operation(dialect, name):
    import tensorflow as tf

    return getattr(tf if dialect.number == 2 else dialect.keras.ops, name)


def model_of(dialect, shape, use, batch=BATCH, units=2):
    layers = dialect.keras.layers
    inputs = layers.Input(batch_shape=(batch, *shape), name="x")
    hidden = use(layers.Dense(3, name="dense")(inputs))
    return dialect.keras.Model(inputs, layers.Dense(units, name="out")(hidden))


def broadcast(dialect, *to):
    return lambda tensor: operation(dialect, "broadcast_to")(tensor, to)


def reshape(dialect, *to):
    return lambda tensor: operation(dialect, "reshape")(tensor, to)


def takes_other_batches(dialect, model, shape):
    inputs = np.random.default_rng(0).random((7, *shape)).astype("float32")
    whole = np.asarray(model(inputs))
    rows = [np.asarray(model(inputs[number : number + 1])) for number in range(7)]
    np.testing.assert_allclose(whole, np.concatenate(rows), atol=1e-6)


@pytest.mark.parametrize("to", [(BATCH, 15), (BATCH, -1), (BATCH, 3, 5)])
def test_a_reshape_takes_every_batch_size(dialect, tmp_path, to):
    model = model_of(dialect, (5,), reshape(dialect, *(BATCH, 3)))
    assert rewriter.plan(model, ["free-batch"]).changes
    model = model_of(dialect, (5, 3), reshape(dialect, *to))
    result = rewriter.rewrite(model, ["free-batch"], output=tmp_path / "m.keras")
    assert result.verification.max_difference == 0.0
    assert result.plan.notes == ()
    takes_other_batches(dialect, dialect.keras.models.load_model(tmp_path / "m.keras"), (5, 3))


def test_a_broadcast_over_another_axis_repeats_it(dialect, tmp_path):
    model = model_of(dialect, (1, 3), broadcast(dialect, BATCH, 5, 3))
    before = calls_of(rewriter.read(model))
    calls = [call.replace("BroadcastTo", "Tile") for call in before]
    done = check(dialect.keras, model, "free-batch", calls, tmp_path)
    assert done.result.verification.max_difference == 0.0
    takes_other_batches(dialect, done.reloaded, (1, 3))


def test_a_broadcast_that_does_nothing_goes(dialect, tmp_path):
    model = model_of(dialect, (5, 3), broadcast(dialect, BATCH, 5, 3))
    done = check(dialect.keras, model, "free-batch", ["dense Dense", "out Dense"], tmp_path)
    takes_other_batches(dialect, done.reloaded, (5, 3))


@pytest.mark.parametrize(
    ("shape", "to", "batch", "words"),
    [
        ((1, 3), (BATCH, 5, 3), None, "may have one row"),
        ((3,), (BATCH, BATCH, 3), BATCH, "it makes the rows that it gives"),
        ((None, 3), (BATCH, 5, 3), BATCH, "the shape of its input is not known"),
    ],
)
def test_a_broadcast_that_makes_rows_stays_and_is_named(dialect, shape, to, batch, words):
    model = model_of(dialect, shape, broadcast(dialect, *to), batch)
    plan = rewriter.plan(model, ["free-batch"])
    (note,) = plan.notes
    assert note.reason.startswith("stays: broadcast_to: ")
    assert words in note.reason


def test_a_slice_of_so_many_rows_stays_and_is_named(dialect):
    cut = operation(dialect, "slice")
    model = model_of(dialect, (3,), lambda tensor: cut(tensor, [0, 0], [BATCH, 2]))
    (note,) = rewriter.plan(model, ["free-batch"]).notes
    assert "slice: 4 rows stand in its arguments" in note.reason


def test_a_stateful_layer_keeps_the_batch_size_of_its_model(dialect):
    layers = dialect.keras.layers
    inputs = layers.Input(batch_shape=(BATCH, None, 3))
    model = dialect.keras.Model(inputs, layers.GRU(2, stateful=True, name="gru")(inputs))
    (note,) = rewriter.plan(model, ["free-batch"]).notes
    assert note.layer == "gru"
    assert "its state fixes the batch size; stateful=drop makes it stateless" in note.reason


def open_reshape(keras):
    """Return a reshape to a fixed first size, of a tensor whose size nothing tells."""
    import tensorflow as tf

    inputs = keras.layers.Input((None, 3), name="x")
    reshape = keras.ops.reshape if hasattr(keras, "ops") else tf.reshape
    return keras.Model(inputs, keras.layers.Dense(2)(reshape(inputs, (4, -1, 3))))


def fixed_reshape(keras):
    import tensorflow as tf

    inputs = keras.layers.Input(batch_shape=(4, None, 3), name="x")
    reshape = keras.ops.reshape if hasattr(keras, "ops") else tf.reshape
    return keras.Model(inputs, keras.layers.Dense(2)(reshape(inputs, (4, -1, 3))))


REFUSALS = [
    ("free-batch", fixed_reshape, "the size of its input is not known"),
    ("free-batch", open_reshape, "what its first size means cannot be told"),
]


@by_refusal(REFUSALS)
def test_it_says_why_it_declines(wanted, model, words, dialect):
    check_refusal(model(dialect.keras), wanted, words)
