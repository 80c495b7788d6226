"""Write what stands around the class and the config of a model in files of Keras 3."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph


def put_envelopes(model: ModelGraph) -> None:
    """Write modules around a translated model and the models nested in it.

    A Sequential model that is no chain any more is written as Functional.
    """
    for graph in model.walk():
        graph.map_layers(_with_envelope)
    model.envelope = _envelope(model)


def _with_envelope(layer: Layer) -> Layer:
    if layer.inner:
        inner = {role: _with_envelope(each) for role, each in layer.inner.items()}
        layer = replace(layer, inner=inner)
    return layer if layer.graph is None else replace(layer, envelope=_envelope(layer.graph))


def _envelope(graph: ModelGraph) -> dict[str, Any]:
    sequential = graph.sequential
    return {
        "module": "keras" if sequential else "keras.src.models.functional",
        "class_name": "Sequential" if sequential else "Functional",
        "config": None,
        "registered_name": None if sequential else "Functional",
    }


def package_envelope(class_name: str) -> dict[str, Any]:
    """Return what stands around a layer of this package."""
    return {
        "module": "rewriter.layers.keras3",
        "class_name": None,
        "config": None,
        "registered_name": f"rewriter>{class_name}",
    }
