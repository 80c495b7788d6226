"""Take the rates out of recurrent layers, and put the noise in front of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from rewriter.analysis.noise_at_inference import Pins
from rewriter.analysis.noise_layers import Noise, make_noise
from rewriter.analysis.recurrent_layers import Place, has_fast_path, rate_places, time_axis
from rewriter.graph import Layer, ModelGraph
from rewriter.graph.changes import Change, Note
from rewriter.pipeline import Guarantee, Pass


@dataclass(frozen=True, slots=True)
class ExternaliseDropout(Pass):
    """Turn ``dropout`` inside a recurrent layer into a DynamicDropout in front of it.

    1. ``dropout`` of LSTM, GRU, SimpleRNN, of their cells in RNN, and of Bidirectional
       becomes 0, and a DynamicDropout of that rate, one mask over all time steps, stands in
       front of each call. Both directions of Bidirectional then share its mask.
    2. ``recurrent_dropout`` becomes 0 as well, and is given up; or the larger of the two
       rates goes in front. Layers that then meet the conditions of the fast cuDNN kernel are
       named in the plan.
    3. It declines where the rates are active at inference, where the directions of
       Bidirectional have different rates, and for the second and later cells of ``RNN([...])``:
       there is no place in front of them.

    The layer moves to another kernel, so its outputs differ by a rounding error.

    Parameters
    ----------
    recurrent : str
        ``drop`` recurrent_dropout, or put it on the ``input`` if it is the larger rate.
    """

    recurrent: Literal["drop", "input"] = "drop"

    name = "externalise-dropout"
    guarantee = Guarantee.SAME
    tolerance: ClassVar[float] = 1e-5

    def run_model(self, model: ModelGraph) -> Iterator[Change | Note]:
        """Edit a model with the models nested in it."""
        pins = Pins.of(model)
        for graph in list(model.walk()):
            for layer in graph.layers:
                places = [place for place in rate_places(layer) if place.rates]
                if places:
                    yield from self._layer(graph, layer, places, pins)

    def run(self, graph: ModelGraph) -> Iterator[Change | Note]:
        """Edit one graph."""
        return self.run_model(graph)

    def _layer(
        self, graph: ModelGraph, layer: Layer, places: list[Place], pins: Pins
    ) -> Iterator[Change | Note]:
        path, axis = graph.path_of(layer.name), time_axis(layer)
        reason = _refusal(graph, layer, places, pins)
        if reason is not None or axis is None:
            said = reason or "stays: what wraps it is not known to this program"
            yield Note(path, layer.class_name, said)
            return
        for place in places:
            if not place.first:
                said = f"{place.layer.name} stays: there is no place in front of a later cell"
                yield Note(path, layer.class_name, said)
        taken = [place for place in places if place.first]
        if not taken:
            return
        rates = taken[0].rates
        candidates = rates.values() if self.recurrent == "input" else [rates.get("dropout", 0.0)]
        noise = Noise(max(candidates), (axis,), taken[0].layer.config.get("seed"))
        for place in taken:
            off = dict.fromkeys(place.rates, 0.0)
            said = self._reason(place, layer)
            yield graph.configure(layer.name, off, reason=said, role=place.role)
        if noise.rate:
            yield from _in_front(graph, layer, noise)

    def _reason(self, place: Place, outer: Layer) -> str:
        said = []
        if "dropout" in place.rates or self.recurrent == "input":
            said.append(f"the noise goes in front of {outer.name}, one mask for all steps")
        if "recurrent_dropout" in place.rates and self.recurrent == "drop":
            said.append("recurrent_dropout is given up")
            freed = Layer(
                "", place.layer.class_name, {**place.layer.config, "recurrent_dropout": 0}
            )
            if has_fast_path(freed):
                said.append("the fast cuDNN kernel is open to it again")
        return "; ".join(said)


def _in_front(graph: ModelGraph, layer: Layer, noise: Noise) -> Iterator[Change]:
    """Insert noise in front of each call of a layer."""
    for call in graph.calls_of(layer.name):
        name = graph.unique_name(f"{layer.name}_dropout")
        made = make_noise("dynamic", name, noise, rank=None, keras=graph.keras, like=layer.config)
        assert isinstance(made, Layer)
        reason = f"what {layer.name} dropped of its input, it is now given without"
        first = graph.arguments(call).first
        assert first is not None
        tensor = graph.fillings(call)[first]
        yield graph.insert_after(tensor, made, reason=reason, consumers=[(call, first)])


def _refusal(graph: ModelGraph, layer: Layer, places: list[Place], pins: Pins) -> str | None:
    if pins.active_layer(graph, layer.name):
        return "stays: its noise is active at inference as well"
    if any(graph.arguments(call).first is None for call in graph.calls_of(layer.name)):
        return "stays: a call has no tensor as its first argument"
    every = [place.rates for place in rate_places(layer) if place.first]
    if any(rates != every[0] for rates in every):
        return "stays: its two directions have different rates"
    return None
