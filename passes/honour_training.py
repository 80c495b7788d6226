"""Make noise with ``training=True`` draw at inference in Keras 3, which ignores it there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rewriter.analysis.layer_kinds import noise_in, rates_in
from rewriter.analysis.noise_at_inference import TrainingTrue
from rewriter.analysis.noise_layers import MASKS, make_noise, read_noise
from rewriter.graph import Call, Layer, ModelGraph
from rewriter.graph.changes import Change, Note
from rewriter.pipeline import Guarantee, Pass


class HonourTraining(Pass):
    """Turn noise that is called with ``training=True`` into DynamicDropout that is always on.

    1. Keras 3 saves ``training=True`` of a call and ignores it in `predict` (keras#20285). A call
       of Dropout, SpatialDropout or DynamicDropout that has it, itself or through the nested model
       it stands in, becomes a call of ``DynamicDropout(always_on=True)`` of the same rate. The
       outputs of `predict` change by that, which is the purpose.
    2. A layer that has other calls, without ``training=True``, keeps those; the call with it
       gets a layer of its own.
    3. It declines, with a note, for other noise, for rates inside recurrent and attention
       layers, and in Keras 2, which honours ``training=True``.
    """

    name = "honour-training"
    guarantee = Guarantee.CHANGED_ON_PURPOSE

    def run_model(self, model: ModelGraph) -> Iterator[Change | Note]:
        """Edit a model with the models nested in it."""
        training_true = TrainingTrue.of(model)
        for graph in list(model.walk()):
            for call in [each for each in graph.calls() if training_true.is_set(graph, each)]:
                if call in graph.network:
                    yield from _honour(graph, call, training_true)


def _honour(graph: ModelGraph, call: Call, training_true: TrainingTrue) -> Iterator[Change | Note]:
    layer = graph.layer(call)
    if layer.config.get("always_on"):
        return
    # Rule 3: what no DynamicDropout can stand for.
    refusal = _refusal(graph, layer)
    if refusal is not None:
        if refusal:
            yield Note(graph.path_of(call), layer.class_name, refusal)
        return
    reason = (
        f"at inference Keras {graph.keras} ignores training=True in its call, and honours always_on"
    )
    # Rule 1: every call has it, so the layer itself becomes one that is always on.
    calls = graph.calls_of(layer.name)
    if all(training_true.is_set(graph, each) for each in calls):
        yield graph.replace(layer.name, _always_on(layer, layer.name, graph.keras), reason=reason)
        return
    # Rule 2: the other calls keep the layer.
    own = _always_on(layer, graph.unique_name(f"{layer.name}_always_on"), graph.keras)
    yield graph.duplicate(call, replace(own, origin=None), reason=reason)
    yield graph.remove(call, reason=f"{own.name} takes its place")


def _refusal(graph: ModelGraph, layer: Layer) -> str | None:
    """Return why a call with ``training=True`` stays; empty where the layer has no noise."""
    noise = noise_in(layer)
    drops = noise is not None or any(rates_in(each) for each in layer.walk())
    if not drops:
        return ""
    if graph.keras == 2:
        return "stays: Keras 2 honours its training=True at inference"
    if noise is None:
        return (
            "stays: its rate is inside the layer; externalise-dropout puts it in a layer in front"
        )
    if noise is not layer:
        return "stays: TimeDistributed is around it; unwrap-time-distributed takes it away"
    if layer.class_name not in MASKS:
        return f"stays: only Dropout can be always on, not {layer.class_name}"
    return None


def _always_on(layer: Layer, name: str, keras: int) -> Layer:
    noise = read_noise(layer)
    assert noise is not None
    noise = replace(noise, always_on=True)
    dropout = make_noise("dynamic", name, noise, rank=None, keras=keras, like=layer.config)
    assert isinstance(dropout, Layer)
    return replace(dropout, origin=layer.origin)
