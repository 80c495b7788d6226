"""Where a pass meets its pattern and must not act, its note says why."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import rewriter


def noise(layers, kind="Dropout", name="drop", **options):
    if kind == "DynamicDropout":
        number = 3 if layers.__name__.startswith("keras") else 2
        return importlib.import_module(f"rewriter.layers.keras{number}").DynamicDropout(
            0.5, name=name, **options
        )
    return getattr(layers, kind)(0.5, name=name, **options)


def chain(*made, shape=(7, 4)):
    """Return a function that makes a Sequential model."""

    def model(keras):
        layers = keras.layers
        return keras.Sequential([layers.Input(shape), *(make(layers) for make in made)])

    return model


def of(make):
    """Return a function that makes a model of a function of layers and an input."""

    def model(keras):
        inputs = keras.layers.Input((7, 4), name="x")
        return keras.Model(inputs, make(keras.layers, inputs))

    return model


def drop(kind="Dropout", **options):
    return lambda layers: noise(layers, kind, **options)


def gru(name="gru", **options):
    return lambda layers: layers.GRU(4, name=name, **options)


def steps(kind="Dropout", **options):
    return lambda layers: layers.TimeDistributed(noise(layers, kind, **options), name="steps")


def own_cell(keras):
    """Return a model with noise in front of a cell that is not Keras'."""

    class Own(keras.layers.GRUCell):
        """A class of one's own."""

    cell = Own(3)
    return keras.Sequential(
        [
            keras.layers.Input((7, 4)),
            noise(keras.layers, "SpatialDropout1D"),
            keras.layers.RNN(cell, name="rnn"),
        ]
    )


def two_rates(layers):
    backward = layers.GRU(3, dropout=0.2, go_backwards=True)
    return layers.Bidirectional(layers.GRU(3, dropout=0.5), backward_layer=backward, name="both")


def shared_gru(layers, x, first, second):
    layer = layers.GRU(3, name="gru")
    made = [layer(one(x) if one else x) for one in (first, second)]
    return layers.Add()(made)


def branching(layers, x):
    y = noise(layers, "SpatialDropout1D")(x)
    return [layers.GRU(3, name="gru")(y), layers.Dense(2)(y)]


def ids(keras):
    inputs = keras.layers.Input((7,), dtype="int32", name="ids")
    return keras.Model(inputs, keras.layers.Embedding(9, 3, name="embedding")(inputs))


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


def ids_of_categories(keras):
    inputs = keras.layers.Input((7,), dtype="int32", name="ids")
    return keras.Model(inputs, keras.layers.CategoryEncoding(9, output_mode="multi_hot")(inputs))


def training_as_input(keras):
    """Return noise that an input of the model turns on and off."""
    x, training = keras.layers.Input((7, 4)), keras.layers.Input((), dtype="bool")
    y = noise(keras.layers)(x, training=training)
    return keras.Model([x, training], keras.layers.GRU(3, name="gru")(y))


def constant_sequence(keras, **options):
    """Return a recurrent layer that is given its state, over steps that are always the same."""
    state = keras.layers.Input((3,), name="state")
    steps = np.ones((2, 7, 4), "float32")
    gru = keras.layers.GRU(3, name="gru", **options)
    return keras.Model(state, gru(steps, initial_state=noise(keras.layers)(state)))


def own_wrapper(layers):
    class Own(layers.Wrapper):
        """A class of one's own."""

        def call(self, inputs):
            return self.layer(inputs)

    return Own(layers.GRU(4, dropout=0.5), name="own")


def behind_own_layer(keras):
    """Return noise for a tensor whose shape no config tells."""

    class Own(keras.layers.Layer):
        """A class of one's own."""

        def call(self, inputs):
            return inputs

    stack = [keras.layers.Input((7, 4)), Own(), drop("DynamicDropout", shared_axes=1)(keras.layers)]
    return keras.Sequential(stack)


def pinned(make):
    return of(lambda layers, x: make(layers)(x, training=True))


def embedded_steps(layers):
    embedding = layers.Embedding(9, 3, mask_zero=True)
    return layers.TimeDistributed(embedding, name="steps")


