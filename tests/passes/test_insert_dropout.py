"""insert-dropout puts noise behind the layers that fit."""

from __future__ import annotations

from rewriter.passes.insert_dropout import InsertDropout
from support.checking import (
    Row,
    by_refusal,
    by_row,
    check_everything,
    check_refusal,
)
from support.noise_models import (
    chain,
    gru,
    lstm,
)

import rewriter


def ids(keras):
    inputs = keras.layers.Input((7,), dtype="int32", name="ids")
    return keras.Model(inputs, keras.layers.Embedding(9, 3, name="embedding")(inputs))


def ids_of_categories(keras):
    inputs = keras.layers.Input((7,), dtype="int32", name="ids")
    return keras.Model(inputs, keras.layers.CategoryEncoding(9, output_mode="multi_hot")(inputs))


ROWS = {
    "inserted behind sequences": Row(
        "insert-dropout:rate=0.2",
        chain(lstm("one", return_sequences=True), lstm("two")),
        ("one LSTM", "one_dropout DynamicDropout", "two LSTM"),
    ),
    "inserted behind a pattern": Row(
        "insert-dropout:after=den*,to=spatial",
        chain(
            lambda layers: layers.Dense(3, name="dense"),
            lambda layers: layers.Dense(3, name="denote"),
        ),
        ("dense Dense", "dense_dropout SpatialDropout1D", "denote Dense"),
        ("its output is an output of the model",),
    ),
}


@by_row(ROWS)
def test_a_model_has_these_calls_after_the_pass(row, dialect, tmp_path):
    row.check(dialect.keras, tmp_path)


REFUSALS = [
    (
        "insert-dropout:after=dense",
        chain(lambda layers: layers.Dense(4, name="dense"), lambda layers: layers.Masking()),
        "Masking gets its output, and noise makes steps look like padding",
    ),
    ("insert-dropout:after=ids", ids, "its output goes into an Embedding as ids"),
    ("insert-dropout:after=ids", ids_of_categories, "its output is of whole numbers"),
    ("insert-dropout:after=gru", chain(gru()), "its output is an output of the model"),
]


@by_refusal(REFUSALS)
def test_it_says_why_it_declines(wanted, model, words, dialect):
    check_refusal(model(dialect.keras), wanted, words)


def test_it_reaches_into_nested_wrapped_and_shared_layers(dialect, tmp_path):
    paths = {"inner/lstm_dropout"}
    check_everything(dialect.keras, "insert-dropout", paths, tmp_path)


def test_noise_keeps_the_dtype_policy_of_what_it_stands_behind(dialect):
    layers = dialect.keras.layers
    model = dialect.keras.Sequential(
        [
            layers.Input((None, 4)),
            layers.LSTM(3, return_sequences=True, dtype="float64", name="l"),
            layers.LSTM(2, dtype="float64"),
        ]
    )
    new = rewriter.rewrite(model, [InsertDropout(rate=0.1)]).model
    assert new.get_layer("l_dropout").compute_dtype == "float64"
