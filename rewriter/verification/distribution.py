"""Measure what is promised of noise at inference, in distribution.

The same inputs give other outputs each time when noise is drawn at inference. What is measured
instead: with that noise switched off on both sides, the outputs agree; and the noise layers of
the rewritten model drop as many units as they are to, keep the mean, and vary as they should.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rewriter.analysis.layer_kinds import with_inner_layers
from rewriter.analysis.noise_at_inference import TrainingTrue
from rewriter.analysis.noise_layers import MASKS
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import map_leaves
from rewriter.live.adapters import Live, live_keras
from rewriter.live.walk import live_layers
from rewriter.rebuild.builder import rebuild
from rewriter.verification.inputs.made import make_inputs
from rewriter.verification.inputs.specs import input_specs
from rewriter.verification.layer_traffic import watching
from rewriter.verification.noise_statistics import drawn
from rewriter.verification.own_noise import how_runs_differ
from rewriter.verification.result import Distribution, NoiseAtInference
from rewriter.verification.running import Subject, settled, with_vocabularies

if TYPE_CHECKING:
    from numpy.typing import NDArray

RUNS = 200
BATCH = 32

_SETTINGS = ("rate", "stddev", "noise_shape", "shared_axes", "dropout", "recurrent_dropout")


def without_inference_noise(graph: ModelGraph) -> ModelGraph:
    """Return a model without noise at inference: nothing is pinned, nothing always on."""
    model = graph.copy()
    for inner in model.walk():
        for outer in inner.layers:
            for role, layer in with_inner_layers(outer):
                if layer.config.get("always_on"):
                    inner.configure(
                        outer.name,
                        {"always_on": False},
                        reason="draw no noise at inference",
                        role=role,
                    )
        for call in inner.calls():
            arguments = inner.arguments(call)
            if arguments.kwargs.get("training"):
                kwargs = {**arguments.kwargs, "training": False}
                inner.rewire(
                    call, replace(arguments, kwargs=kwargs), reason="draw no noise at inference"
                )
    return model


def without_noise(subject: Subject, custom_objects: Mapping[str, Any]) -> Subject:
    """Return a copy of a model that draws no noise at inference."""
    graph = settled(subject.graph)
    silent = without_inference_noise(graph)
    return Subject(silent, rebuild(silent, graph, subject.model, custom_objects).model)


def measure(
    before: Subject, after: Subject, custom_objects: Mapping[str, Any], *, same: bool
) -> Distribution:
    """Run both models many times on one input, at inference; compare if they are to be the same."""
    live = live_keras(before.graph.keras)
    runs = []
    noise: tuple[NoiseAtInference, ...] = ()
    for subject in (before, after):
        graph = settled(subject.graph)
        copy = rebuild(graph, graph, subject.model, custom_objects).model
        layers = live_layers(live, graph, copy)
        specs = with_vocabularies(live, Subject(graph, copy), input_specs(graph))
        batch = next((spec.batch for spec in specs if spec.batch is not None), BATCH)
        arrays = make_inputs(specs, batch, 8, seed=0, zeros=False)
        noise = _measure_noise(graph, copy, layers, arrays)
        runs.append(_many_runs(graph, copy, arrays))
    differ = [how_runs_differ(*pair) for pair in zip(*runs, strict=True)] if same else []
    said = next((each for each in differ if each), "")
    if same and (other := _other_settings(before.graph, after.graph)):
        said = other
    outputs = [tuple(map(_moments, each)) for each in runs]
    return Distribution(noise, outputs[0], outputs[1], said and f"in distribution, {said}")


def _other_settings(before: ModelGraph, after: ModelGraph) -> str:
    """Say which noise of both models has another setting; runs alone tell no small difference."""
    old, new = (_drawing(graph) for graph in (before, after))
    for path, one in old.items():
        other = new.get(path)
        if other is None or one.class_name != other.class_name:
            continue
        for key in _SETTINGS:
            if one.config.get(key) != other.config.get(key):
                return f"{path} has {key} {other.config.get(key)}, and had {one.config.get(key)}"
    return ""


def _drawing(graph: ModelGraph) -> dict[str, Layer]:
    """Return the layers that draw noise at inference by path."""
    pins = TrainingTrue.of(graph)
    return {
        inner.path_of(call): inner.layer(call)
        for inner in graph.walk()
        for call in inner.calls()
        if pins.draws_at_inference(inner, call)
    }


def _call(graph: ModelGraph, model: Live, arrays: Any) -> list[Any]:
    import tensorflow as tf

    rest = iter([tf.convert_to_tensor(one) for one in arrays])
    return list(
        tf.nest.flatten(model(map_leaves(lambda _: next(rest), graph.inputs), training=False))
    )


def _measure_noise(
    graph: ModelGraph, copy: Live, layers: dict[str, Live], arrays: Any
) -> tuple[NoiseAtInference, ...]:
    training_true = TrainingTrue.of(graph)
    active = {
        inner.path_of(call): inner.layer(call)
        for inner in graph.walk()
        for call in inner.calls()
        if training_true.draws_at_inference(inner, call) and inner.layer(call).class_name in MASKS
    }
    if not active:
        return ()
    seen: dict[str, list[Any]] = {path: [] for path in active}
    with watching({path: layers[path] for path in active}) as watch:
        watch.recording = True
        for _ in range(RUNS // 4):
            watch.clear()
            _call(graph, copy, arrays)
            for each in watch.traffic:
                seen[each.path].append((each.given, each.gave))
    found = []
    for path, pairs in seen.items():
        rate, measured = float(active[path].config["rate"]), drawn(pairs)
        agrees = not (
            measured.rate_differs(rate)
            or measured.expectation_differs
            or measured.variance_differs(rate)
        )
        found.append(
            NoiseAtInference(
                path,
                rate,
                measured.dropped,
                measured.expectation,
                measured.variance,
                measured.draws,
                agrees,
            )
        )
    return tuple(found)


def _many_runs(graph: ModelGraph, copy: Live, arrays: Any) -> list[NDArray[Any]]:
    """Return each output of many runs, stacked."""
    import numpy as np
    import tensorflow as tf

    run = tf.function(lambda: _call(graph, copy, arrays))
    runs = [[tf.cast(each, "float64").numpy() for each in run()] for _ in range(RUNS)]
    return [np.stack(each) for each in zip(*runs, strict=True)]


def _moments(runs: NDArray[Any]) -> tuple[float, float]:
    """Return mean, and variance from run to run."""
    return float(runs.mean()), float(runs.var(0).mean())
