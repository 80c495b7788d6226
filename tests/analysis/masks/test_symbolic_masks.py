"""The mask computations that Keras 3 keeps as calls are told from others."""

import keras
import pytest

import rewriter
from rewriter.analysis.masks.symbolic_masks import masked_source, readers
from rewriter.graph import Call, Tensor


def frames(*, more=False):
    layers = keras.layers
    x = frames = keras.Input((None, 3), name="frames")
    x = layers.Dropout(0.3, name="drop")(x)
    masked = layers.Masking(0.5, name="masking")(x)
    out = layers.GRU(2, name="gru")(masked)
    return keras.Model(frames, [out, x] if more else out)


def tokens():
    layers = keras.layers
    ids = keras.Input((None,), dtype="int32", name="ids")
    one, two = (layers.Embedding(9, 4, mask_zero=True, name=name)(ids) for name in ("one", "two"))
    return keras.Model(ids, [layers.GRU(2, name="a")(one), layers.GRU(2, name="b")(two)])


def sources(graph):
    found = {str(call): masked_source(graph, call) for call in graph.calls()}
    return {name: str(source) for name, source in found.items() if source is not None}


def test_masks_that_keras_computes_in_the_graph_are_told_with_their_source():
    graph = rewriter.read(frames())
    mask_calls = [call for call in graph.calls() if graph.layer(call).class_name == "GRU"]
    assert len(graph.fillings(mask_calls[0])) == 2, "Keras no longer writes masks into the graph"
    assert set(sources(graph).values()) == {"masking"}
    assert len(sources(graph)) == 2


def test_each_of_two_sources_on_one_input_has_its_own():
    assert sorted(sources(rewriter.read(tokens())).values()) == ["one", "two"]


def test_a_comparison_that_belongs_to_no_source_is_none():
    x = keras.Input((None, 3))
    model = keras.Model(x, keras.ops.any(keras.ops.not_equal(x, 0.0), axis=-1))
    assert sources(rewriter.read(model)) == {}


@pytest.mark.parametrize("more", [False, True])
def test_computing_a_mask_does_not_count_as_reading(more):
    graph = rewriter.read(frames(more=more))
    assert [str(call) for call, _ in readers(graph, Tensor(Call("drop")))] == ["masking"]
    assert len(graph.consumers(Tensor(Call("drop")))) == 2


def test_noise_in_front_of_masking_moves_although_its_mask_is_computed_from_it():
    result = rewriter.rewrite(frames(), ["move-dropout"])
    graph = result.plan.after
    assert [str(graph.producers(Call(name))[0].call) for name in ("masking", "drop")] == [
        "frames",
        "masking",  # not behind the GRU, which gives the model's output
    ]
    assert {str(graph.producers(call)[0].call) for call in graph.calls({"NotEqual"})} == {"frames"}
    assert result.verification.ok


def test_noise_in_front_of_masking_stays_where_another_layer_reads_it():
    plan = rewriter.plan(frames(more=True), ["move-dropout"])
    assert plan.changes == ()
    assert "masking is not the only layer that gets its output" in plan.notes[0].reason


def test_a_mask_that_an_operation_gives_is_that_of_its_source():
    flows = {flow.layer: flow.to_json() for flow in rewriter.masks(frames())}
    assert flows["gru"]["mask_in"] == "masking"
    assert flows["gru"]["uses_mask"]
