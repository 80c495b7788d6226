"""Run a part of the original and of the rewritten model on the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from rewriter.errors import first_line
from rewriter.verification.compared_models import Models
from rewriter.verification.comparison import MOST_ROUNDING, ROUNDING_MULTIPLE
from rewriter.verification.differences import Spread, relative_difference
from rewriter.verification.flat_calls import CallPath, FlatCall, FlatModel, FlatTensor
from rewriter.verification.layer_equality import same_masks
from rewriter.verification.part_values import PartValues, Probe
from rewriter.verification.running import to_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TOLERANCES = 10
"""Fed with numbers of all kinds, roundings may add up to so many times the tolerance."""

_MOST_CALLS = 2_000
_TIMES_A_MODEL = 40
"""A part is compared no more once so many calls were made, or so many times all of the model's."""

Pairs = Sequence[tuple[FlatTensor, FlatTensor]]


class Compared(NamedTuple):
    """The first numbers for which tensors differ, and whether the tensors vary at all."""

    differ_for: Probe | None
    vary: bool


class TooManyCallsError(Exception):
    """Parts are so many, or so long, that they would take too long."""


@dataclass(slots=True)
class PartRuns:
    """The calls of both models, and what to feed them with.

    Parameters
    ----------
    models : Models
        What is compared, and how far.
    old, new : FlatModel
        The original and the rewritten model.
    values : PartValues
        What to feed parts with.
    failures : list of str
        Parts that fail in the original on what the model itself feeds them with.
    """

    models: Models
    old: FlatModel
    new: FlatModel
    values: PartValues
    failures: list[str] = field(default_factory=list)
    made: int = 0

    def compare(self, pairs: Pairs, known: Mapping[FlatTensor, FlatTensor]) -> Compared:
        """Compare tensors, for all that may be fed to the parts that make them."""
        ones, others = ([pair[side] for pair in pairs] for side in (0, 1))
        fed, calls = list(known.values()), self.calls_of(pairs, known)
        self.values.find(fed)
        seen: list[Any] = []
        for probe in self.values.probes():
            self.count(len(calls))
            given = self.values.given(probe, fed, calls)
            try:
                expected = self.old.run(ones, given)
            except Exception as error:
                if not probe.real:
                    continue
                self.failures.append(f"{self.new.path_of(others[0])}: {first_line(error)}")
                return Compared(None, True)
            try:
                actual = self.new.run(others, {new: given[old] for new, old in known.items()})
            except Exception:
                return Compared(probe, True)
            if not all(self.alike(expected[a], actual[b], given, a) for a, b in pairs):
                return Compared(None if self.is_noise(ones) else probe, True)
            seen += [to_array(expected[one]) for one in ones]
        return Compared(None, _vary(seen))

    def depends(
        self,
        pairs: Pairs,
        known: Mapping[FlatTensor, FlatTensor],
        twin: CallPath,
        way: CallPath,
        *,
        in_old: bool,
        both: bool,
    ) -> bool:
        """Whether tensors that are the same depend on a call between that is not.

        What that call gives is moved where both models give others for it.
        """
        flat, moved = (self.old, FlatTensor(twin)) if in_old else (self.new, FlatTensor(way))
        wanted = [pair[0 if in_old else 1] for pair in pairs]
        if moved in wanted:
            return True
        calls, differed = self.calls_of(pairs, known), False
        for probe in self.values.probes():
            self.count(3 * len(calls))
            given = self.values.given(probe, list(known.values()), calls)
            rest = given if in_old else {new: given[old] for new, old in known.items()}
            try:
                usual = flat.run([*wanted, moved], rest)
                value, other = usual[moved], None
                if both:
                    there = {new: given[old] for new, old in known.items()}
                    other = self.new.run([FlatTensor(way)], there)[FlatTensor(way)]
                changed = _moved(value, other)
                if changed is None:
                    continue
                differed = True
                actual = flat.run(wanted, {**rest, moved: changed})
            except Exception:
                continue
            if any(
                relative_difference(to_array(usual[tensor]), to_array(actual[tensor])) > 0
                for tensor in wanted
            ):
                return True
        return not differed

    def calls_of(self, pairs: Pairs, known: Mapping[FlatTensor, FlatTensor]) -> list[FlatCall]:
        """Return the calls of both parts that make tensors of known ones."""
        ones, others = ([pair[side] for pair in pairs] for side in (0, 1))
        return [
            *(self.old.calls[way] for way in self.old.needed(ones, known.values())),
            *(self.new.calls[way] for way in self.new.needed(others, known)),
        ]

    def count(self, calls: int) -> None:
        """Count calls that are to be made.

        Raises
        ------
        TooManyCallsError
            They would be too many.
        """
        self.made += calls
        if self.made > max(_MOST_CALLS, _TIMES_A_MODEL * len(self.old.calls)):
            raise TooManyCallsError(f"it takes more than {_TIMES_A_MODEL} runs of the model")

    def alike(self, one: Any, other: Any, given: Mapping[FlatTensor, Any], end: FlatTensor) -> bool:
        """Whether two tensors are the same, with their masks, within what is promised."""
        masks = [getattr(each, "_keras_mask", None) for each in (one, other)]
        if not same_masks(*(None if mask is None else to_array(mask) for mask in masks)):
            return False
        expected, actual = to_array(one), to_array(other)
        if expected.shape != actual.shape:
            return False
        gap = relative_difference(expected, actual)
        if gap <= _TOLERANCES * self.models.tolerance:
            return True
        if not self.models.tolerance or expected.dtype.kind not in "fc":
            return False
        return gap <= min(MOST_ROUNDING, ROUNDING_MULTIPLE * self.own_rounding(end, given))

    def own_rounding(self, end: FlatTensor, given: Mapping[FlatTensor, Any]) -> float:
        """Return how far a tensor of the original moves where its sources move by a rounding."""
        import numpy as np
        import tensorflow as tf

        moved = dict(given)
        for tensor, value in given.items():
            if isinstance(value, tf.Tensor) and value.dtype in (tf.float32, tf.float64):
                array = value.numpy()
                moved[tensor] = tf.convert_to_tensor(np.nextafter(array, array + abs(array)))
        whole, other = (to_array(self.old.run([end], each)[end]) for each in (given, moved))
        return relative_difference(whole, other)

    def is_noise(self, ones: Sequence[FlatTensor]) -> bool:
        """Whether the original gives others for the same input once more."""
        given = {tensor: self.values.real[0][tensor] for tensor in self.old.inputs}
        once, again = (self.old.run(ones, given) for _ in range(2))
        return any(relative_difference(to_array(once[t]), to_array(again[t])) > 0 for t in ones)


def _vary(arrays: Sequence[NDArray[Any]]) -> bool:
    """Whether what was given to a part shows in what it gives; words are taken to."""
    spread = Spread(0.0, two_values=True)
    for array in arrays:
        if array.dtype.kind not in "biufc":
            return True
        spread.add(array if array.dtype.kind in "fc" else array.astype("float64"))
    return bool(spread.features().any())


def _moved(value: Any, other: Any) -> Any:
    """Return other numbers in place of those that differ; nothing where none does."""
    import numpy as np
    import tensorflow as tf

    if not isinstance(value, tf.Tensor) or not value.dtype.is_floating:
        return None
    array = to_array(value)
    where = np.ones(array.shape, bool)
    if other is not None and other.shape == value.shape:
        where = array != to_array(other)
    if not where.any():
        return None
    size = abs(array[np.isfinite(array)]).max(initial=1.0)
    noise = size * np.random.default_rng(61).standard_normal(array.shape)
    moved = tf.cast(np.where(where, array + noise, array), value.dtype)
    mask = getattr(value, "_keras_mask", None)
    if mask is not None:
        moved._keras_mask = mask
    return moved
