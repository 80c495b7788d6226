"""Make noise that was pinned on draw at inference, in a Keras that ignores the pin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rewriter.analysis.layer_kinds import noise_in, rates_in
from rewriter.analysis.noise_at_inference import Pins
from rewriter.analysis.noise_layers import MASKS, make_noise, read_noise
from rewriter.graph import Call, Layer, ModelGraph
from rewriter.graph.changes import Change, Note
from rewriter.pipeline import Guarantee, Pass


class HonourTraining(Pass):
    """Turn noise that is called with ``training=True`` into DynamicDropout that is always on.

    1. Keras 3 saves ``training=True`` and ignores it in `predict` (keras#20285). A call of
       Dropout, SpatialDropout or DynamicDropout that has it, itself or through the nested
       model it stands in, becomes a call of ``DynamicDropout(always_on=True)`` of the same
       rate. What that changes at inference is the point of it.
    2. A layer of which other calls are not pinned keeps those; the pinned one gets a layer of
       its own.
    3. It declines, with a note, for other noise, for rates inside recurrent and attention
       layers, and in Keras 2, which honours the pin.
    """

    name = "honour-training"
    guarantee = Guarantee.CHANGED_ON_PURPOSE

    def run_model(self, model: ModelGraph) -> Iterator[Change | Note]:
        """Edit a model with the models nested in it."""
        pins = Pins.of(model)
        for graph in list(model.walk()):
            for call in [each for each in graph.calls() if pins.asked(graph, each)]:
                if call in graph.network:
                    yield from _honour(graph, call, pins)

    def run(self, graph: ModelGraph) -> Iterator[Change | Note]:
        """Edit one graph."""
        return self.run_model(graph)


def _honour(graph: ModelGraph, call: Call, pins: Pins) -> Iterator[Change | Note]:
    layer = graph.layer(call)
    if layer.config.get("always_on"):
        return
    refusal = _refusal(graph, layer)
    if refusal is not None:
        if refusal:
            yield Note(graph.path_of(call), layer.class_name, refusal)
        return
    reason = f"training=True is baked in, which Keras {graph.keras} ignores at inference"
    calls = graph.calls_of(layer.name)
    if all(pins.asked(graph, each) for each in calls):
        yield graph.replace(layer.name, _always_on(layer, layer.name, graph.keras), reason=reason)
        return
    made = _always_on(layer, graph.unique_name(f"{layer.name}_always_on"), graph.keras)
    yield graph.duplicate(call, replace(made, origin=None), reason=reason)
    yield graph.remove(call, reason=f"{made.name} stands in for it")


def _refusal(graph: ModelGraph, layer: Layer) -> str | None:
    """Return why a pinned call stays as it is; empty where the pin means nothing to it."""
    noise = noise_in(layer)
    drops = noise is not None or any(rates_in(each) for each in layer.walk())
    if not drops:
        return ""
    if graph.keras == 2:
        return "stays: Keras 2 honours its training=True"
    if noise is None:
        return "stays: noise inside the layer cannot be pinned; see externalise-dropout"
    if noise is not layer:
        return "stays: it is wrapped; see unwrap-time-distributed"
    if layer.class_name not in MASKS:
        return f"stays: there is no {layer.class_name} that is always on"
    return None


def _always_on(layer: Layer, name: str, keras: int) -> Layer:
    noise = read_noise(layer)
    assert noise is not None
    noise = replace(noise, always_on=True)
    made = make_noise("dynamic", name, noise, rank=None, keras=keras, like=layer.config)
    assert isinstance(made, Layer)
    return replace(made, origin=layer.origin)
