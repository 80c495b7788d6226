"""Take noise in front of recurrent layers into them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rewriter.analysis.layer_kinds import noise_in
from rewriter.analysis.noise_at_inference import Pins
from rewriter.analysis.noise_layers import MASKS, Noise, read_noise
from rewriter.analysis.recurrent_layers import rate_places, time_axis
from rewriter.graph import Call, Layer, ModelGraph, Tensor
from rewriter.graph.changes import Change, Note
from rewriter.pipeline import Guarantee, Pass


class InternaliseDropout(Pass):
    """Turn noise in front of a recurrent layer into its ``dropout``.

    1. The noise is Dropout, SpatialDropout1D or DynamicDropout with one mask over all time
       steps, and feeds the recurrent layer alone, at each of its calls.
    2. The rate goes into the layer, into both directions of Bidirectional, or into the first
       cell of ``RNN([...])``.
    3. It declines, with a note, where the noise differs from step to step or over another
       axis, where it is active at inference, where other layers get it too, where the layer
       has a rate already, and for cells that are not Keras'.

    The layer moves to another kernel, so its outputs differ by a rounding error.
    """

    name = "internalise-dropout"
    guarantee = Guarantee.SAME
    tolerance: ClassVar[float] = 1e-5

    def run_model(self, model: ModelGraph) -> Iterator[Change | Note]:
        """Edit a model with the models nested in it."""
        pins = Pins.of(model)
        for graph in list(model.walk()):
            for layer in graph.layers:
                axis = time_axis(layer)
                if axis is not None:
                    yield from _layer(graph, layer, axis, pins)

    def run(self, graph: ModelGraph) -> Iterator[Change | Note]:
        """Edit one graph."""
        return self.run_model(graph)


def _layer(graph: ModelGraph, layer: Layer, axis: int, pins: Pins) -> Iterator[Change | Note]:
    calls = graph.calls_of(layer.name)
    noises = [_noise_in_front(graph, call) for call in calls]
    if not any(noises):
        return
    refusal = _refusal(graph, layer, noises, axis, pins)
    if refusal is not None:
        yield Note(graph.path_of(layer.name), layer.class_name, f"stays: {refusal}")
        return
    first = noises[0]
    assert first is not None
    noise = read_noise(graph.layer(first))
    assert noise is not None
    for place in rate_places(layer):
        if place.first:
            new = {"dropout": noise.rate}
            if noise.seed is not None and "seed" in place.layer.config:
                new["seed"] = noise.seed
            reason = f"takes in {first}, which has one mask for all steps as well"
            yield graph.configure(layer.name, new, reason=reason, role=place.role)
    for call in noises:
        assert call is not None
        yield graph.remove(call, reason=f"{layer.name} drops units of its input itself now")


def _noise_in_front(graph: ModelGraph, call: Call) -> Call | None:
    first = graph.arguments(call).first
    tensor = None if first is None else graph.fillings(call)[first]
    if tensor is None or noise_in(graph.layer(tensor.call)) is not graph.layer(tensor.call):
        return None
    return tensor.call


def _refusal(
    graph: ModelGraph, layer: Layer, noises: list[Call | None], axis: int, pins: Pins
) -> str | None:
    """Return why noise in front of a layer stays there, if it does."""
    places = [place for place in rate_places(layer) if place.first]
    if not places:
        return "its cell is not one of Keras'"
    if any(place.layer.config.get("dropout") for place in places):
        return "it has a dropout rate already"
    drawn = [None if call is None else read_noise(graph.layer(call)) for call in noises]
    if any(noise is None or noise != drawn[0] for noise in drawn):
        return "its calls have different noise in front of them"
    first = drawn[0]
    for call in noises:
        assert call is not None
        if pins.active(graph, call) or pins.active_layer(graph, layer.name):
            return f"{call} is active at inference as well"
        if graph.layer(call).class_name not in MASKS:
            return f"{call} is {graph.layer(call).class_name}, a recurrent layer drops units"
        if not isinstance(first, Noise) or first.shared_axes != (axis,):
            return f"{call} has no mask that is the same for all time steps and them alone"
        if len(graph.consumers(Tensor(call))) > 1 or graph.is_output(call):
            return f"other layers get the noise of {call} too"
    return None
