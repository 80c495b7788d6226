"""What noise layers do, in training and at inference, measured layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rewriter.graph import ModelGraph
from rewriter.kinds import NOISE
from rewriter.live import Live
from rewriter.noise import MASKS
from rewriter.rehearsal.cases import arrays_to_tensors
from rewriter.rehearsal.statistics import Drawn, drawn
from rewriter.structure import map_leaves
from rewriter.watching import Traffic, Watch, watching

if TYPE_CHECKING:
    from rewriter.inputs import Arrays

RUNS = 8
MOST_RUNS = 24
WANTED_DRAWS = 100_000


@dataclass(frozen=True, slots=True)
class NoiseMeasured:
    """What a layer that draws noise did.

    Parameters
    ----------
    layer, class_name : str
        Path and class.
    known : bool
        Whether it is a noise layer of Keras or of this program, or a subclass of one.
    configured : float or None
        The rate that the layer says it has.
    in_training, at_inference : bool
        When its output was another than its input.
    drawn : Drawn
        What was measured in training; at inference, if nothing was drawn in training.
    constant_over_time : bool or None
        Whether the same units are dropped at all steps; None for a tensor without steps.
    """

    layer: str
    class_name: str
    known: bool
    configured: float | None
    in_training: bool
    at_inference: bool
    drawn: Drawn
    constant_over_time: bool | None

    @property
    def drops(self) -> bool:
        """Whether it sets units to zero, where others add or multiply noise."""
        return self.class_name in MASKS or (self.drawn.dropped > 0 and not self.is_alpha)

    @property
    def is_alpha(self) -> bool:
        """Whether it keeps mean and variance, but not the expectation of a unit."""
        return "Alpha" in self.class_name


def measure_noise(
    graph: ModelGraph, model: Live, layers: dict[str, Live], arrays: Arrays
) -> list[NoiseMeasured]:
    """Run a model in training and at inference, and measure the layers that draw noise.

    A layer counts as one if it is one of Keras', or if its output is its input at inference
    and another in training, whatever its name.
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
        candidates = [path for path, seen in still.items() if _may_be_noise(layers[path], seen)]
        if not candidates:
            return []
        noisy: dict[str, list[Traffic]] = {path: [] for path in candidates}
        for number in range(MOST_RUNS):
            seen = run(watch, training=True)
            for path in candidates:
                noisy[path] += seen.get(path, [])
            if number + 1 >= RUNS and all(_units(each) >= WANTED_DRAWS for each in noisy.values()):
                break
    found = [_measured(layers[path], still[path], noisy[path]) for path in candidates]
    return [each for each in found if each is not None]


def _units(seen: Sequence[Traffic]) -> int:
    return sum(each.given.size for each in seen)


def _may_be_noise(layer: Live, still: Sequence[Traffic]) -> bool:
    return _is_known(layer) or all(_same(each) for each in still)


def _is_known(layer: Live) -> bool:
    return any(cls.__name__ in NOISE for cls in type(layer).__mro__)


def _same(seen: Traffic) -> bool:
    return bool((seen.given == seen.gave).all())


def _measured(
    layer: Live, still: Sequence[Traffic], noisy: Sequence[Traffic]
) -> NoiseMeasured | None:
    in_training = not all(_same(each) for each in noisy)
    at_inference = not all(_same(each) for each in still)
    rate = _rate(layer)
    if not in_training and not at_inference and rate is None:
        return None
    pairs = [(each.given, each.gave) for each in (noisy if in_training else still)]
    shapes = {given.shape for given, _ in pairs}
    pairs = [pair for pair in pairs if pair[0].shape == max(shapes, key=len)]
    found = drawn(pairs)
    steps = pairs[0][0].ndim > 2
    class_name = next((c.__name__ for c in type(layer).__mro__ if c.__name__ in NOISE), "")
    return NoiseMeasured(
        still[0].path,
        class_name if type(layer).__name__ in NOISE else type(layer).__name__,
        bool(class_name),
        rate,
        in_training,
        at_inference,
        found,
        (1 in found.shared_axes) if steps else None,
    )


def _rate(layer: Live) -> float | None:
    """Return the rate that a layer says it has, if it is one."""
    for key in ("rate", "dropout_rate", "drop_rate", "p"):
        rate: Any = getattr(layer, key, None)
        if isinstance(rate, int | float) and 0 < rate < 1:
            return float(rate)
    return None
