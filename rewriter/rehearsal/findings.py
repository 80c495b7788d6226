"""Turn what a rehearsal saw into findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rewriter.analysis.each_step import without_time_distributed
from rewriter.analysis.layer_kinds import is_recurrent
from rewriter.analysis.noise_at_inference import TrainingTrue
from rewriter.analysis.recurrent_layers import layers_with_rates
from rewriter.checks.findings import Finding
from rewriter.checks.promises import changes_layer
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.rehearsal.cases import TRAINS, TrainingCase
from rewriter.rehearsal.noise_result import NoiseMeasured

CODES = {
    "RW151": "training fails at a size",
    "RW152": "another number of rows comes out than went in",
    "RW153": "compiled, the model gives other outputs than eagerly",
    "RW154": "a trainable weight gets no gradient, or one that is not finite",
    "RW351": "noise that drops nothing in training",
    "RW352": "noise that is drawn at inference, or should be and is not",
    "RW353": "the share of dropped units is not the rate",
    "RW354": "noise that does not keep the expectation",
}
"""What a rehearsal finds; `check` finds the rest without running the model."""

_CODE_OF = {"fails": "RW151", "wrong batch": "RW152", "differs": "RW153"}


def judge_cases(graph: ModelGraph, cases: Sequence[TrainingCase]) -> Iterator[Finding]:
    """Yield a finding for each layer and outcome that is not in order."""
    groups: dict[tuple[str, str], list[TrainingCase]] = {}
    for case in cases:
        if case.outcome != TRAINS:
            groups.setdefault((case.outcome, case.layer), []).append(case)
    for (outcome, layer), group in groups.items():
        sizes = dict.fromkeys(_size(case) for case in group)
        modes = " and ".join(dict.fromkeys(case.mode for case in group))
        words = {
            "fails": "training fails",
            "wrong batch": "gives a wrong batch size without an error",
            "differs": "gives wrong outputs without an error",
        }[outcome]
        message = f"{words} at {', '.join(sizes)} ({modes}): {group[0].detail}"
        yield Finding(_CODE_OF[outcome], layer, message, _fix(graph, layer))


def _size(case: TrainingCase) -> str:
    length = "" if case.length is None else f" length {case.length}"
    return f"batch {case.batch}{length}"


def _fix(graph: ModelGraph, path: str) -> str | None:
    """Return the pass that mends a layer that fails, if it changes that layer."""
    fix = _likely_fix(graph, path)
    return fix if fix is not None and changes_layer(graph, fix, path) else None


def _likely_fix(graph: ModelGraph, path: str) -> str | None:
    """Return the pass that may mend a layer that fails, by what its config says."""
    layer = _find(graph, path)
    if layer is None:
        return None
    if layer.class_name == "TimeDistributed":
        unwrapped = without_time_distributed(layer)
        return None if isinstance(unwrapped, str) else "unwrap-time-distributed"
    if any(each.config.get("stateful") for each in layer.walk()):
        return "free-batch:stateful=drop"
    if (layer.config.get("noise_shape") or [None])[0] is not None:
        return "free-batch"
    if layer.class_name in ("TFOpLambda", "Reshape", "BroadcastTo"):
        return "free-batch"
    if is_recurrent(layer) and any(inner.rates for inner in layers_with_rates(layer)):
        return "externalise-dropout"
    return None


def _find(graph: ModelGraph, path: str) -> Layer | None:
    for inner in graph.walk():
        for layer in inner.layers:
            place = inner.path_of(layer.name)
            if place == path or (layer.graph is None and path.startswith(f"{place}/")):
                return layer
    return None


def judge_noise(graph: ModelGraph, measured: Sequence[NoiseMeasured]) -> Iterator[Finding]:
    """Yield a finding for each noise layer that is not in order."""
    training_true = TrainingTrue.of(graph)
    asked = {
        inner.path_of(call)
        for inner in graph.walk()
        for call in inner.calls()
        if training_true.is_set(inner, call)
    }
    active = {
        inner.path_of(call)
        for inner in graph.walk()
        for call in inner.calls()
        if training_true.draws_at_inference(inner, call)
    }
    for each in measured:
        yield from _judge(each, each.layer in asked, each.layer in active)


def _judge(measured: NoiseMeasured, asked: bool, active: bool) -> Iterator[Finding]:
    found, rate = measured.drawn, measured.configured
    inside = "" if measured.on == "input" else f" of its {measured.on}"
    if not measured.in_training and rate:
        message = f"drops nothing{inside} in training; its rate is {rate:g}"
        yield Finding("RW351", measured.layer, message, None)
    if measured.at_inference and not active:
        yield Finding("RW352", measured.layer, "draws noise at inference", None)
    if asked and not measured.at_inference and rate:
        message = "is called with training=True and draws nothing at inference"
        yield Finding("RW352", measured.layer, message, _honoured_by(measured))
    if found is None or not (measured.in_training or measured.at_inference):
        return
    if measured.drops and rate and found.rate_differs(rate):
        message = f"drops {found.dropped:.4f} of the units{inside}; its rate is {rate:g}"
        yield Finding("RW353", measured.layer, message, None)
    if not measured.is_alpha and found.expectation_differs:
        message = (
            f"keeps {found.expectation:.3f} of the expectation{inside}: what gets it sees another "
            "scale in training than at inference"
        )
        yield Finding("RW354", measured.layer, message, None)


def _honoured_by(measured: NoiseMeasured) -> str | None:
    return "honour-training" if measured.known else None


def judge_gradients(missing: Sequence[str], infinite: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for each layer with a weight without a gradient, or a broken one."""
    for layer in dict.fromkeys(missing):
        yield Finding("RW154", layer, "a trainable weight gets no gradient", None)
    for layer in dict.fromkeys(infinite):
        yield Finding("RW154", layer, "a gradient is not finite", None)
