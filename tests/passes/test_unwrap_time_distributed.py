"""unwrap-time-distributed removes the wrapper where the layer does the same without it."""

from __future__ import annotations

from support.checking import (
    Row,
    by_refusal,
    by_row,
    check_everything,
    check_refusal,
)
from support.noise_models import (
    chain,
    steps,
)


def embedded_steps(layers):
    embedding = layers.Embedding(9, 3, mask_zero=True)
    return layers.TimeDistributed(embedding, name="steps")


ROWS = {
    "unwrapped": Row(
        "unwrap-time-distributed",
        chain(
            lambda layers: layers.TimeDistributed(layers.Dense(3), name="dense"),
            lambda layers: layers.TimeDistributed(layers.LayerNormalization(), name="norm"),
            lambda layers: layers.TimeDistributed(layers.Dropout(0.5), name="drop"),
            lambda layers: layers.TimeDistributed(layers.BatchNormalization(), name="kept"),
        ),
        (
            "dense Dense",
            "norm LayerNormalization",
            "drop Dropout",
            "kept TimeDistributed(BatchNormalization)",
        ),
        ("BatchNormalization is not known to work on every step alike",),
    ),
}


@by_row(ROWS)
def test_a_model_has_these_calls_after_the_pass(row, dialect, tmp_path):
    row.check(dialect.keras, tmp_path)


REFUSALS = [
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
]


@by_refusal(REFUSALS)
def test_it_says_why_it_declines(wanted, model, words, dialect):
    check_refusal(model(dialect.keras), wanted, words)


def test_it_reaches_into_nested_wrapped_and_shared_layers(dialect, tmp_path):
    paths = {"inner/steps", "wrapped"}
    check_everything(dialect.keras, "unwrap-time-distributed", paths, tmp_path)
