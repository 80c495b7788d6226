"""What index 0 of an Embedding is, by where its ids come from."""

import pytest

import rewriter
from rewriter.analysis.masks.padding_ids import not_padding
from rewriter.checks import check_graph
from rewriter.graph import Layer, ModelGraph, Tensor
from rewriter.pipeline.run import make_plan


def model(*between, keras=3, dtype="string"):
    """Return the graph of an input, layers that make ids of it, an Embedding and an LSTM."""
    graph = ModelGraph(keras=keras, class_name="Functional", name="m")
    config = {"batch_shape": (None, None), "dtype": dtype}
    tensor = Tensor(graph.add(Layer("x", "InputLayer", config)))
    graph.inputs = tensor
    for layer in (*between, Layer("emb", "Embedding", {"input_dim": 9}), Layer("lstm", "LSTM", {})):
        tensor = Tensor(graph.add(layer, [tensor]))
    graph.outputs = tensor
    return graph


def nested(*layers, name):
    """Return a nested model that is a chain of these layers."""
    graph = ModelGraph(keras=3, class_name="Functional", name=name, path=(name,))
    graph.inputs = tensor = Tensor(graph.add(Layer("inside", "InputLayer", {})))
    for layer in layers:
        tensor = Tensor(graph.add(layer, [tensor]))
    graph.outputs = tensor
    return Layer(name, "Functional", {}, graph=graph)


PADDING = [
    (),
    (Layer("cast", "Cast", {}), Layer("flat", "Flatten", {})),
    (Layer("text", "TextVectorization", {}),),
    (Layer("words", "StringLookup", {"mask_token": ""}),),
    (Layer("numbers", "IntegerLookup", {"mask_token": 0, "num_oov_indices": 0}),),
    (Layer("hash", "Hashing", {"num_bins": 9, "mask_value": ""}),),
    (nested(Layer("text", "TextVectorization", {}), name="prepare"),),
    (nested(name="same"), nested(Layer("flat", "Flatten", {}), name="flat")),
]

NO_PADDING = [
    ((Layer("a", "StringLookup", {"mask_token": None}),), "the unknown word of a (StringLookup)"),
    ((Layer("a", "IntegerLookup", {"num_oov_indices": 0}),), "the first word of a (IntegerLookup)"),
    ((Layer("a", "Hashing", {"mask_value": None}),), "a bin of a (Hashing)"),
    ((Layer("a", "Discretization", {}), Layer("flat", "Flatten", {})), "a bin of a"),
    ((nested(Layer("a", "Hashing", {}), name="prepare"),), "a bin of prepare/a (Hashing)"),
    (
        (Layer("own", "StringLookup", {"mask_token": ""}, {"module": "mine"}),),
        "in the ids of own (StringLookup) is not known",
    ),
    ((Layer("own", "Own", {}),), "whether index 0 is padding in the ids of own (Own) is not known"),
]


@pytest.mark.fast
@pytest.mark.parametrize("between", PADDING)
def test_index_0_of_given_ids_and_of_a_mask_token_is_padding(between):
    assert not_padding(model(*between)) == {}
    assert make_plan(model(*between), ["enable-masking"]).changes
    assert [each.code for each in check_graph(model(*between), codes=["RW203"])] == ["RW203"]


@pytest.mark.fast
@pytest.mark.parametrize(("between", "words"), NO_PADDING)
@pytest.mark.parametrize("spelled", ["enable-masking", "carry-mask"])
def test_an_embedding_whose_index_0_is_no_padding_stays_as_it_is(between, words, spelled):
    graph = model(*between)
    assert words in not_padding(graph)["emb"]
    made = make_plan(graph, [spelled])
    assert not made.changes
    if spelled == "enable-masking":
        assert words in made.notes[0].reason
    assert not check_graph(graph, codes=["RW203"])


@pytest.mark.fast
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_embedding_that_is_called_twice_must_get_padding_both_times(order):
    graph = model()
    (x,) = [Tensor(call) for call in graph.calls_of("x")]
    tokens = [Layer("a", "StringLookup", {"mask_token": ""}), Layer("b", "StringLookup", {})]
    for number in order:
        made = graph.add(tokens[number], [x])
        graph.add(graph.layer("emb"), [Tensor(made)])
    assert "the unknown word of b" in not_padding(graph)["emb"]


@pytest.mark.fast
def test_an_embedding_of_which_some_ids_are_made_by_an_unknown_layer_stays():
    graph = model(Layer("flat", "Flatten", {}))
    x, flat = (Tensor(graph.calls_of(name)[0]) for name in ("x", "flat"))
    own = Tensor(graph.add(Layer("own", "Own", {}), [x]))
    both = graph.add(Layer("both", "Concatenate", {}), [flat, own])
    graph.add(graph.layer("emb"), [Tensor(both)])
    assert "the ids of own (Own) is not known" in not_padding(graph)["emb"]


def test_ragged_ids_have_no_padding(dialect):
    x = dialect.keras.Input((None,), dtype="int32", ragged=True, name="x")
    y = dialect.keras.layers.GRU(2)(dialect.keras.layers.Embedding(9, 2)(x))
    ragged = dialect.keras.Model(x, y)
    plan = rewriter.plan(ragged, ["enable-masking"])
    assert not plan.changes
    assert "the ids of x are ragged" in plan.notes[0].reason
    assert "RW203" not in {each.code for each in rewriter.check(ragged)}


@pytest.mark.fast
def test_ids_that_come_back_from_a_model_inside_time_distributed_are_followed():
    inner = nested(Layer("a", "Hashing", {}), name="prepare")
    wrapped = Layer("each", "TimeDistributed", {}, inner={"layer": inner})
    assert "a bin of prepare/a" in not_padding(model(wrapped))["emb"]


@pytest.mark.fast
def test_a_model_of_many_shared_models_is_followed_in_no_time():
    shared = nested(name="n0")
    for number in range(1, 40):  # 2 ** 39 ways, if each were walked by itself
        outer = nested(shared, name=f"n{number}")
        inside = outer.graph
        assert inside is not None
        again = inside.add(inside.layer(shared.name), [inside.outputs])
        inside.outputs = Tensor(again)
        shared = outer
    assert not_padding(model(shared)) == {}


def test_unknown_words_are_skipped_where_a_mask_hides_them(dialect):
    import numpy as np
    import tensorflow as tf

    keras = dialect.keras
    x = keras.Input((None,), dtype="string")
    y = keras.layers.StringLookup(vocabulary=["good", "bad"])(x)
    model = keras.Model(x, keras.layers.LSTM(2)(keras.layers.Embedding(3, 4, mask_zero=True)(y)))
    with_unknown, without = (
        np.asarray(model(tf.constant([words.split()]))) for words in ("good film bad", "good bad")
    )
    assert with_unknown.tobytes() == without.tobytes()
    (finding,) = (each for each in rewriter.check(model) if each.code == "RW205")
    assert "the unknown word of string_lookup" in finding.message