BOTH = (2, 3)
ROWS = [
    # move-dropout
    ("move-dropout", chain(drop(noise_shape=(None, 1, 4)), gru()), "its noise shape does not fit"),
    (
        "move-dropout",
        chain(drop(noise_shape=(None, 7, 4)), gru(return_sequences=True)),
        "its noise_shape fixes the features",
    ),
    ("move-dropout", chain(steps(), gru()), "TimeDistributed does not fit the vector"),
    (
        "move-dropout",
        chain(drop("DynamicDropout", always_on=True), gru()),
        "active at inference as well",
    ),
    ("move-dropout", training_as_input, "it has no single input"),
    # replace-dropout
    (
        "replace-dropout:to=standard",
        behind_own_layer,
        "its noise_shape cannot be written for a tensor of unknown rank",
        (3,),
    ),
    ("replace-dropout:to=spatial", chain(drop(), shape=(4,)), "no spatial dropout for a tensor"),
    (
        "replace-dropout:to=gaussian",
        chain(drop("SpatialDropout1D")),
        "GaussianDropout draws for each unit",
    ),
    (
        "replace-dropout:to=alpha",
        chain(drop("SpatialDropout1D")),
        "does not save a noise_shape",
        (2,),
    ),
    ("replace-dropout", chain(drop("GaussianNoise")), "GaussianNoise has no rate"),
    ("replace-dropout", chain(steps()), "Keras 2 cannot load it inside TimeDistributed", (2,)),
    (
        "replace-dropout:to=standard",
        chain(drop("DynamicDropout", always_on=True)),
        "active at inference as well",
    ),
    # insert-dropout
    (
        "insert-dropout:after=dense",
        chain(lambda layers: layers.Dense(4, name="dense"), lambda layers: layers.Masking()),
        "noise in front of Masking hides or fakes padding",
    ),
    ("insert-dropout:after=ids", ids, "its output is ids"),
    ("insert-dropout:after=ids", ids_of_categories, "its output is whole numbers"),
    ("insert-dropout:after=gru", chain(gru()), "the model gives its output"),
    # externalise-dropout
    ("externalise-dropout", chain(two_rates), "its two directions have different rates"),
    ("externalise-dropout", pinned(gru(dropout=0.5)), "active at inference as well", (2,)),
    (
        "externalise-dropout",
        lambda keras: constant_sequence(keras, dropout=0.5),
        "a call has no tensor as its first argument",
    ),
    ("externalise-dropout", chain(own_wrapper), "what wraps it is not known to this program"),
    # internalise-dropout
    ("internalise-dropout", own_cell, "its cell is not one of Keras'"),
    (
        "internalise-dropout",
        chain(drop("SpatialDropout1D"), gru(dropout=0.2)),
        "it has a dropout rate already",
    ),
    (
        "internalise-dropout",
        of(lambda layers, x: shared_gru(layers, x, noise(layers, "SpatialDropout1D"), None)),
        "its calls have different noise in front of them",
    ),
    (
        "internalise-dropout",
        chain(drop("GaussianDropout"), gru()),
        "a recurrent layer drops units",
    ),
    ("internalise-dropout", of(branching), "other layers get the noise of drop too"),
    (
        "internalise-dropout",
        chain(drop("DynamicDropout", shared_axes=1, always_on=True), gru()),
        "drop is active at inference as well",
    ),
    # unwrap-time-distributed
    ("unwrap-time-distributed", chain(embedded_steps, shape=(7, 4)), "makes a mask for each step"),
    (
        "unwrap-time-distributed",
        chain(steps(noise_shape=(4, 3)), shape=(7, 3)),
        "its noise_shape fixes the batch size of a step",
        (2,),
    ),
    (
        "unwrap-time-distributed",
        chain(steps("DynamicDropout", shared_axes=0)),
        "its noise is shared along the batch of a step",
    ),
    (
        "unwrap-time-distributed",
        chain(
            lambda layers: layers.TimeDistributed(layers.Conv1D(3, 2), name="steps"),
            shape=(7, 4, 3),
        ),
        "Conv1D is not known to work on every step alike",
    ),
    # honour-training
    ("honour-training", pinned(drop()), "Keras 2 honours its training=True", (2,)),
    ("honour-training", pinned(gru(dropout=0.5)), "inside the layer cannot be pinned", (3,)),
    ("honour-training", pinned(steps()), "it is wrapped; see unwrap-time-distributed", (3,)),
    (
        "honour-training",
        pinned(drop("GaussianDropout")),
        "there is no GaussianDropout that is always on",
        (3,),
    ),
    # free-batch
    ("free-batch", fixed_reshape, "the size of its input is not known"),
    ("free-batch", open_reshape, "what its first size means cannot be told"),
]
CASES = [
    (wanted, model, words, number)
    for wanted, model, words, *dialects in ROWS
    for number in (dialects[0] if dialects else BOTH)
]


@pytest.mark.parametrize(
    ("wanted", "model", "words", "dialect"),
    CASES,
    indirect=["dialect"],
    ids=[f"{wanted}: {words}, Keras {number}" for wanted, _, words, number in CASES],
)
def test_a_pass_that_declines_says_why(wanted, model, words, dialect):
    made = model(dialect.keras)
    plan = rewriter.plan(made, [wanted])
    assert any(words in note.reason for note in plan.notes), [note.reason for note in plan.notes]
    touched = {change.layer for change in plan.changes}
    declined = {note.layer for note in plan.notes if words in note.reason}
    assert not touched & declined


def test_in_an_h5_file_no_shape_is_told_behind_a_layer_of_ones_own(dialect, tmp_path):
    behind_own_layer(dialect.keras).save(tmp_path / "model.h5")
    plan = rewriter.plan(tmp_path / "model.h5", ["replace-dropout:to=standard"])
    assert [note.reason for note in plan.notes] == [
        "stays: its noise_shape cannot be written for a tensor of unknown rank"
    ]
    assert not plan.changes


@pytest.mark.parametrize("wanted", ["move-dropout", "internalise-dropout"])
def test_noise_of_a_state_is_not_that_of_the_steps(wanted, dialect):
    plan = rewriter.plan(constant_sequence(dialect.keras), [wanted])
    assert (plan.changes, plan.notes) == ((), ())


@pytest.mark.parametrize(
    ("wanted", "changed", "source"),
    [
        ("move-dropout", ["drop"], "steps"),
        ("externalise-dropout", ["gru", "gru_dropout"], "gru_dropout"),
    ],
)
def test_steps_that_are_given_by_name_are_found_behind_a_state(wanted, changed, source):
    import keras

    steps, state = keras.Input((7, 4), name="steps"), keras.Input((3,))
    gru = keras.layers.GRU(3, dropout=0.5, name="gru")
    y = gru(initial_state=state, sequences=noise(keras.layers)(steps))
    plan = rewriter.plan(keras.Model([steps, state], y), [wanted])
    assert [change.layer for change in plan.changes] == changed
    first = plan.after.arguments(plan.after.calls_of("gru")[0]).first
    assert plan.after.fillings(plan.after.calls_of("gru")[0])[first].call.layer == source
