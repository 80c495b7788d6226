"""Rehearse the training of a model: copy it, run the cases, measure its noise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rewriter.analysis.shapes import INPUT_SHAPE_KEYS
from rewriter.checks.findings import Finding
from rewriter.graph.model_graph import ModelGraph
from rewriter.live.adapters import Live, LiveKeras, live_keras
from rewriter.live.walk import live_layers
from rewriter.rebuild.builder import rebuild
from rewriter.rehearsal.cases import (
    BATCHES,
    TRAINS,
    TrainingSteps,
    arrays_to_tensors,
    call_model,
    run_cases,
    sizes_of,
)
from rewriter.rehearsal.findings import judge_cases, judge_gradients, judge_noise
from rewriter.rehearsal.loss import Loss, made_up, own_loss
from rewriter.rehearsal.noise_layers import measure_noise
from rewriter.rehearsal.noise_result import NoiseMeasured
from rewriter.rehearsal.result import Rehearsal
from rewriter.verification.inputs.specs import input_specs
from rewriter.verification.inputs.tries import LENGTHS, LONGER_LENGTHS
from rewriter.verification.running import Subject, with_vocabularies

if TYPE_CHECKING:
    from rewriter.verification.arrays import Arrays

    Sizes = Sequence[tuple[int, int | None, Arrays]]


def rehearse_model(
    graph: ModelGraph,
    model: Live,
    *,
    name: str | None = None,
    data: Any = None,
    batches: Sequence[int] = BATCHES,
    lengths: Sequence[int] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
) -> Rehearsal:
    """Train a copy of a model for a step at each of several sizes.

    Parameters
    ----------
    graph : ModelGraph
        Of the model, read from it.
    model : live model
        Is not changed.
    name : str, optional
        To show.
    data : mapping of str to array, optional
        Inputs; made from the graph by default.
    batches, lengths : sequence of int, optional
        The sizes.
    custom_objects : mapping of str to class or function, optional
        What the copy needs besides what the model holds.
    """
    keras = live_keras(graph.keras)
    copy = rebuild(graph, graph, model, custom_objects).model
    layers = live_layers(keras, graph, copy)
    specs = with_vocabularies(keras, Subject(graph, copy), input_specs(graph))
    batches = list(dict.fromkeys((*batches, *fixed_batches(graph))))
    sizes = list(sizes_of(specs, data, batches, lengths or LENGTHS))
    loss = _loss(keras, graph, model, copy, sizes)
    steps = run_cases(keras, graph, copy, layers, sizes, loss)
    if lengths is None and not _any_trains(steps):
        longer = list(sizes_of(specs, data, batches, LONGER_LENGTHS))
        second = run_cases(keras, graph, copy, layers, longer, loss)
        if _any_trains(second):
            sizes, steps = longer, second
    noise = _noise(keras, graph, copy, layers, steps, sizes)
    findings = [
        *judge_cases(graph, steps.cases),
        *judge_noise(graph, noise),
        *_gradients(keras, copy, layers, steps),
    ]
    return Rehearsal(
        name or graph.name,
        graph.keras,
        tuple(steps.cases),
        tuple(noise),
        tuple(findings),
        loss.name,
    )


def _loss(keras: LiveKeras, graph: ModelGraph, model: Live, copy: Live, sizes: Sizes) -> Loss:
    """Return the model's own loss, tried at the first size that it takes; else a made-up one."""
    for _, _, arrays in sizes:
        try:
            outputs = call_model(graph, copy, arrays_to_tensors(arrays), training=False)
        except Exception:  # told by the case of this size
            continue
        return own_loss(keras, model, copy, outputs) or made_up(copy)
    return made_up(copy)


def _any_trains(steps: TrainingSteps) -> bool:
    return any(case.outcome == TRAINS for case in steps.cases)


def fixed_batches(graph: ModelGraph) -> Iterator[int]:
    """Yield the batch sizes that the model fixes in inputs and in noise."""
    for inner in graph.walk():
        for layer in (each for outer in inner.layers for each in outer.walk()):
            for key in (*INPUT_SHAPE_KEYS, "noise_shape"):
                shape = layer.config.get(key)
                if shape and isinstance(shape[0], int) and shape[0] > 1:
                    yield shape[0]


def _noise(
    keras: LiveKeras,
    graph: ModelGraph,
    copy: Live,
    layers: dict[str, Live],
    steps: TrainingSteps,
    sizes: Sizes,
) -> list[NoiseMeasured]:
    """Measure at the largest batch that trains."""
    trained = {
        (case.batch, case.length)
        for case in steps.cases
        if case.mode == "eager" and case.outcome == TRAINS
    }
    fitting = [size for size in sizes if size[:2] in trained]
    if not fitting:
        return []
    arrays = max(fitting, key=lambda size: size[0])[2]
    return measure_noise(keras, graph, copy, layers, arrays)


def _gradients(
    keras: LiveKeras, copy: Live, layers: dict[str, Live], steps: TrainingSteps
) -> Iterable[Finding]:
    if all(case.outcome == "fails" for case in steps.cases):
        return ()
    variables = keras.trainable(copy)
    owners: dict[int, str] = {}
    for path, layer in layers.items():
        for variable in keras.own_variables(layer):
            owners.setdefault(id(keras.raw(variable)), path)
    missing = [owners.get(id(variables[number]), "") for number in sorted(steps.missing)]
    infinite = [owners.get(id(variables[number]), "") for number in sorted(steps.infinite)]
    return judge_gradients(missing, infinite)
