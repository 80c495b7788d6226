"""What index 0 of an Embedding is: padding, or an id as the others."""

from __future__ import annotations

from collections.abc import Iterator

from rewriter.graph import Layer, ModelGraph, Tensor
from rewriter.reach import Reach
from rewriter.structure import leaves


def not_padding(model: ModelGraph) -> dict[str, str]:
    """Return why index 0 is no padding, or not known to be, by the path of the Embedding.

    In ids that are given to the model it is padding, as Keras has it. Of ids that the model
    makes itself, the layers that turn words, numbers and texts into ids tell; those of other
    layers are not known.

    Parameters
    ----------
    model : ModelGraph
        The outermost model.

    Examples
    --------
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> words = graph.add(Layer("words", "InputLayer", {}))
    >>> ids = graph.add(Layer("ids", "Hashing", {"num_bins": 9}), [Tensor(words)])
    >>> emb = graph.add(Layer("emb", "Embedding", {"input_dim": 9}), [Tensor(ids)])
    >>> graph.inputs, graph.outputs = Tensor(words), Tensor(emb)
    >>> not_padding(graph)
    {'emb': 'index 0 is a bin of ids (Hashing), no padding'}
    """
    reach = Reach(model)
    found = dict(_of_unknown_origin(model))
    for end in leaves(model.inputs):
        for each in reach.of(model, end):
            found.pop(each.path, None)
    for graph in model.walk():
        for call in graph.calls(MAKING_IDS):
            what = zero_of(graph.layer(call))
            for each in reach.of(graph, Tensor(call)):
                if each.layer.class_name == "Embedding":
                    found.pop(each.path, None)
                    if what:
                        path, name = graph.path_of(call), graph.layer(call).class_name
                        found[each.path] = f"index 0 is {what} of {path} ({name}), no padding"
    return found


LOOKUPS = frozenset({"IntegerLookup", "StringLookup", "TextVectorization"})
"""Layers of Keras that know a vocabulary."""

MAKING_IDS = LOOKUPS | {"Discretization", "HashedCrossing", "Hashing"}
"""Layers of Keras that give ids."""


def mask_token(layer: Layer) -> str | int | None:
    """Return the word or number that a layer turns into index 0 because it is padding."""
    if layer.class_name == "TextVectorization":
        return ""
    # Hashing calls it `mask_value`, as early lookups did (integer_lookup.py of tf_keras).
    for key in ("mask_token", "mask_value"):
        token: str | int | None = layer.config.get(key)
        if token is not None:
            return token
    return None


def zero_of(layer: Layer) -> str:
    """Return what index 0 of a layer that makes ids is; empty where it is padding."""
    if mask_token(layer) is not None:
        return ""
    if layer.class_name in ("IntegerLookup", "StringLookup"):
        return "the unknown word" if layer.config.get("num_oov_indices", 1) else "the first word"
    return "a bin"


def _of_unknown_origin(model: ModelGraph) -> Iterator[tuple[str, str]]:
    """Yield every Embedding whose ids a layer gives, as if nothing were known of that."""
    for graph in model.walk():
        for call in graph.calls({"Embedding"}):
            for tensor in graph.producers(call)[:1]:
                path, name = graph.path_of(tensor.call), graph.layer(tensor.call).class_name
                yield (
                    graph.path_of(call),
                    f"whether index 0 is padding in the ids of {path} ({name}) is not known",
                )
