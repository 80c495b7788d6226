"""Take the rates out of recurrent layers, and put the noise in front of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from rewriter.analysis.layer_kinds import noise_in
from rewriter.analysis.noise_at_inference import TrainingTrue
from rewriter.analysis.noise_layers import Noise, make_noise
from rewriter.analysis.recurrent_layers import (
    LayerWithRates,
    has_fast_path,
    layers_with_rates,
    time_axis,
)
from rewriter.graph import Layer, ModelGraph
from rewriter.graph.changes import Change, Note
from rewriter.pipeline import Guarantee, Pass


@dataclass(frozen=True, slots=True)
class ExternaliseDropout(Pass):
    """Turn ``dropout`` inside a recurrent layer into a DynamicDropout in front of it.

    1. ``dropout`` of LSTM, GRU, SimpleRNN, of their cells in RNN, and of Bidirectional becomes 0.
       In front of each call stands a DynamicDropout of that rate, which drops the same units at
       all time steps, as the layer did. Both directions of Bidirectional get the same noise.
    2. ``recurrent_dropout`` becomes 0 too, and no layer takes its place; with ``recurrent=input``
       the noise in front gets the larger of the two rates. The plan says which layers Keras can
       then run with cuDNN on a GPU.
    3. It declines, with a note, where the layer drops at inference too, where the directions of
       Bidirectional have different rates, for all cells of ``RNN([...])`` but the first, as no
       layer fits between two cells, and where the rate of ``recurrent=input`` would come on top
       of noise that stands in front.

    The layer then runs another kernel, so its outputs differ by a rounding error.

    Parameters
    ----------
    recurrent : str
        ``drop`` recurrent_dropout, or let the ``input`` have its rate if that is the larger one.
    """

    recurrent: Literal["drop", "input"] = "drop"

    name = "externalise-dropout"
    guarantee = Guarantee.SAME
    tolerance: ClassVar[float] = 1e-5

    def run_model(self, model: ModelGraph) -> Iterator[Change | Note]:
        """Edit a model with the models nested in it."""
        training_true = TrainingTrue.of(model)
        for graph in list(model.walk()):
            for layer in graph.layers:
                inner_layers = [inner for inner in layers_with_rates(layer) if inner.rates]
                if inner_layers:
                    yield from self._layer(graph, layer, inner_layers, training_true)

    def _layer(
        self,
        graph: ModelGraph,
        layer: Layer,
        inner_layers: list[LayerWithRates],
        training_true: TrainingTrue,
    ) -> Iterator[Change | Note]:
        path, axis = graph.path_of(layer.name), time_axis(layer)
        # Rule 3: what keeps its rates inside.
        refusal = _refusal(graph, layer, inner_layers, training_true)
        if refusal is not None or axis is None:
            unknown = "stays: the layer around it is not one of Keras"
            yield Note(path, layer.class_name, refusal or unknown)
            return
        for inner in inner_layers:
            if not inner.first:
                reason = f"{inner.layer.name} stays: no layer fits between two cells of one RNN"
                yield Note(path, layer.class_name, reason)
        taken = [inner for inner in inner_layers if inner.first]
        if not taken:
            return
        rates = taken[0].rates
        noisy = _noise_in_front(graph, layer)
        if self.recurrent == "input" and "dropout" not in rates and noisy is not None:
            reason = f"stays: {noisy} draws noise on its input already, and the rates would add up"
            yield Note(path, layer.class_name, reason)
            return
        # Rule 2: recurrent_dropout, for which no layer in front can stand, is given up or merged.
        candidates = rates.values() if self.recurrent == "input" else [rates.get("dropout", 0.0)]
        noise = Noise(max(candidates), (axis,), taken[0].layer.config.get("seed"))
        for inner in taken:
            off = dict.fromkeys(inner.rates, 0.0)
            reason = self._reason(inner, layer)
            yield graph.configure(layer.name, off, reason=reason, role=inner.role)
        # Rule 1: one layer in front of Bidirectional serves both of its directions.
        if noise.rate:
            yield from _in_front(graph, layer, noise)

    def _reason(self, inner: LayerWithRates, outer: Layer) -> str:
        reasons = []
        if "dropout" in inner.rates or self.recurrent == "input":
            reasons.append(
                f"a DynamicDropout in front of {outer.name} drops the same units at all steps"
            )
        if "recurrent_dropout" in inner.rates and self.recurrent == "drop":
            reasons.append("recurrent_dropout is given up; recurrent=input keeps the larger rate")
            freed = Layer(
                "", inner.layer.class_name, {**inner.layer.config, "recurrent_dropout": 0}
            )
            if has_fast_path(freed):
                reasons.append("on a GPU, Keras can run it with cuDNN again")
        return "; ".join(reasons)


def _noise_in_front(graph: ModelGraph, layer: Layer) -> str | None:
    """Return the noise layer that gives a layer its input in one of its calls; None for none."""
    for call in graph.calls_of(layer.name):
        for tensor in graph.producers(call):
            if noise_in(graph.layer(tensor.call)) is not None:
                return tensor.call.layer
    return None


def _in_front(graph: ModelGraph, layer: Layer, noise: Noise) -> Iterator[Change]:
    """Insert noise in front of each call of a layer."""
    for call in graph.calls_of(layer.name):
        name = graph.unique_name(f"{layer.name}_dropout")
        dropout = make_noise(
            "dynamic", name, noise, rank=None, keras=graph.keras, like=layer.config
        )
        assert isinstance(dropout, Layer)
        reason = f"it drops the units of its input that {layer.name} dropped itself"
        first = graph.arguments(call).first
        assert first is not None
        tensor = graph.fillings(call)[first]
        yield graph.insert_after(tensor, dropout, reason=reason, consumers=[(call, first)])


def _refusal(
    graph: ModelGraph, layer: Layer, inner_layers: list[LayerWithRates], training_true: TrainingTrue
) -> str | None:
    """Return why a layer keeps its rates; None if it need not."""
    if training_true.layer_draws_at_inference(graph, layer.name):
        return "stays: it also drops at inference, which training=True asks for"
    if any(graph.arguments(call).first is None for call in graph.calls_of(layer.name)):
        return "stays: one of its calls takes no tensor as first argument"
    rates = [inner.rates for inner in layers_with_rates(layer) if inner.first]
    if any(other != rates[0] for other in rates):
        return "stays: its two directions have different rates, and both get the same input"
    return None
