"""Tell which layers turn words and numbers into ids, and what their id 0 means."""

from __future__ import annotations

from rewriter.analysis.known_layers import is_known
from rewriter.graph.calls import Call
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph

LOOKUPS = frozenset({"IntegerLookup", "StringLookup", "TextVectorization"})
BINS = frozenset({"Discretization", "HashedCrossing", "Hashing"})


def looks_up(layer: Layer) -> bool:
    """Whether a layer of Keras gives the ids of words or numbers that it knows."""
    known = layer.class_name in LOOKUPS and is_known(layer)
    return known and not layer.config.get("invert")


def is_closed(layer: Layer) -> bool:
    """Whether a layer that looks up fails on what it does not know."""
    return bool(layer.config.get("num_oov_indices", 1) == 0)


def makes_ids(layer: Layer) -> bool:
    """Whether a layer of Keras gives ids of what is something else."""
    return looks_up(layer) or (layer.class_name in BINS and is_known(layer))


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


def meaning_of_id_zero(graph: ModelGraph, call: Call) -> str:
    """Return what id 0 means in the output of a call that makes ids; empty for padding."""
    layer = graph.layer(call)
    if mask_token(layer) is not None:
        return ""
    what = "a bin"
    if looks_up(layer):
        what = "the first word" if is_closed(layer) else "the unknown word"
    return f"{what} of {graph.path_of(call)} ({layer.class_name})"
