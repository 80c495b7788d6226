"""Layers that hold other layers of the model: their weights stay one."""

from __future__ import annotations

import numpy as np
import pytest

import rewriter
from rewriter.errors import RewriterError


def head_of(keras, in_list=False):
    @keras.saving.register_keras_serializable("tests")
    class TiedHead(keras.layers.Layer):
        """The head of a masked language model: it looks up backwards in the table of words."""

        def __init__(self, table, **kwargs):
            super().__init__(**kwargs)
            if in_list:
                self.tables = [table]
            else:
                self.table = table

        def call(self, inputs):
            import tensorflow as tf

            table = self.tables[0] if in_list else self.table
            weights = tf.convert_to_tensor(table.embeddings)
            return tf.matmul(tf.convert_to_tensor(inputs), weights, transpose_b=True)

        def compute_output_shape(self, shape):
            return (*shape[:-1], 20)

        def get_config(self):
            table = self.tables[0] if in_list else self.table
            held = keras.layers.serialize(table)
            return {**super().get_config(), "table": held}

        @classmethod
        def from_config(cls, config):
            return cls(keras.layers.deserialize(config.pop("table")), **config)

    return TiedHead


def language_model(keras, in_list=False):
    layers = keras.layers
    ids = layers.Input((None,), dtype="int32", name="ids")
    table = layers.Embedding(20, 6, name="table")
    y = layers.Dropout(0.1, name="drop")(table(ids))
    y = layers.GRU(6, return_sequences=True, name="gru")(y)
    y = layers.Dense(6, name="dense")(y)
    return keras.Model(ids, head_of(keras, in_list)(table, name="head")(y))


@pytest.mark.parametrize("wanted", ["strip-dropout", "enable-masking", "insert-dropout"])
def test_a_head_that_holds_the_embedding_goes_on_using_its_weights(dialect, wanted, tmp_path):
    if dialect.number == 2:
        pytest.skip("Keras 2 cannot load its own save of this head")
    model = language_model(dialect.keras)
    new = rewriter.rewrite(model, [wanted], output=tmp_path / "m.keras").model
    assert len(new.weights) == len(model.weights)
    assert new.get_layer("head").table is new.get_layer("table")
    ids = np.array([[1, 2, 3]])
    table = new.get_layer("table")
    table.set_weights([table.get_weights()[0] * 0])
    assert not np.asarray(new(ids)).any()
    assert np.asarray(model(ids)).any()


def test_a_layer_that_hides_the_one_that_it_shares_is_refused_by_name(dialect):
    model = language_model(dialect.keras, in_list=True)
    with pytest.raises(RewriterError, match="holds the layer table of the model") as refused:
        rewriter.rewrite(model, ["strip-dropout"])
    assert refused.value.where == "head"
