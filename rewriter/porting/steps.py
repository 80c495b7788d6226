"""Replace TimeDistributed over an unknown number of steps, which Keras 3.14 and later run wrongly.

From Keras 3.14 on it goes wrong where a compiled function meets a second number of steps, and
mostly in silence. A layer that works on the last axis anyway stands without it; around others a
layer of this package stands in its place.
"""

from __future__ import annotations

from dataclasses import replace

from rewriter.analysis.shapes import shape_of
from rewriter.graph.calls import Arguments, Call
from rewriter.graph.changes import Change
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.porting.envelopes import package_envelope
from rewriter.porting.result import Translation

STEP_BY_STEP = frozenset({"Dense", "Activation", "ReLU", "LeakyReLU", "ELU", "Rescaling"})
"""Layers that do the same to every step, wrapped or not."""

_UNWRAPPED = "{} works on every step alike, and TimeDistributed goes wrong at a second length"
_WRAPPED = "TimeDistributed of Keras 3 goes wrong where a compiled function meets a second length"


def mend_steps(translation: Translation) -> None:
    """Take TimeDistributed over unknown steps away, or put `EachStep` in its place."""
    for graph in translation.after.walk():
        for layer in graph.layers:
            if layer.class_name != "TimeDistributed" or "layer" not in layer.inner:
                continue
            if any(_is_unknown(graph, call) for call in graph.calls_of(layer.name)):
                _mend(translation, graph, layer)


def _is_unknown(graph: ModelGraph, call: Call) -> bool:
    tensors = graph.producers(call)
    shape = shape_of(graph, tensors[0]) if tensors else None
    return shape is None or len(shape) < 2 or shape[1] is None


def _mend(translation: Translation, graph: ModelGraph, layer: Layer) -> None:
    inner = layer.inner["layer"]
    if inner.class_name not in STEP_BY_STEP or inner.envelope:
        new = _each_step(layer)
        translation.package.append(graph.path_of(layer.name))
        translation.changes.append(_told(graph.replace(layer.name, new, reason=_WRAPPED)))
        return
    new = replace(inner, name=layer.name, config={**inner.config, "name": layer.name})
    reason = _UNWRAPPED.format(inner.class_name)
    translation.changes.append(_told(graph.replace(layer.name, new, reason=reason)))
    translation.tolerance = max(translation.tolerance, 1e-6)
    for call in graph.calls_of(layer.name):
        arguments = graph.arguments(call)
        if arguments.kwargs:
            graph.rewire(call, Arguments(arguments.args, {}), reason=reason)


def _each_step(layer: Layer) -> Layer:
    """Return the same wrapper as this package has it, also where one stands in the other."""
    inner = layer.inner["layer"]
    if inner.class_name == "TimeDistributed" and "layer" in inner.inner:
        inner = _each_step(inner)
    envelope = package_envelope("EachStep")
    return replace(layer, class_name="EachStep", envelope=envelope, inner={"layer": inner})


def _told(change: Change) -> Change:
    return replace(change, pass_name="port")
