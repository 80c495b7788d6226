"""`show`: what it lists, and that the numbers of weights are those of Keras."""

from __future__ import annotations

import json
import sys

import pytest
from support.plans import encoder
from support.written import Written, save, written_layer

import rewriter
from rewriter.analysis.parameter_counts import parameters
from rewriter.analysis.shapes import output_shape
from rewriter.cli import main
from rewriter.graph import Tensor
from rewriter.report.layers import layers_lines, shown_layers


@pytest.mark.fast
def test_layers_are_listed_with_shapes_parameters_noise_and_masks():
    model = Written(3)
    x = model.input("ids", (None, 7))
    x = model.call(
        "Embedding", "emb", x, shape=(None, 7, 4), input_dim=9, output_dim=4, mask_zero=True
    )
    lstm = written_layer("LSTM", "inner", 3, units=3, dropout=0.2, return_sequences=True)
    x = model.call("Bidirectional", "both", x, shape=(None, 7, 6), layer=lstm)
    x = model.call("Conv1D", "conv", x, shape=(None, 7, 2), filters=2, kernel_size=[3])
    x = model.call("Dropout", "drop", x, rate=0.5)
    graph = model.graph(model.call("Dense", "out", x, shape=(None, 7, 1), units=1))
    lines = layers_lines(graph, "m.keras", shown_layers(graph))
    assert "\n".join(line.text for line in lines) == SHOWN
    assert [line.style for line in lines if line.text.startswith("conv")] == ["error"]


SHOWN = """\
m.keras (Functional, Keras 3)

layer    class          shape         parameters  noise        mask
ids      InputLayer     (None, 7)              0
emb      Embedding      (None, 7, 4)          36               makes emb
both     Bidirectional  (None, 7, 6)         192               uses emb
  inner  LSTM                                     dropout 0.2
conv     Conv1D         (None, 7, 2)          38               loses emb
drop     Dropout        (None, 7, 2)           0  rate 0.5
out      Dense          (None, 7, 1)           3

6 calls, 269 parameters, 2 layers with noise, 1 source of masks"""


@pytest.mark.fast
def test_a_nested_model_is_listed_behind_its_first_call():
    model = Written(2)
    x = model.input("x", (None, 4))
    x = model.call("Functional", "encoder", x, document=encoder(2))
    x = model.call("Functional", "encoder", x)
    shown = shown_layers(model.graph(x))
    assert [(each.depth, each.label) for each in shown] == [
        (0, "x"),
        (0, "encoder"),
        (1, "tokens"),
        (1, "project"),
        (1, "drop"),
        (1, "out"),
        (0, "encoder (call 2)"),
    ]
    assert shown[1].parameters == 40 and shown[6].parameters is None


@pytest.mark.fast
def test_show_as_json(tmp_path, monkeypatch, capsys):
    model = Written(3)
    x = model.call("Dropout", "drop", model.input("x", (None, 4)), rate=0.5)
    path = save(model.document(x), 3, tmp_path / "m.keras")
    monkeypatch.setattr(sys, "argv", ["rewriter", "show", str(path), "--format", "json"])
    with pytest.raises(SystemExit):
        main()
    document = json.loads(capsys.readouterr().out)
    assert document["layers"][1] == {
        "layer": "drop",
        "call": "drop",
        "class": "Dropout",
        "depth": 0,
        "shape": [None, 4],
        "parameters": 0,
        "noise": "rate 0.5",
        "mask": None,
    }


def test_weights_are_counted_as_keras_counts_them(dialect):
    keras = dialect.keras
    layers = keras.layers
    x = keras.Input((8, 6))
    y = layers.Conv1D(4, 3, padding="same", groups=2)(x)
    y = layers.BatchNormalization(scale=False)(y)
    y = layers.SeparableConv1D(5, 3, padding="same")(y)
    y = layers.LayerNormalization()(y)
    y = layers.Bidirectional(layers.GRU(3, return_sequences=True))(y)
    y = layers.TimeDistributed(layers.Dense(4, use_bias=False))(y)
    y = layers.GRU(3, reset_after=False, return_sequences=True)(y)
    y = layers.SimpleRNN(2, return_sequences=True)(y)
    y = layers.LSTM(2, use_bias=False, return_sequences=True)(y)
    y = layers.Reshape((8, 2, 1))(y)
    y = layers.Conv2D(2, (3, 2))(y)
    y = layers.DepthwiseConv2D(2, padding="same", depth_multiplier=3)(y)
    y = layers.Conv2DTranspose(2, 2)(y)
    model = keras.Model(x, layers.Dense(2)(layers.Flatten()(y)))
    graph = rewriter.read(model)
    counted = {call.layer: parameters(graph, call) for call in graph.calls()}
    assert counted == {layer.name: layer.count_params() for layer in model.layers}


def test_shapes_are_those_of_keras_where_the_config_tells_them(dialect):
    keras = dialect.keras
    x = keras.Input((8, 6), name="x")
    y = keras.layers.Conv1D(4, 3, name="conv")(x)
    model = keras.Model(x, keras.layers.Flatten(name="flat")(y))
    graph = rewriter.read(model)
    shapes = {call.layer: output_shape(graph, Tensor(call)) for call in graph.calls()}
    assert shapes == {"x": (None, 8, 6), "conv": (None, 6, 4), "flat": None}
