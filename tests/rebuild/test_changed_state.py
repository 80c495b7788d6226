"""What a pass changes in the config of a table or of statistics holds in the rebuilt layer."""

import numpy as np
import pytest

import rewriter
from rewriter.errors import RebuildError
from rewriter.pipeline import Guarantee, Pass


class Change(Pass):
    """Change the layer that is named ``layer``."""

    name = "change"
    guarantee = Guarantee.SAME

    def __init__(self, role=None, **changes):
        self.role, self.changes = role, changes

    def run(self, graph):
        yield graph.configure("layer", self.changes, reason="to see it", role=self.role)


def chain(k, layer, *, dtype="float32"):
    x = k.Input((2,), dtype=dtype)
    return k.Model(x, layer(x))


def changed(model, **changes):
    return rewriter.rewrite(model, [Change(**changes)], verify=False).model


def test_other_borders_are_those_of_the_plan(dialect):
    layer = dialect.keras.layers.Discretization(bin_boundaries=[0.0, 1.0], name="layer")
    model = changed(chain(dialect.keras, layer), bin_boundaries=[0.0, 0.5])
    assert np.asarray(model(np.array([[0.2, 0.7]], "float32"))).tolist() == [[1, 2]]


def test_another_vocabulary_is_that_of_the_plan(dialect):
    layer = dialect.keras.layers.IntegerLookup(vocabulary=[5, 7], name="layer")
    model = changed(chain(dialect.keras, layer, dtype="int64"), vocabulary=[7, 5])
    assert np.asarray(model(np.array([[5, 7]]))).tolist() == [[2, 1]]


def test_more_unknown_words_move_the_ids(dialect):
    layer = dialect.keras.layers.IntegerLookup(vocabulary=[5, 7], name="layer")
    model = changed(chain(dialect.keras, layer, dtype="int64"), num_oov_indices=2)
    assert np.asarray(model(np.array([[5, 7]]))).tolist() == [[2, 3]]


def test_other_statistics_are_those_of_the_plan(dialect):
    layer = dialect.keras.layers.Normalization(mean=[0.0, 0.0], variance=[1.0, 1.0], name="layer")
    model = changed(chain(dialect.keras, layer), mean=[1.0, 2.0])
    assert np.asarray(model(np.array([[1.0, 2.0]], "float32"))).tolist() == [[0.0, 0.0]]


def test_what_was_learned_cannot_be_made_otherwise(dialect):
    layer = dialect.keras.layers.IntegerLookup(name="layer")
    layer.adapt(np.array([[5, 7]]))
    with pytest.raises(RebuildError, match="num_oov_indices cannot be changed") as caught:
        changed(chain(dialect.keras, layer, dtype="int64"), num_oov_indices=2)
    assert caught.value.where == "layer"
    assert caught.value.fix == "have the pass set vocabulary too"


def test_what_was_learned_stays_where_something_else_changes(dialect):
    layer = dialect.keras.layers.IntegerLookup(name="layer")
    layer.adapt(np.array([[5, 5, 7]]))
    model = changed(chain(dialect.keras, layer, dtype="int64"), trainable=False)
    assert np.asarray(model(np.array([[5, 7]]))).tolist() == [[1, 2]]
