"""How far padding moves outputs, measured on made sequences and on the user's."""

import numpy as np
import pytest

import rewriter
from rewriter.graph import Layer, ModelGraph, Tensor
from rewriter.verification.inputs.specs import input_specs
from rewriter.verification.padding_probe import probe


def model(length, *layers):
    graph = ModelGraph(keras=3, class_name="Functional", name="m")
    config = {"batch_shape": (None, length), "dtype": "int32"}
    tensor = Tensor(graph.add(Layer("x", "InputLayer", config)))
    graph.inputs = [tensor]
    for name, class_name, config in (
        ("emb", "Embedding", {"input_dim": 9, "mask_zero": True}),
        *layers,
    ):
        tensor = Tensor(graph.add(Layer(name, class_name, config), [tensor]))
    graph.outputs = [tensor]
    return graph


def probing(graph, given=None, length=7):
    return probe(input_specs(graph), graph, length, given)


def last(arrays):
    """A model that sees the last step alone."""
    return [arrays[0][:, -1:].astype(float)]


def total(arrays):
    """A model that does not care where padding stands."""
    return [arrays[0].sum(axis=1, keepdims=True).astype(float)]


@pytest.mark.fast
@pytest.mark.parametrize("length", [None, 10])
def test_a_model_that_heeds_padding_is_told_from_one_that_does_not(length):
    made = probing(model(length))
    assert max(made.sensitivity(last, []).values()) > 0
    assert max(made.sensitivity(total, []).values()) == 0


@pytest.mark.fast
def test_a_free_length_is_padded_in_front_and_behind_and_a_fixed_one_on_either_side():
    assert list(probing(model(None)).sensitivity(last, [])) == ["in front", "behind"]
    assert list(probing(model(10)).sensitivity(last, [])) == ["in front, not behind"]


@pytest.mark.fast
def test_no_window_shifts_where_the_padding_changes_sides():
    pool = ("pool", "MaxPooling1D", {"pool_size": [3], "strides": [3]})
    assert probing(model(None, pool)).steps == 6
    rows = np.array([[1, 2, 3, 4, 5, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 0, 0, 0], [1] * 9])
    assert probing(model(9, pool), (rows,)).arrays[0].tolist() == [rows[1].tolist()]


@pytest.mark.fast
def test_the_vector_at_index_0_is_changed_and_given_back():
    class Table:
        value = np.ones((9, 4), "float32")

        def __array__(self, dtype=None, copy=None):
            return self.value

        def assign(self, value):
            self.value = value

    table = Table()
    run = lambda arrays: [table.value[arrays[0]].sum(axis=(1, 2))[:, None]]  # noqa: E731
    found = probing(model(10)).sensitivity(run, [table])
    assert found["another vector at index 0"] > 0
    assert np.array_equal(table.value, Table.value)


@pytest.mark.fast
def test_without_padding_there_is_nothing_to_measure():
    graph = model(None)
    graph.configure("emb", {"mask_zero": False}, reason="no mask")
    assert probing(graph) is None


def test_it_is_told_where_the_data_has_no_padding_to_measure_with(dialect):
    kl = dialect.keras.layers
    ids = kl.Input((8,), dtype="int32", name="ids")
    model = dialect.keras.Model(ids, kl.GRU(2)(kl.Embedding(9, 4)(ids)))
    given = np.random.default_rng(0).integers(1, 9, (5, 8))
    for padded in (False, True):
        given[:2, 6:] = given[:2, 6:] * (not padded)
        result = rewriter.rewrite(model, ["enable-masking"], data={"ids": given})
        assert result.verification.to_json()["padding"]["sensitivity_on_data"] is padded
        assert ("of made sequences" in str(result.verification)) is not padded


def test_an_embedding_with_a_slash_in_its_name_is_found():
    import tf_keras

    x = tf_keras.Input((8,), dtype="int32")
    y = tf_keras.layers.Embedding(9, 2, name="words/ids")(x)
    model = tf_keras.Model(x, tf_keras.layers.LSTM(2)(y))
    padding = rewriter.rewrite(model, ["enable-masking"]).verification.padding
    assert padding.after["another vector at index 0"] == 0
