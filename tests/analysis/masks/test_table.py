"""The table of rules: what releases change, and what stands in no table."""

import pytest

from rewriter.analysis.masks import Rule, mask_flow, rule_of
from rewriter.analysis.masks.table import rules
from rewriter.graph import Layer, ModelGraph, Tensor

pytestmark = pytest.mark.fast


def test_a_later_release_of_keras_3_drops_masks_that_3_15_passes_on():
    assert rules(3, (3, 15))["LSTM"] is Rule.RECURRENT
    assert rules(3, (3, 16))["LSTM"] is Rule.RECURRENT_END
    assert rules(3, (3, 16))["TimeDistributed"] is Rule.DROP
    assert rules(2, (2, 21))["LSTM"] is Rule.RECURRENT


def test_an_operation_is_not_the_layer_of_its_name():
    operation = Layer("add", "Add", {}, {"module": "keras.src.ops.numpy", "class_name": None})
    assert rule_of(operation, 3) is Rule.DROP
    assert rule_of(Layer("add", "Add", {}), 3) is Rule.OR


def test_a_layer_of_somebody_elses_is_unknown_unless_it_declares_what_it_does():
    own = Layer("own", "Dense", {}, {"module": "mine", "registered_name": "mine>Dense"})
    assert rule_of(own, 3) is Rule.UNKNOWN
    assert rule_of(own, 3, "PASS") is Rule.PASS


def test_attention_in_keras_3_takes_the_mask_off_what_others_get_after_it():
    for keras, expected in ((2, "emb"), (3, "none")):
        graph = ModelGraph(keras=keras, class_name="Functional", name="m")
        ids = Tensor(graph.add(Layer("ids", "InputLayer", {})))
        emb = Tensor(graph.add(Layer("emb", "Embedding", {"mask_zero": True}), [ids]))
        attended = Tensor(graph.add(Layer("mha", "MultiHeadAttention", {}), [emb, emb]))
        added = graph.add(Layer("add", "Add", {}), [emb, attended])
        graph.inputs, graph.outputs = [ids], [Tensor(added)]
        flow = next(flow for flow in mask_flow(graph) if flow.layer == "add")
        assert str(flow.masks_in[0]) == expected
        assert str(flow.masks_in[1]) == "emb"
