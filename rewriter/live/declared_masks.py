"""Read what the classes of custom layers declare to do with masks."""

from __future__ import annotations

import inspect

from rewriter.analysis.masks import Rule
from rewriter.analysis.masks.table import rules
from rewriter.graph.model_graph import ModelGraph
from rewriter.live.adapters import Live, LiveKeras
from rewriter.live.known_classes import is_known_class


def declared_masks(keras: LiveKeras, graph: ModelGraph, model: Live) -> dict[str, str]:
    """Return what the custom layers of a model, and of those nested in it, declare.

    Parameters
    ----------
    keras : LiveKeras
        The Keras of the model.
    graph : ModelGraph
        The graph that was read from the model.
    model : live model
        The model.

    Returns
    -------
    dict of str to str
        Names of rules by the layer's path, as `Context.declared_masks` has them.
    """
    live = keras.layers(model)
    declared: dict[str, str] = {}
    for layer in graph.layers:
        if layer.name not in live:
            continue
        if layer.graph is not None:
            declared |= declared_masks(keras, layer.graph, live[layer.name])
        elif not is_known_class(type(live[layer.name])):
            declared[graph.path_of(layer.name)] = declared_rule(live[layer.name], keras.keras).name
    return declared


def declared_rule(layer: Live, keras: int) -> Rule:
    """Return what a custom layer does with masks, as far as its class tells.

    A subclass of a built-in layer that has neither its own call nor its own compute_mask does
    what that layer does; what an own compute_mask gives is not known.
    """
    own = [cls for cls in type(layer).__mro__ if not is_known_class(cls) and cls is not object]
    base = next(cls for cls in type(layer).__mro__ if is_known_class(cls))
    defined = {name for cls in own for name in vars(cls)}
    known = rules(keras).get(base.__name__)
    if known is not None and not defined & {"call", "compute_mask", "__call__"}:
        return known
    if known is not None or defined & {"compute_mask", "__call__"}:
        return Rule.UNKNOWN
    takes = "mask" in inspect.signature(layer.call).parameters
    if getattr(layer, "supports_masking", False):
        return Rule.QUERY if takes else Rule.PASS
    return Rule.USE if takes else Rule.DROP
