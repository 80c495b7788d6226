"""Measure what noise layers do in training and at inference, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

from rewriter.analysis.layer_kinds import NOISE
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import map_leaves
from rewriter.live.adapters import Live, LiveKeras
from rewriter.rehearsal.cases import arrays_to_tensors
from rewriter.rehearsal.inner_noise import measure_inside
from rewriter.rehearsal.noise_result import NoiseMeasured, stated_rate
from rewriter.rehearsal.replay import LayerReplay, numbers_of, tensors_in
from rewriter.verification.layer_traffic import Traffic, Watch, WatchedArguments, watching
from rewriter.verification.noise_statistics import drawn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rewriter.verification.arrays import Arrays

    Pair = tuple[NDArray[Any], NDArray[Any]]

RUNS = 8
WANTED_DRAWS = 1_000_000
MOST_UNITS = 4_000_000
"""As many units of a layer are looked at, where it shares its noise along an axis."""

CHUNK = 500_000
"""As many units go through a layer at a time."""


def measure_noise(
    keras: LiveKeras, graph: ModelGraph, model: Live, layers: dict[str, Live], arrays: Arrays
) -> list[NoiseMeasured]:
    """Run a model in training and at inference, and measure the layers that draw noise.

    A layer counts as a noise layer if it is one of Keras', or if its output is its input at
    inference and another in training, whatever its name. Others are looked into.
    """
    tensors = arrays_to_tensors(arrays)

    def run(watch: Watch, *, training: bool) -> dict[str, list[Traffic]]:
        watch.clear()
        rest = iter(tensors)
        model(map_leaves(lambda _: next(rest), graph.inputs), training=training)
        seen: dict[str, list[Traffic]] = {}
        for each in watch.traffic:
            seen.setdefault(each.path, []).append(each)
        return seen

    with watching(layers) as watch:
        watch.recording = True
        still = run(watch, training=False)
        inference = dict(watch.arguments)
        candidates = [path for path, seen in still.items() if _may_be_noise(layers[path], seen)]
        noisy: dict[str, list[Traffic]] = {path: [] for path in candidates}
        for _ in range(RUNS if candidates else 1):
            seen = run(watch, training=True)
            for path in candidates:
                noisy[path] += seen.get(path, [])
        training = dict(watch.arguments)
    found = {
        path: _measured(layers[path], still[path], noisy[path], training) for path in candidates
    }
    for path in [path for path, layer in layers.items() if _applies_to_each_step(layer)]:
        inner = found.pop(f"{path}/{layers[path].layer.name}", None)
        if inner is not None:
            found[path] = replace(inner, layer=path)
    others = {path: layer for path, layer in layers.items() if path not in found}
    measured = [each for each in found.values() if each is not None]
    return _in_order(layers, [*measured, *measure_inside(keras, others, training, inference)])


def _in_order(layers: Mapping[str, Live], rows: Sequence[NoiseMeasured]) -> list[NoiseMeasured]:
    places = {path: number for number, path in enumerate(layers)}
    return sorted(rows, key=lambda each: places[each.layer])


def _may_be_noise(layer: Live, still: Sequence[Traffic]) -> bool:
    return _is_known(layer) or all(_same(each) for each in still)


def _is_known(layer: Live) -> bool:
    return any(cls.__name__ in NOISE for cls in type(layer).__mro__)


def _applies_to_each_step(layer: Live) -> bool:
    """Whether a layer is TimeDistributed: the noise in it is said once, by the wrapper's name."""
    return type(layer).__name__ == "TimeDistributed"


def _same(seen: Traffic) -> bool:
    return bool((seen.given == seen.gave).all())


def _measured(
    layer: Live,
    still: Sequence[Traffic],
    noisy: Sequence[Traffic],
    training: Mapping[str, WatchedArguments],
) -> NoiseMeasured | None:
    in_training = not all(_same(each) for each in noisy)
    at_inference = not all(_same(each) for each in still)
    rate = stated_rate(layer)
    if not in_training and not at_inference and rate is None:
        return None
    path = still[0].path
    pairs = [(each.given, each.gave) for each in (noisy if in_training else still)]
    shapes = {given.shape for given, _ in pairs}
    pairs = [pair for pair in pairs if pair[0].shape == max(shapes, key=len)]
    if in_training and path in training:
        pairs += _more(LayerReplay(layer, training[path]), pairs)
    found = drawn(pairs)
    steps = pairs[0][0].ndim > 2
    class_name = next((c.__name__ for c in type(layer).__mro__ if c.__name__ in NOISE), "")
    return NoiseMeasured(
        path,
        class_name if type(layer).__name__ in NOISE else type(layer).__name__,
        bool(class_name),
        rate,
        in_training,
        at_inference,
        found,
        (1 in found.shared_axes) if steps else None,
    )


def _more(replay: LayerReplay, pairs: Sequence[Pair]) -> Iterator[Pair]:
    """Yield more of what a layer does, on the rows that it had, until there are enough draws."""
    shape, so_far = pairs[0][0].shape, drawn(pairs)
    units = sum(given.size for given, _ in pairs)
    if 0 in so_far.shared_axes or so_far.draws == 0 or tuple(replay.first.shape) != shape:
        return
    wanted = min(WANTED_DRAWS * units // so_far.draws, MOST_UNITS) - units
    row = prod(shape[1:])
    while wanted > 0:
        rows = max(min(wanted, CHUNK) // row, 1)
        wanted -= rows * row
        given = replay.with_rows(rows)
        try:
            gave = replay.call(given)[0]
        except Exception:  # a layer that has the batch size in it: there are fewer draws then
            return
        pair = tuple(numbers_of(each) for each in (tensors_in(given.args)[0], gave))
        if pair[0].shape != pair[1].shape:
            return
        yield pair[0], pair[1]
