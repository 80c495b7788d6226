"""A rehearsal before and after says one row a noise layer, by the names of the user's model."""

from __future__ import annotations

import rewriter


def attending(keras):
    layers = keras.layers
    x = layers.Input((5, 4), name="x")
    y = layers.MultiHeadAttention(2, 4, dropout=0.3, name="attention")(x, x)
    y = layers.TimeDistributed(layers.Dropout(0.5), name="steps")(y)
    return keras.Model(x, layers.Dense(2, name="out")(layers.Dense(3, name="middle")(y)))


def test_attention_that_keeps_its_noise_has_one_row_before_and_after(dialect):
    for _ in range(3):  # so that Keras has counted its names up
        model = attending(dialect.keras)
    wanted = "insert-dropout:after=middle"
    compared = rewriter.rewrite(model, [wanted], verify=False, rehearse=True).rehearsal
    rows = {row.layer: row for row in compared.layers}
    inside = [path for path in rows if path.startswith("attention")]
    assert len(inside) == 1
    assert rows[inside[0]].before and rows[inside[0]].after
    assert not any(character.isdigit() for character in inside[0])
    assert [path for path in rows if path.startswith("steps")] == ["steps"]
    assert len(rows["steps"].before) == 1
