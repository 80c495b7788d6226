"""Shapes that no file tells are those that Keras computes."""

from __future__ import annotations

import json

import pytest

from rewriter.analysis.shapes import shapes_of
from rewriter.dialects import decode


def text_model(layers):
    return [
        layers.Input((40,), dtype="int32"),
        layers.Embedding(9, 6),
        layers.Conv1D(5, 3, strides=2, name="valid"),
        layers.Conv1D(4, 4, padding="same", dilation_rate=3, name="same"),
        layers.SeparableConv1D(4, 3, padding="valid", dilation_rate=2, name="wide"),
        layers.MaxPooling1D(2),
        layers.Dropout(0.5),
        layers.Bidirectional(layers.GRU(3, return_sequences=True)),
        layers.TimeDistributed(layers.Dense(8)),
        layers.Bidirectional(layers.LSTM(3), merge_mode="sum"),
        layers.Dense(2),
    ]


def image_model(layers):
    return [
        layers.Input((17, 12, 3)),
        layers.Conv2D(4, (3, 2), strides=2, padding="same"),
        layers.BatchNormalization(),
        layers.AveragePooling2D((2, 3)),
        layers.Flatten(),
        layers.Dense(2),
    ]


def open_model(layers):
    return [
        layers.Input((None, 4)),
        layers.Conv1D(5, 3, padding="causal"),
        layers.SimpleRNN(3, return_sequences=True),
        layers.GlobalAveragePooling1D(),
    ]


@pytest.mark.parametrize("make", [text_model, image_model, open_model])
def test_shapes_follow_from_the_input(dialect, make):
    model = dialect.keras.Sequential(make(dialect.keras.layers))
    document = json.loads(model.to_json())
    for layer in document["config"]["layers"]:
        layer.pop("build_config", None)
    shapes = shapes_of(decode(document, dialect.number))
    for layer in model.layers:
        assert shapes[layer.name, 0] == tuple(layer.output.shape), layer.name
