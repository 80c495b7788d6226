"""What is promised of noise at inference, measured: verification in distribution.

The same inputs give other outputs each time when noise is drawn at inference. What is measured
instead: with that noise switched off on both sides, the outputs agree; and the noise layers of
the rewritten model drop as many units as they are to, keep the mean, and vary as they should.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from rewriter.analysis.layer_kinds import held
from rewriter.analysis.noise_at_inference import Pins
from rewriter.analysis.noise_layers import MASKS
from rewriter.dialects import decode
from rewriter.graph import ModelGraph
from rewriter.graph.nested import map_leaves
from rewriter.inputs import input_specs, make_inputs
from rewriter.live import Live, live_keras
from rewriter.live.walk import live_layers
from rewriter.pipeline import Guarantee
from rewriter.rebuild import rebuild
from rewriter.rehearsal.statistics import drawn
from rewriter.running import Subject, with_vocabularies
from rewriter.verification import Verification, verify_models
from rewriter.watching import watching

RUNS = 200
BATCH = 32


@dataclass(frozen=True, slots=True)
class NoiseAtInference:
    """What one layer did over many runs at inference.

    Parameters
    ----------
    layer : str
        Path of the layer.
    rate : float
        The rate that it has.
    dropped, mean, variance : float
        The share of units set to zero, and mean and variance of the factors that units were
        multiplied with.
    draws : int
        Independent draws behind these.
    ok : bool
        Whether all three agree with the rate, within five standard errors.
    """

    layer: str
    rate: float
    dropped: float
    mean: float
    variance: float
    draws: int
    ok: bool


@dataclass(frozen=True, slots=True)
class Distribution:
    """Noise at inference of the rewritten model, and what it does to the outputs.

    Parameters
    ----------
    noise : tuple of NoiseAtInference
        Layer by layer; none where no noise is left.
    before, after : tuple of (mean, variance)
        Of each output of both models, over all runs: the variance is that from run to run.
    """

    noise: tuple[NoiseAtInference, ...]
    before: tuple[tuple[float, float], ...]
    after: tuple[tuple[float, float], ...]

    @property
    def ok(self) -> bool:
        """Whether every noise layer does what its config says."""
        return all(each.ok for each in self.noise)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return asdict(self)


def draws_at_inference(graph: ModelGraph) -> bool:
    """Whether a model draws noise at inference."""
    pins = Pins.of(graph)
    return any(pins.active(inner, call) for inner in graph.walk() for call in inner.calls())


def quiet(graph: ModelGraph) -> ModelGraph:
    """Return a model without noise at inference: nothing is pinned, nothing always on."""
    model = graph.copy()
    for inner in model.walk():
        for outer in inner.layers:
            for role, layer in held(outer):
                if layer.config.get("always_on"):
                    inner.configure(outer.name, {"always_on": False}, reason="quiet", role=role)
        for call in inner.calls():
            arguments = inner.arguments(call)
            if arguments.kwargs.get("training"):
                kwargs = {**arguments.kwargs, "training": False}
                inner.rewire(call, replace(arguments, kwargs=kwargs), reason="quiet")
    return model


def verify_in_distribution(
    original: Live,
    rewritten: Live,
    *,
    keras: int,
    guarantee: Guarantee,
    tolerance: float,
    data: Any,
    custom_objects: Mapping[str, Any],
) -> Verification:
    """Measure a guarantee on models that draw noise at inference.

    Raises
    ------
    RewriterError
        The original fails on every input.
    """
    subjects = [_quiet_subject(model, keras, custom_objects) for model in (original, rewritten)]
    still = Guarantee.SAME if guarantee is Guarantee.CHANGED_ON_PURPOSE else guarantee
    verification = verify_models(*subjects, guarantee=still, tolerance=tolerance, data=data)
    found = measure(original, rewritten, keras, custom_objects)
    return replace(
        verification,
        ok=verification.ok and found.ok,
        guarantee=guarantee,
        distribution=found,
    )


def _quiet_subject(model: Live, keras: int, custom_objects: Mapping[str, Any]) -> Subject:
    graph = decode(live_keras(keras).document(model), keras)
    silent = quiet(graph)
    return Subject(silent, rebuild(silent, graph, model, custom_objects).model)


def measure(
    original: Live, rewritten: Live, keras: int, custom_objects: Mapping[str, Any]
) -> Distribution:
    """Run both models many times on one input, at inference."""
    live = live_keras(keras)
    outputs = []
    noise: tuple[NoiseAtInference, ...] = ()
    for model in (original, rewritten):
        graph = decode(live.document(model), keras)
        copy = rebuild(graph, graph, model, custom_objects).model
        layers = live_layers(live, graph, copy)
        specs = with_vocabularies(live, Subject(graph, copy), input_specs(graph))
        batch = next((spec.batch for spec in specs if spec.batch is not None), BATCH)
        arrays = make_inputs(specs, batch, 8, seed=0, zeros=False)
        noise = _measure_noise(graph, copy, layers, arrays)
        outputs.append(_moments(graph, copy, arrays))
    return Distribution(noise, outputs[0], outputs[1])


def _call(graph: ModelGraph, model: Live, arrays: Any) -> list[Any]:
    import tensorflow as tf

    rest = iter([tf.convert_to_tensor(one) for one in arrays])
    return list(
        tf.nest.flatten(model(map_leaves(lambda _: next(rest), graph.inputs), training=False))
    )


def _measure_noise(
    graph: ModelGraph, copy: Live, layers: dict[str, Live], arrays: Any
) -> tuple[NoiseAtInference, ...]:
    pins = Pins.of(graph)
    active = {
        inner.path_of(call): inner.layer(call)
        for inner in graph.walk()
        for call in inner.calls()
        if pins.active(inner, call) and inner.layer(call).class_name in MASKS
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


def _moments(graph: ModelGraph, copy: Live, arrays: Any) -> tuple[tuple[float, float], ...]:
    """Return mean, and variance from run to run, of each output."""
    import numpy as np
    import tensorflow as tf

    run = tf.function(lambda: _call(graph, copy, arrays))
    runs = [[tf.cast(each, "float64").numpy() for each in run()] for _ in range(RUNS)]
    columns = [np.stack(each) for each in zip(*runs, strict=True)]
    return tuple((float(each.mean()), float(each.var(0).mean())) for each in columns)
