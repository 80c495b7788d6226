"""Translate configs of Keras 2 and Keras 3 into graphs and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewriter.dialects import decoder, encoder, keras2, keras3
from rewriter.dialects.numbering import Dialect
from rewriter.graph.gc_pause import collection_paused
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph

DIALECTS: Mapping[int, Dialect] = {2: keras2, 3: keras3}


def decode(document: Mapping[str, Any], keras: int) -> ModelGraph:
    """Return the graph of a serialised model.

    Parameters
    ----------
    document : mapping
        ``class_name`` and ``config``, and what else stands beside them.
    keras : int
        2 or 3, the Keras that wrote it.

    Raises
    ------
    UnsupportedModelError
        The model has no graph, or its config contradicts itself.
    """
    with collection_paused():
        model = decoder.decode(document, DIALECTS[keras])
        for graph in model.walk():
            graph.root = model
    return model


def encode(graph: ModelGraph) -> dict[str, Any]:
    """Return the serialised form of a graph; for an unchanged graph, what was read."""
    return encoder.encode(graph, DIALECTS[graph.keras])


def encode_layer(layer: Layer, keras: int) -> dict[str, Any]:
    """Return the serialised form of one layer, without its calls."""
    return encoder.encode_layer(layer, DIALECTS[keras])
