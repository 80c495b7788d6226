"""Find MultiHeadAttention that would leave a query alone of which a mask hides every key.

Keras 2 adds a large negative number to what is hidden, so that such a query attends to all keys
alike. Keras 3 gives zeros for it (keras/src/layers/activations/softmax.py), but where it computes
all of the attention in one operation: with ``dropout=0``, without the scores, on sequences.
"""

from __future__ import annotations

from dataclasses import replace

from rewriter.analysis.masks.flow import mask_flow
from rewriter.analysis.shape_inference import inferred_shapes
from rewriter.graph.calls import Call
from rewriter.graph.model_graph import ModelGraph
from rewriter.porting.envelopes import package_envelope
from rewriter.porting.result import Translation

NAME = "MultiHeadAttentionOfKeras2"

_REASON = "where a mask hides every key of a query, Keras 3 gives zeros, Keras 2 their mean"


def keep_hidden_rows(translation: Translation) -> None:
    """Put the attention of this package where a mask may hide every key of a query."""
    masked = {flow.layer for flow in mask_flow(translation.after) if any(flow.masks_in)}
    for graph in translation.after.walk():
        for layer in list(graph.layers):
            if layer.class_name != "MultiHeadAttention" or layer.envelope:
                continue
            path, calls = graph.path_of(layer.name), graph.calls_of(layer.name)
            given = any("attention_mask" in graph.arguments(call).kwargs for call in calls)
            if (path in masked or given) and any(_is_in_steps(graph, call) for call in calls):
                new = replace(layer, class_name=NAME, envelope=package_envelope(NAME))
                change = graph.replace(layer.name, new, reason=_REASON)
                translation.changes.append(replace(change, pass_name="port"))
                translation.package.append(path)


def _is_in_steps(graph: ModelGraph, call: Call) -> bool:
    """Whether Keras 3 computes the scores, their softmax and the sum one after the other."""
    arguments = graph.arguments(call)
    if graph.layer(call).config.get("dropout"):
        return True
    if arguments.kwargs.get("return_attention_scores"):
        return True
    query = graph.producers(call)[0]
    shape = inferred_shapes(graph).get(query)
    return shape is None or len(shape) != 3
