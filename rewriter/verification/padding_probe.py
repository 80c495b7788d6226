"""Measure what padding does to the outputs of a model.

The same sequences are given more padding, in front and behind. Where the length is fixed,
shorter sequences stand behind their padding, and in front of it; and another vector stands at
the padding's index of each Embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from rewriter.analysis.masks.ways_around import way_around
from rewriter.analysis.value_flow import ValueFlow
from rewriter.graph.calls import Tensor
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves
from rewriter.live.adapters import Live, LiveKeras
from rewriter.live.walk import layer_at
from rewriter.verification.arrays import Arrays, Run
from rewriter.verification.differences import greatest_difference
from rewriter.verification.inputs.made import make_inputs
from rewriter.verification.inputs.padded import hidden_steps, lengthened, padded
from rewriter.verification.inputs.specs import InputSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = 4
"""So many steps of padding, or more, so that no window shifts."""

ROWS = 6
"""Sequences that are made."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Inputs that tell how far padding moves the outputs of a model.

    Parameters
    ----------
    specs : sequence of InputSpec
        What the inputs take, and what padding is in them.
    arrays : tuple of array
        Sequences; where the length is fixed, with padding in them.
    steps : int
        Steps of padding that are added.
    fixed : bool
        Whether the length is fixed.
    made : bool
        Whether the sequences were made; else they are the user's.
    """

    specs: Sequence[InputSpec]
    arrays: Arrays
    steps: int
    fixed: bool
    made: bool = True

    def sensitivity(self, run: Run, matrices: Sequence[Live]) -> dict[str, float]:
        """Return how far padding moves the outputs, by where it stands.

        Parameters
        ----------
        run : callable
            Gives the outputs of a model.
        matrices : sequence of variable
            The vectors of its Embeddings; what stands at index 0 is changed, and given back.
        """
        try:
            return dict(self._shifted(run, matrices) if self.fixed else self._longer(run))
        except Exception:  # a length that the model does not take has no sensitivity
            return {}

    def _longer(self, run: Run) -> Iterator[tuple[str, float]]:
        plain = run(self.arrays)
        for where, front in (("in front", True), ("behind", False)):
            pairs = zip(self._run_longer(run, front=front), plain, strict=True)
            yield (
                where,
                max(greatest_difference(_shortened(one, two, front), two) for one, two in pairs),
            )

    def _run_longer(self, run: Run, *, front: bool) -> list[NDArray[Any]]:
        """Run sequences with more padding; the other inputs are as long where they must be."""
        pairs = list(zip(self.specs, self.arrays, strict=True))
        try:
            more = [padded(*pair, self.steps, front=front, keep_length=False) for pair in pairs]
            return list(run(tuple(more)))
        except Exception:  # whatever Keras raises where inputs that it joins differ in length
            return list(run(tuple(lengthened(*pair, self.steps, front=front) for pair in pairs)))

    def _shifted(self, run: Run, matrices: Sequence[Live]) -> Iterator[tuple[str, float]]:
        front, behind = (self._placed(front=front) for front in (True, False))
        at_end, at_start = run(front), run(behind)
        flat = [(one, two) for one, two in zip(at_end, at_start, strict=True) if one.ndim <= 2]
        if flat:
            yield "in front, not behind", max(greatest_difference(one, two) for one, two in flat)
        if matrices:
            with _other_vectors(matrices):
                other = run(behind)
            shown = self._counting(behind)
            pairs = zip(other, at_start, strict=True)
            gaps = [greatest_difference(_kept(one, shown), _kept(two, shown)) for one, two in pairs]
            yield "another vector at index 0", max(gaps)

    def _placed(self, *, front: bool) -> Arrays:
        """Return the sequences with all their padding in front, or all behind."""
        return tuple(
            _placed(spec, one, front=front)
            for spec, one in zip(self.specs, self.arrays, strict=True)
        )

    def _counting(self, arrays: Arrays) -> NDArray[Any] | None:
        """Return the steps that count, where all inputs with padding agree on them."""
        hidden = [hidden_steps(spec, one) for spec, one in zip(self.specs, arrays, strict=True)]
        known = [one for one in hidden if one is not None]
        same = all(one.shape == known[0].shape and (one == known[0]).all() for one in known)
        return ~known[0] if known and same else None


def probe(
    specs: Sequence[InputSpec], graph: ModelGraph, length: int | None, given: Arrays | None
) -> Probe | None:
    """Return inputs to measure the sensitivity to padding with; None where nothing is padding.

    Parameters
    ----------
    specs : sequence of InputSpec
        What the inputs take.
    graph : ModelGraph
        The model: its strides tell how much padding shifts no window.
    length : int or None
        Steps of the sequences that are made, where that is free.
    given : tuple of array, optional
        The user's inputs, which go before those that are made.
    """
    masked = [spec for spec in specs if spec.padding is not None and not spec.words]
    if not masked:
        return None
    stride = _stride(graph)
    fixed = any(spec.time is not None for spec in masked)
    steps = stride * -(-STEPS // stride)
    if given is not None:
        arrays = _shiftable(specs, given, stride) if fixed else given
        if len(arrays[0]):
            return Probe(specs, arrays, steps, fixed, made=False)
    batch = next((spec.batch for spec in specs if spec.batch is not None), ROWS)
    base = make_inputs(specs, batch, length or 2 * steps, seed=0, zeros=False)
    if fixed:
        shortest = min(spec.time for spec in masked if spec.time is not None)
        steps = max(stride, min(steps, shortest // 2 // stride * stride))
        pairs = zip(specs, base, strict=True)
        base = tuple(
            padded(spec, one, min(steps, one.shape[spec.axis] - 1), front=False, keep_length=True)
            if spec.padding is not None
            else one
            for spec, one in pairs
        )
    return Probe(specs, base, steps, fixed)


def embedding_matrices(
    keras: LiveKeras, graph: ModelGraph, masked: ModelGraph, model: Live
) -> list[Live]:
    """Return the vectors of the Embeddings whose index 0 is padding.

    Parameters
    ----------
    keras : LiveKeras
        The Keras of the model.
    graph : ModelGraph
        Of the model.
    masked : ModelGraph
        The model whose masks tell what padding is.
    model : live model
        The model.
    """
    ways, found = ValueFlow(masked), dict[tuple[str, ...], Live]()
    for end in leaves(masked.inputs):
        for each in ways.receivers(masked, Tensor(end.call)):
            if each.layer.class_name == "Embedding" and each.layer.config.get("mask_zero"):
                found[each.steps] = layer_at(keras, model, each.steps).embeddings
    return list(found.values())


@contextmanager
def _other_vectors(matrices: Sequence[Live]) -> Iterator[None]:
    """Have another vector at index 0 of each matrix for a while."""
    import numpy as np

    random = np.random.default_rng(0)
    kept = [np.array(matrix) for matrix in matrices]
    try:
        for matrix, value in zip(matrices, kept, strict=True):
            other = value.copy()
            other[0] = random.normal(scale=value.std() or 1.0, size=value.shape[1])
            matrix.assign(other)
        yield
    finally:
        for matrix, value in zip(matrices, kept, strict=True):
            matrix.assign(value)


def _stride(graph: ModelGraph) -> int:
    """Return the steps of the input from which on more padding shifts no window."""
    ways = [way_around(layer) for inside in graph.walk() for layer in inside.layers]
    return prod(way.steps.stride for way in ways if way is not None)


def _placed(spec: InputSpec, array: NDArray[Any], *, front: bool) -> NDArray[Any]:
    """Return sequences of fixed length with all their padding in front, or all behind."""
    import numpy as np

    hidden = hidden_steps(spec, array)
    if hidden is None:
        return array
    moved = array.copy()
    rows = moved.reshape(-1, *array.shape[spec.axis :])
    for row, steps in enumerate(hidden.reshape(len(rows), -1)):
        shown = np.flatnonzero(~steps)
        if len(shown):
            first, last = int(shown[0]), int(shown[-1]) + 1
            shift = len(steps) - last if front else -first
            rows[row] = np.roll(rows[row], shift, axis=0)
    return moved


def _shiftable(specs: Sequence[InputSpec], arrays: Arrays, stride: int) -> Arrays:
    """Return the sequences with so much padding that no window shifts where it changes sides."""
    import numpy as np

    fit = np.ones(len(arrays[0]), bool)
    for spec, one in zip(specs, arrays, strict=True):
        hidden = hidden_steps(spec, one)
        if hidden is not None:
            outside = np.logical_and.accumulate(hidden, axis=-1).sum(-1)
            outside += np.logical_and.accumulate(hidden[..., ::-1], axis=-1).sum(-1)
            some = (outside > 0) & (outside < hidden.shape[-1]) & (outside % stride == 0)
            fit &= some.reshape(len(one), -1).all(1)
    return tuple(one[fit] for one in arrays)


def _shortened(longer: NDArray[Any], plain: NDArray[Any], front: bool) -> NDArray[Any]:
    """Return an output with steps without those that the added padding gave."""
    if longer.shape == plain.shape or longer.ndim < 3:
        return longer
    length = plain.shape[1]
    return longer[:, longer.shape[1] - length :] if front else longer[:, :length]


def _kept(output: NDArray[Any], shown: NDArray[Any] | None) -> NDArray[Any]:
    """Return an output with zeros in the place of padded steps, if it has these steps."""
    import numpy as np

    if shown is None or output.ndim < 3 or output.shape[:2] != shown.shape:
        return output
    mask: NDArray[Any] = shown.reshape(*shown.shape, *[1] * (output.ndim - 2))
    return np.asarray(output * mask)
