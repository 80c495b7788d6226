"""Follow masks through a graph: where they begin, are used and get lost.

`table` says what each layer does with a mask in each Keras; `flow` follows the masks through
a model, nested models included; `mask` is what it finds.

    >>> from rewriter.graph import Layer, ModelGraph, Tensor
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> ids = graph.add(Layer("ids", "InputLayer", {}))
    >>> emb = graph.add(Layer("emb", "Embedding", {"mask_zero": True}), [Tensor(ids)])
    >>> gru = graph.add(Layer("gru", "GRU", {"return_sequences": False}), [Tensor(emb)])
    >>> graph.inputs, graph.outputs = [Tensor(ids)], [Tensor(gru)]
    >>> [(flow.layer, flow.uses, str(flow.mask_out)) for flow in mask_flow(graph)]
    [('ids', False, 'none'), ('emb', False, 'emb'), ('gru', True, 'none')]
"""

from rewriter.analysis.masks.flow import CallFlow, flows_of, mask_flow
from rewriter.analysis.masks.mask import EVERY_STEP, NO_MASK, Join, Mask
from rewriter.analysis.masks.table import Rule, rule_of

__all__ = [
    "EVERY_STEP",
    "NO_MASK",
    "CallFlow",
    "Join",
    "Mask",
    "Rule",
    "flows_of",
    "mask_flow",
    "rule_of",
]
