"""Shapes that no file tells are those that Keras computes."""

from __future__ import annotations

import json

import pytest

from rewriter.analysis.shapes import rank_of, shapes_of
from rewriter.dialects import decode
from rewriter.graph.nested import leaves


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


RANKED = {
    "Activation": (lambda layers: layers.Activation("relu"), (5, 4)),
    "Attention": (lambda layers: layers.Attention(), (5, 4), (6, 4)),
    "Add": (lambda layers: layers.Add(), (5, 4), (5, 4)),
    "Add of other ranks": (lambda layers: layers.Add(), (4,), (1, 5, 4)),
    "Average": (lambda layers: layers.Average(), (4,), (4,)),
    "Bidirectional": (lambda layers: layers.Bidirectional(layers.GRU(3)), (5, 4)),
    "Concatenate": (lambda layers: layers.Concatenate(axis=1), (5, 4), (6, 4)),
    "Conv1D": (lambda layers: layers.Conv1D(3, 2), (5, 4)),
    "Conv2DTranspose": (lambda layers: layers.Conv2DTranspose(3, 2), (5, 5, 4)),
    "ConvLSTM2D": (lambda layers: layers.ConvLSTM2D(2, 3), (5, 6, 6, 4)),
    "ConvLSTM2D sequence": (
        lambda layers: layers.ConvLSTM2D(2, 3, return_sequences=True),
        (5, 6, 6, 4),
    ),
    "Dense": (lambda layers: layers.Dense(3), (5, 6, 4)),
    "Dot": (lambda layers: layers.Dot(axes=2), (5, 4), (6, 4)),
    "Flatten": (lambda layers: layers.Flatten(), (5, 6, 4)),
    "GRU": (lambda layers: layers.GRU(3), (5, 4)),
    "GRU sequence": (lambda layers: layers.GRU(3, return_sequences=True), (5, 4)),
    "GRU state": (lambda layers: layers.GRU(3, return_sequences=True, return_state=True), (5, 4)),
    "GlobalAveragePooling2D": (lambda layers: layers.GlobalAveragePooling2D(), (5, 6, 4)),
    "GlobalMaxPooling1D": (lambda layers: layers.GlobalMaxPooling1D(), (5, 4)),
    "GlobalMaxPooling1D kept": (lambda layers: layers.GlobalMaxPooling1D(keepdims=True), (5, 4)),
    "LayerNormalization": (lambda layers: layers.LayerNormalization(), (5, 4)),
    "MaxPooling3D": (lambda layers: layers.MaxPooling3D(2), (4, 4, 4, 2)),
    "Permute": (lambda layers: layers.Permute((2, 1)), (5, 4)),
    "RepeatVector": (lambda layers: layers.RepeatVector(3), (4,)),
    "Reshape": (lambda layers: layers.Reshape((2, 2, 5)), (5, 4)),
    "SpatialDropout1D": (lambda layers: layers.SpatialDropout1D(0.5), (5, 4)),
    "TimeDistributed": (lambda layers: layers.TimeDistributed(layers.Flatten()), (5, 6, 4)),
    "TimeDistributed pool": (
        lambda layers: layers.TimeDistributed(layers.GlobalMaxPooling1D()),
        (5, 6, 4),
    ),
    "UpSampling2D": (lambda layers: layers.UpSampling2D(2), (5, 6, 4)),
}
NOT_KNOWN = {"Dot", "GRU state"}


@pytest.mark.parametrize("name", RANKED)
def test_ranks_are_those_of_keras(dialect, name):
    make, *shapes = RANKED[name]
    layers = dialect.keras.layers
    inputs = [dialect.keras.Input(shape) for shape in shapes]
    layer = make(layers)
    given = layer(inputs if len(inputs) > 1 else inputs[0])
    outputs = given if isinstance(given, list | tuple) else [given]
    model = dialect.keras.Model(inputs, outputs)
    document = json.loads(model.to_json())
    for entry in document["config"]["layers"]:
        entry.pop("build_config", None)
    graph = decode(document, dialect.number)
    ranks = [rank_of(graph, tensor) for tensor in leaves(graph.outputs)]
    assert len(ranks) == len(outputs)
    for rank, output in zip(ranks, outputs, strict=True):
        assert rank == len(output.shape) or (rank is None and name in NOT_KNOWN)
