"""Compare, in distribution, outputs that differ from run to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rewriter.live.adapters import LiveKeras
from rewriter.verification.arrays import Arrays
from rewriter.verification.inputs.specs import InputSpec
from rewriter.verification.running import Subject, compiled_call, runner

if TYPE_CHECKING:
    from numpy.typing import NDArray

RUNS = 200

_ERRORS = 6.0
"""So many standard errors may mean and variance be apart."""


def other_distribution(
    keras: LiveKeras, copies: tuple[Subject, Subject], specs: Sequence[InputSpec], arrays: Arrays
) -> list[str]:
    """Return for each output how its distribution differs between two models; nothing if not.

    Parameters
    ----------
    keras : LiveKeras
        The Keras of both.
    copies : pair of Subject
        Copies of the models: what draws noise changes its seeds.
    specs : sequence of InputSpec
        What the inputs take.
    arrays : tuple of array
        The input that both are run on, many times.
    """
    runs = []
    for copy in copies:
        run = runner(keras, copy, specs, compiled=compiled_call(copy, specs))
        runs.append(list(zip(*(run(arrays) for _ in range(RUNS)), strict=True)))
    return [how_runs_differ(one, other) for one, other in zip(*runs, strict=True)]


def how_runs_differ(one: Sequence[NDArray[Any]], other: Sequence[NDArray[Any]]) -> str:
    """Say how two sets of runs differ, by mean and by variance; nothing if they do not."""
    import numpy as np

    if one[0].shape != other[0].shape or one[0].dtype.kind not in "fc":
        return "" if np.array_equal(one[0], other[0]) else "its runs cannot be compared"
    first, second = (np.stack(each).astype("float64") for each in (one, other))
    least = 1e-5 * float(np.abs(first).max(initial=0.0)) + 1e-30
    error = np.sqrt(first.var(0) / len(first) + second.var(0) / len(second))
    apart = np.abs(first.mean(0) - second.mean(0))
    if (apart > _ERRORS * error + least).any():
        return f"its mean over {len(first)} runs is {apart.max():.3g} away"
    # Of each, what its own runs say: how far a run is from the mean, and on which side of it.
    sides = np.where(first.mean(0) < 0, -1.0, 1.0)
    away = [(each - each.mean(0)) * sides for each in (first, second)]
    for what, measure in _spreads(first.ndim).items():
        runs = [measure(each).reshape(len(each), -1).mean(1) for each in away]
        error = np.sqrt(sum(each.var() / len(each) for each in runs))
        before, after = (each.mean() for each in runs)
        if np.abs(before - after) > _ERRORS * error + (least**2 if "variance" in what else least):
            return f"its {what} from run to run is {after:.3g}, and was {before:.3g}"
    return ""


def _spreads(rank: int) -> dict[str, Callable[[NDArray[Any]], NDArray[Any]]]:
    """Return what is measured of distances from the mean: run, row, and the axes of the output.

    Two kinds of noise may have the same variance, and another shape; or be the same in each
    place, and drawn for a whole axis at once.
    """
    found: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
        "variance": lambda away: away**2,
        "mean distance from the mean": abs,
    }
    for axis in range(1, rank):
        found[f"variance of means over axis {axis - 1}"] = partial(_squared_means, axis)
    return found


def _squared_means(axis: int, away: NDArray[Any]) -> NDArray[Any]:
    squares: NDArray[Any] = away.mean(axis) ** 2
    return squares
