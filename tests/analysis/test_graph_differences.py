"""Two graphs of one model agree, whatever release of Keras wrote the config."""

from __future__ import annotations

import pytest

from rewriter.analysis.graph_differences import differences
from rewriter.graph import Layer, ModelGraph, Tensor


def one_layer(class_name: str, config: dict) -> ModelGraph:
    graph = ModelGraph(2, "Functional", "model")
    x = graph.add(Layer("x", "InputLayer", {}))
    last = graph.add(Layer("last", class_name, config), [Tensor(x)])
    graph.inputs, graph.outputs = [Tensor(x)], [Tensor(last)]
    return graph


def initializer(module: str, scale: float = 1.0) -> dict:
    config = {"scale": scale}
    return {"init": {"class_name": "VarianceScaling", "module": module, "config": config}}


@pytest.mark.parametrize(
    ("told", "loaded"),
    [
        (("BatchNormalizationV2", {}), ("BatchNormalization", {})),
        (("mine>Gate", {}), ("Gate", {})),
        (("Dense", initializer("keras.src.a")), ("Dense", initializer("keras.b"))),
        (("Dense", {"axis": 3}), ("Dense", {"axis": [3]})),
        (("Dense", {"units": 3}), ("Dense", {"units": 3, "lora_rank": None})),
    ],
)
def test_what_releases_write_otherwise_is_no_difference(told, loaded):
    assert list(differences(one_layer(*told), one_layer(*loaded))) == []


@pytest.mark.parametrize(
    ("told", "loaded", "what"),
    [
        (("Dense", {}), ("Dropout", {}), "class Dense is loaded as Dropout"),
        (("MobileNetV2", {}), ("MobileNetV3", {}), "class MobileNetV2 is loaded as MobileNetV3"),
        (("Dense", {"units": 3}), ("Dense", {"units": 4}), "units 3 is loaded as 4"),
        (("Dense", initializer("a")), ("Dense", initializer("a", 2.0)), "init"),
    ],
)
def test_a_difference_names_the_layer_and_the_value(told, loaded, what):
    (found,) = differences(one_layer(*told), one_layer(*loaded))
    assert found.layer == "last"
    assert found.what.startswith(what)
