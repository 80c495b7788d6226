"""`rewriter show MODEL --masks`, as text and as JSON."""

import json

import pytest

import rewriter
from rewriter.analysis.masks import mask_flow
from rewriter.cli.options import Format
from rewriter.cli.show import show
from rewriter.graph import Layer, ModelGraph, Tensor
from rewriter.report.masks import masks_lines

pytestmark = pytest.mark.fast


def lossy():
    """Return an Embedding with a mask, a GRU that uses it, and a convolution that drops it."""
    graph = ModelGraph(keras=3, class_name="Functional", name="m")
    tensor = Tensor(graph.add(Layer("x", "InputLayer", {"batch_shape": (None, None)})))
    graph.inputs = [tensor]
    for name, class_name, config in (
        ("emb", "Embedding", {"mask_zero": True}),
        ("gru", "GRU", {"return_sequences": True}),
        ("conv", "Conv1D", {}),
        ("norm", "Softmax", {}),
    ):
        tensor = Tensor(graph.add(Layer(name, class_name, config), [tensor]))
    graph.outputs = [tensor]
    return graph


def test_the_table_shows_the_way_of_the_mask_and_marks_where_it_is_lost():
    graph = lossy()
    lines = masks_lines(graph, "m.keras", mask_flow(graph))
    assert [line.text.split() for line in lines[3:-2]] == [
        ["x", "InputLayer"],
        ["emb", "Embedding", "makes", "one", "emb"],
        ["gru", "GRU", "emb", "uses", "it,", "passes", "it", "on", "emb"],
        ["conv", "Conv1D", "emb", "LOSES", "it"],
        ["norm", "Softmax"],
    ]
    assert [line.style for line in lines[3:-2]] == ["", "", "", "error", ""]
    assert lines[-1].text == "of 5 calls, masks are made by 1, used by 1, lost by 1"


def test_json_gives_each_call_its_masks(real_models, capsys):
    path = real_models / "nc_voter_name_hispanic_lstm.h5"
    show(str(path), Format.JSON, masks=True)
    calls = json.loads(capsys.readouterr().out)["calls"]
    assert [call["layer"] for call in calls][1:4] == ["embedding", "conv1d", "max_pooling1d"]
    assert {"call", "layer", "class", "mask_in", "mask_out", "uses_mask"} <= calls[0].keys()
    assert calls == [flow.to_json() for flow in rewriter.masks(path)]
