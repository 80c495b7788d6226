"""Tell what a port to Keras 3 would do and refuse, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator

from rewriter.checks.findings import Finding
from rewriter.graph.changes import Action, Change
from rewriter.graph.model_graph import ModelGraph
from rewriter.porting import translate
from rewriter.porting.hard_sigmoid import FUNCTION

CANNOT_LOAD, HARD_SIGMOID = "RW502", "RW503"


def port_findings(graph: ModelGraph) -> Iterator[Finding]:
    """Yield what keeps a model of Keras 2 from being ported, then what a port changes.

    Examples
    --------
    >>> from rewriter.graph.calls import Tensor
    >>> from rewriter.graph.graph import Layer
    >>> graph = ModelGraph(keras=2, class_name="Functional", name="m")
    >>> x = graph.add(Layer("x", "InputLayer", {"batch_shape": [None, 3]}))
    >>> local = graph.add(Layer("local", "LocallyConnected1D", {}), [Tensor(x)])
    >>> graph.inputs, graph.outputs = [Tensor(x)], [Tensor(local)]
    >>> print(next(port_findings(graph)).message)
    LocallyConnected1D cannot be ported: Keras 3 has no locally connected layers; replace the \
layer in Keras 2 and train it, or leave it out of the model
    """
    if graph.keras != 2:
        return
    translation = translate(graph)
    for refusal in translation.refusals:
        said = f"{refusal.class_name} cannot be ported: {refusal.reason}; {refusal.fix}"
        yield Finding(CANNOT_LOAD, refusal.layer, said)
    for change in translation.changes:
        code = HARD_SIGMOID if _is_hard_sigmoid(change) else CANNOT_LOAD
        yield Finding(code, change.layer, f"a port {_told(change)}: {change.reason}")


def _is_hard_sigmoid(change: Change) -> bool:
    after = change.after or {}
    config = after.get("config", after) if isinstance(after, dict) else {}
    return any(value == FUNCTION for value in config.values())


def _told(change: Change) -> str:
    if change.action is Action.INSERT:
        return f"puts in {change.class_name}"
    if change.action is Action.REPLACE:
        return f"puts {change.class_name} in the place of {change.before['class']}"
    dropped = [key for key in change.before if key not in change.after]
    parts = [f"drops {', '.join(dropped)}"] if dropped else []
    if change.after:
        parts.append(f"writes {', '.join(change.after)}")
    return " and ".join(parts)
