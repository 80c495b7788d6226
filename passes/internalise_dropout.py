"""Turn noise in front of a recurrent layer into its own ``dropout``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rewriter.analysis.layer_kinds import noise_in
from rewriter.analysis.noise_at_inference import TrainingTrue
from rewriter.analysis.noise_layers import MASKS, Noise, read_noise
from rewriter.analysis.recurrent_layers import layers_with_rates, time_axis
from rewriter.graph import Call, Layer, ModelGraph, Tensor
from rewriter.graph.changes import Change, Note
from rewriter.pipeline import Guarantee, Pass


class InternaliseDropout(Pass):
    """Turn noise in front of a recurrent layer into its ``dropout``.

    1. The noise is Dropout, SpatialDropout1D or DynamicDropout that drops the same units at all
       time steps, and the recurrent layer alone gets its output, at each of its calls.
    2. The rate goes into the layer, into both directions of Bidirectional, or into the first
       cell of ``RNN([...])``.
    3. It declines, with a note, where the noise differs from step to step or is the same along
       another axis, where it draws at inference too, where other layers get its output, where the
       recurrent layer has a rate already, and for cells that are not Keras'.

    The layer then runs another kernel, so its outputs differ by a rounding error.
    """

    name = "internalise-dropout"
    guarantee = Guarantee.SAME
    tolerance: ClassVar[float] = 1e-5

    def run_model(self, model: ModelGraph) -> Iterator[Change | Note]:
        """Edit a model with the models nested in it."""
        training_true = TrainingTrue.of(model)
        for graph in list(model.walk()):
            for layer in graph.layers:
                axis = time_axis(layer)
                if axis is not None:
                    yield from _layer(graph, layer, axis, training_true)


def _layer(
    graph: ModelGraph, layer: Layer, axis: int, training_true: TrainingTrue
) -> Iterator[Change | Note]:
    calls = graph.calls_of(layer.name)
    noises = [_noise_in_front(graph, call) for call in calls]
    if not any(noises):
        return
    # Rules 1 and 3: what the layer's own dropout cannot stand for.
    refusal = _refusal(graph, layer, noises, axis, training_true)
    if refusal is not None:
        yield Note(graph.path_of(layer.name), layer.class_name, f"stays: {refusal}")
        return
    first = noises[0]
    assert first is not None
    noise = read_noise(graph.layer(first))
    assert noise is not None
    # Rule 2: both directions of Bidirectional, or the first cell, get the rate.
    for taker in layers_with_rates(layer):
        if taker.first:
            new = {"dropout": noise.rate}
            if noise.seed is not None and "seed" in taker.layer.config:
                new["seed"] = noise.seed
            reason = f"its own dropout does what {first} does: the same units at all steps"
            yield graph.configure(layer.name, new, reason=reason, role=taker.role)
    for call in noises:
        assert call is not None
        yield graph.remove(call, reason=f"{layer.name} drops these units itself")


def _noise_in_front(graph: ModelGraph, call: Call) -> Call | None:
    first = graph.arguments(call).first
    tensor = None if first is None else graph.fillings(call)[first]
    if tensor is None or noise_in(graph.layer(tensor.call)) is not graph.layer(tensor.call):
        return None
    return tensor.call


def _refusal(
    graph: ModelGraph,
    layer: Layer,
    noises: list[Call | None],
    axis: int,
    training_true: TrainingTrue,
) -> str | None:
    """Return why noise in front of a layer stays there, if it does."""
    takers = [taker for taker in layers_with_rates(layer) if taker.first]
    if not takers:
        return "its cell is not one of Keras"
    if any(taker.layer.config.get("dropout") for taker in takers):
        return "it has a dropout rate already"
    drawn = [None if call is None else read_noise(graph.layer(call)) for call in noises]
    if any(noise is None or noise != drawn[0] for noise in drawn):
        return "its calls have different noise in front of them"
    first = drawn[0]
    for call in noises:
        assert call is not None
        asked = (call, *graph.calls_of(layer.name))
        if any(training_true.draws_at_inference(graph, one) for one in asked):
            return f"{call} draws noise at inference too"
        if graph.layer(call).class_name not in MASKS:
            return (
                f"{call} is {graph.layer(call).class_name}; a recurrent layer can only drop units"
            )
        if not isinstance(first, Noise) or first.shared_axes != (axis,):
            return f"{call} does not drop the same units at all steps, as the layer's dropout does"
        if len(graph.consumers(Tensor(call))) > 1 or graph.is_output(call):
            return f"other layers get the output of {call} too"
    return None
