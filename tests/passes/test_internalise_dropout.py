"""internalise-dropout turns noise in front of recurrent layers into their rates."""

from __future__ import annotations

from support.checking import (
    Row,
    by_refusal,
    by_row,
    check_refusal,
    stays,
)
from support.noise_models import (
    chain,
    constant_sequence,
    drop,
    gru,
    lstm,
    noise,
    of,
)

import rewriter


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


def shared_gru(layers, x, first, second):
    layer = layers.GRU(3, name="gru")
    return layers.Add()([layer(one(x) if one else x) for one in (first, second)])


def branching(layers, x):
    y = noise(layers, "SpatialDropout1D")(x)
    return [layers.GRU(3, name="gru")(y), layers.Dense(2)(y)]


ROWS = {
    "internalised": Row(
        "internalise-dropout",
        chain(lambda layers: layers.SpatialDropout1D(0.5, name="drop"), lstm()),
        ("lstm LSTM",),
    ),
    "noise that changes from step to step stays": stays(
        "internalise-dropout",
        chain(drop(), lstm()),
        ("drop Dropout", "lstm LSTM"),
        "does not drop the same units at all steps",
    ),
}


@by_row(ROWS)
def test_a_model_has_these_calls_after_the_pass(row, dialect, tmp_path):
    row.check(dialect.keras, tmp_path)


REFUSALS = [
    ("internalise-dropout", own_cell, "its cell is not one of Keras"),
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
        "a recurrent layer can only drop units",
    ),
    ("internalise-dropout", of(branching), "other layers get the output of drop too"),
    (
        "internalise-dropout",
        chain(drop("DynamicDropout", shared_axes=1, always_on=True), gru()),
        "drop draws noise at inference too",
    ),
]


@by_refusal(REFUSALS)
def test_it_says_why_it_declines(wanted, model, words, dialect):
    check_refusal(model(dialect.keras), wanted, words)


def test_noise_of_a_state_stays_without_a_note(dialect):
    plan = rewriter.plan(constant_sequence(dialect.keras), ["internalise-dropout"])
    assert (plan.changes, plan.notes) == ((), ())
