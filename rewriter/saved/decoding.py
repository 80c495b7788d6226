"""Decode a model file into a graph; every error names the file."""

from __future__ import annotations

from rewriter.analysis.config_values import require_readable_values
from rewriter.dialects import decode
from rewriter.dialects.shared_layers import join
from rewriter.errors import ModelReadError, RewriterError, UnsupportedModelError
from rewriter.graph.model_graph import ModelGraph
from rewriter.saved.model_file import ModelFile

CALLS_LIMIT = 500_000
"""Calls of a model, those of its nested models counted at each of their calls."""


def graph_of(file: ModelFile) -> ModelGraph:
    """Return the graph of a file; every error names the file.

    Raises
    ------
    RewriterError
        The model has no graph, or its config contradicts itself.
    """
    try:
        graph = decode(file.document, file.keras)
        if _expanded(graph, {}) > CALLS_LIMIT:
            raise _endless()
        join(graph)
        require_readable_values(graph)
        return graph
    except RewriterError as error:
        where = f"{file.path}: {error.where}" if error.where else str(file.path)
        raise type(error)(error.what, where=where, fix=error.fix) from error
    except Exception as error:
        raise contradictory(str(file.path), error) from error


def _expanded(graph: ModelGraph, known: dict[int, int]) -> int:
    """Return the calls of a model, those of its nested models counted at each of their calls.

    Thirty models that each call the next one twice make 10^9 calls out of 60.
    """
    if id(graph) not in known:
        nested = [
            layer.graph
            for call in graph.calls()
            for layer in graph.layer(call).walk()
            if layer.graph is not None
        ]
        known[id(graph)] = len(graph.network) + sum(_expanded(each, known) for each in nested)
    return known[id(graph)]


def _endless() -> UnsupportedModelError:
    return UnsupportedModelError(
        f"its nested models call each other more than {CALLS_LIMIT:,} times",
        fix="check that the file is what you think it is",
    )


def contradictory(path: str, error: Exception) -> ModelReadError:
    """Return the error for a config that contradicts itself."""
    return ModelReadError(
        f"its config is not one that Keras writes ({type(error).__name__})",
        where=path,
        fix="copy or download the file again, or save the model again",
    )
