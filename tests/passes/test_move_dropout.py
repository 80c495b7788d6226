"""move-dropout takes noise from in front of layers behind them."""

from __future__ import annotations

from support.checking import (
    Row,
    by_refusal,
    by_row,
    check_everything,
    check_refusal,
    stays,
)
from support.noise_models import (
    chain,
    constant_sequence,
    drop,
    dynamic,
    gru,
    lstm,
    nested,
    noise,
    steps,
    steps_by_name,
)

import rewriter


def branching(keras):
    layers = keras.layers
    inputs = layers.Input((None, 4), name="x")
    noise = layers.Dropout(0.5, name="drop")(inputs)
    head = layers.Dense(2, name="head")(layers.LSTM(3, name="lstm")(noise))
    heads = [head, layers.Dense(2, name="dense")(noise)]
    return keras.Model(inputs, heads)


def end(layers):
    return layers.Dense(2, name="end")


def states(keras):
    layers = keras.layers
    inputs = layers.Input((None, 4), name="x")
    noise = layers.Dropout(0.5, name="drop")(inputs)
    outputs, hidden, _ = layers.LSTM(3, return_state=True, name="lstm")(noise)
    return keras.Model(inputs, layers.Add(name="add")([outputs, hidden]))


def training_as_input(keras):
    """Return noise that an input of the model turns on and off."""
    x, training = keras.layers.Input((7, 4)), keras.layers.Input((), dtype="bool")
    y = noise(keras.layers)(x, training=training)
    return keras.Model([x, training], keras.layers.GRU(3, name="gru")(y))


ROWS = {
    "moved behind a recurrent layer": Row(
        "move-dropout", chain(drop(), lstm(), end), ("lstm LSTM", "drop Dropout", "end Dense")
    ),
    "two in a row keep their order": Row(
        "move-dropout",
        chain(drop(name="first"), drop(name="second"), lstm(), end),
        ("lstm LSTM", "first Dropout", "second Dropout", "end Dense"),
    ),
    "stays between two recurrent layers": stays(
        "move-dropout",
        chain(lstm("one", return_sequences=True), drop(), lstm("two")),
        ("one LSTM", "drop Dropout", "two LSTM"),
        "behind the recurrent layer one already",
    ),
    "moved behind Masking": Row(
        "move-dropout:recurrent=false",
        chain(drop(), lambda layers: layers.Masking(name="mask"), lstm()),
        ("mask Masking", "drop Dropout", "lstm LSTM"),
    ),
    "moved behind BatchNormalization": Row(
        "move-dropout",
        chain(
            drop(),
            lambda layers: layers.BatchNormalization(name="norm"),
            lambda layers: layers.Dense(2, name="dense"),
        ),
        ("norm BatchNormalization", "drop Dropout", "dense Dense"),
        ("keeps the moving variance that it measured with noise in front of it",),
    ),
    "stays where its output branches": stays(
        "move-dropout",
        branching,
        ("drop Dropout", "lstm LSTM", "head Dense", "dense Dense"),
        "lstm is not the only layer that gets its output; with branches=copy",
    ),
    "copied where its output branches": Row(
        "move-dropout:branches=copy",
        branching,
        ("drop_1 Dropout", "lstm LSTM", "drop Dropout", "head Dense", "dense Dense"),
    ),
    "stays where states are in use": stays(
        "move-dropout",
        states,
        ("drop Dropout", "lstm LSTM", "add Add"),
        "the states that lstm gives are used too",
    ),
    "stays where its shape does not fit": stays(
        "move-dropout",
        chain(lambda layers: layers.SpatialDropout1D(0.5, name="drop"), lstm()),
        ("drop SpatialDropout1D", "lstm LSTM"),
        "does not fit the vector that lstm gives",
    ),
    "stays where externalise-dropout put it": stays(
        "move-dropout",
        chain(lambda layers: dynamic(layers)(0.5, shared_axes=1, name="lstm_dropout"), lstm()),
        ("lstm_dropout DynamicDropout", "lstm LSTM"),
    ),
    "moved in a nested model": Row(
        "move-dropout",
        nested,
        ("inner Functional", "dense Dense", "inner/gru GRU", "inner/drop Dropout"),
    ),
}


@by_row(ROWS)
def test_a_model_has_these_calls_after_the_pass(row, dialect, tmp_path):
    row.check(dialect.keras, tmp_path)


REFUSALS = [
    ("move-dropout", chain(drop(noise_shape=(None, 1, 4)), gru()), "its noise shape does not fit"),
    (
        "move-dropout",
        chain(drop(noise_shape=(None, 7, 4)), gru(return_sequences=True), shape=(7, 4)),
        "its noise_shape fixes the features",
    ),
    ("move-dropout", chain(steps(), gru()), "TimeDistributed does not fit the vector"),
    (
        "move-dropout",
        chain(drop("DynamicDropout", always_on=True), gru()),
        "draws noise at inference too",
    ),
    ("move-dropout", training_as_input, "it has no input, or several"),
]


@by_refusal(REFUSALS)
def test_it_says_why_it_declines(wanted, model, words, dialect):
    check_refusal(model(dialect.keras), wanted, words)


def test_it_reaches_into_nested_wrapped_and_shared_layers(dialect, tmp_path):
    paths = {"inner/drop"}
    check_everything(dialect.keras, "move-dropout", paths, tmp_path)


def test_noise_of_a_state_stays_without_a_note(dialect):
    plan = rewriter.plan(constant_sequence(dialect.keras), ["move-dropout"])
    assert (plan.changes, plan.notes) == ((), ())


def test_steps_that_are_given_by_name_are_found_behind_a_state():
    plan = rewriter.plan(steps_by_name(), ["move-dropout"])
    assert [change.layer for change in plan.changes] == ["drop"]
    call = plan.after.calls_of("gru")[0]
    first = plan.after.arguments(call).first
    assert plan.after.fillings(call)[first].call.layer == "steps"
