"""Run two models on one input, and tell whether the outputs are those that were promised."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from rewriter.live.adapters import Live
from rewriter.pipeline.passes import Guarantee
from rewriter.verification.arrays import Arrays, Run
from rewriter.verification.differences import (
    Spread,
    finite_rows,
    greatest_difference,
    relative_difference,
)
from rewriter.verification.inputs.specs import InputSpec
from rewriter.verification.inputs.tries import Try
from rewriter.verification.padding_probe import Probe
from rewriter.verification.result import Case, Padding
from rewriter.verification.running import attempt

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDING = 1e-5
"""How far a compiled model may be from an eager one that it is compared with."""

ROUNDING_MULTIPLE = 8
"""Where a tolerance is promised, outputs may differ by so many times the original's own rounding:
eager against compiled, and one batch against its two halves."""

COMPILED_ROUNDING = 5e-7
"""Where eager outputs are equal to the bit, compiled ones may differ by so much: how many layers
are compiled into one kernel depends on what stands beside them."""

MOST_ROUNDING = 1e-3
"""No more than this share of an output's greatest magnitude is ever taken for rounding."""

_FEW = 2
"""So many different inputs are enough to ask that the outputs vary."""

Explain = Callable[[Arrays, str], str]
"""Takes inputs on which a model fails, and what it said; returns why, with the layer."""


class Judged(NamedTuple):
    """What was found of one input: the outcome, the greatest difference, and what differs."""

    outcome: str
    difference: float | None = None
    detail: str = ""
    output: int | None = None


@dataclass(slots=True)
class Comparison:
    """What was found so far of two models that are run on the same inputs.

    Parameters
    ----------
    specs : sequence of InputSpec
        What the inputs take.
    guarantee : Guarantee
        What was promised.
    tolerance : float
        How far outputs may differ that must be the same, as a share of the greatest magnitude.
    on_data : bool
        Whether there are inputs of the user's.
    runs : mapping of str to pair of Run
        The original and the rewritten model, ``eager`` and ``compiled``.
    has_padding : callable
        Tells for each sequence of an input whether it has a step of padding.
    explain : pair of callables
        Tell why the original, and the rewritten model, fail.
    spreads : sequence of Spread
        What each output of the original gave.
    """

    specs: Sequence[InputSpec]
    guarantee: Guarantee
    tolerance: float
    on_data: bool
    runs: Mapping[str, tuple[Run, Run]]
    has_padding: Callable[[InputSpec, NDArray[Any]], NDArray[Any]]
    explain: tuple[Explain, Explain]
    spreads: Sequence[Spread] = ()
    cases: list[Case] = field(default_factory=list)
    max_difference: float = 0.0
    first_failure: Arrays | None = None
    first_outputs: tuple[list[NDArray[Any]], list[NDArray[Any]]] | None = None
    noisy: set[int] = field(default_factory=set)
    flipped: set[int] = field(default_factory=set)
    flips: list[Arrays] = field(default_factory=list)
    inputs_seen: set[str] = field(default_factory=set)
    rows_left_out: int = 0
    padded_sequences: int = 0
    changed: int = 0
    classes: int = 0
    padded_difference: float = 0.0

    def case(self, tried: Try, arrays: Arrays, mode: str) -> bool:
        """Run one input through both models; return whether the original took it.

        Where the original contradicts itself, compiled against eager, eager is right.
        """
        (old, new), eager_run = self.runs[mode], self.runs["eager"][0]
        place = (tried.label, tried.batch, tried.length, mode)
        expected, failure = attempt(old, arrays)
        if expected is None and mode == tried.modes[0]:
            self.cases.append(Case(*place, "left out", None, self.explain[0](arrays, failure)))
            return False
        actual, broken = attempt(new, arrays)
        judged = self.judge(arrays, expected, actual, self.tolerance, whole=tried.whole)
        if judged.outcome in ("differs", "left out") and mode == "compiled" and actual is not None:
            eager, _ = attempt(eager_run, arrays)
            if eager is not None and _contradicts(expected, eager):
                expected, failure = eager, ""
                judged = self.judge(arrays, eager, actual, max(self.tolerance, ROUNDING))
        if expected is None:
            self.cases.append(Case(*place, "left out", None, failure))
            return False
        if actual is None:
            why = self.explain[1](arrays, broken)
            judged = Judged("differs", None, f"the rewritten model fails: {why}")
        elif judged.output is not None:
            judged = self._excused(judged, arrays, expected, actual, mode)
        if actual is not None:
            if mode == tried.modes[0] and tried.telling:
                self._note(arrays, expected, actual)
            unpadded = self.unpadded_rows(arrays)
            if unpadded is not None and self.counts(tried.label, mode):
                self.count_padded(expected, actual, ~unpadded)
        self.max_difference = max(self.max_difference, judged.difference or 0.0)
        self.cases.append(Case(*place, *judged[:3]))
        if judged.outcome == "differs" and self.first_failure is None:
            self.first_failure = arrays
        return True

    def judge(
        self,
        arrays: Arrays,
        expected: list[NDArray[Any]] | None,
        actual: list[NDArray[Any]] | None,
        tolerance: float,
        *,
        whole: bool = False,
    ) -> Judged:
        """Return outcome, difference and detail of one input; what draws noise is passed over.

        Rows that are not finite in the original are left out; where `whole`, only if all are.
        """
        if expected is None or actual is None:
            return Judged("left out")
        if [one.shape for one in expected] != [one.shape for one in actual]:
            shapes = ", ".join(str(one.shape) for one in actual)
            return Judged(
                "differs", None, f"the rewritten model's outputs have the shapes {shapes}"
            )
        unpadded = self.unpadded_rows(arrays)
        if unpadded is not None and not unpadded.any():
            return Judged("padded")
        worst, which = 0.0, None
        for number, (one, other) in enumerate(zip(expected, actual, strict=True)):
            if number in self.noisy:
                continue
            rows = [_chosen(unpadded, each) for each in (one, other)]
            by_input = whole and rows[0].ndim and finite_rows(rows[0]).any()
            gap = relative_difference(*(rows if by_input else _finite(*rows)))
            if gap and tolerance and one.dtype.kind not in "fc":
                # Right if what they are taken from is within the tolerance: that is compared.
                self.flipped.add(number)
                self.flips.append(arrays)
            elif gap > worst:
                worst, which = gap, number
        if which is None:
            return Judged("equal", 0.0)
        if worst <= tolerance:
            return Judged("within", worst)
        return Judged("differs", worst, f"{self.output_words(which)} differs by {worst:.3g}", which)

    def output_words(self, number: int) -> str:
        """Return what to call an output."""
        return "an output" if len(self.spreads) < 2 else f"output {number}"

    def _excused(
        self,
        judged: Judged,
        arrays: Arrays,
        expected: list[NDArray[Any]],
        actual: list[NDArray[Any]],
        mode: str,
    ) -> Judged:
        """Judge a difference once more: outputs that draw noise, and the original's rounding."""
        noisy = self.own_noise(arrays, expected, mode)
        if noisy - self.noisy:
            self.noisy |= noisy
            judged = self.judge(arrays, expected, actual, self.tolerance)
        if judged.output is None:
            return judged
        eager_is_equal = mode == "compiled" and not any(
            case.outcome == "differs" for case in self.cases if case.mode == "eager"
        )
        if judged.difference is None or not (self.tolerance or eager_is_equal):
            return judged
        rounding = ROUNDING_MULTIPLE * self.own_rounding(arrays, judged.output)
        if eager_is_equal:
            rounding = max(rounding, COMPILED_ROUNDING)
        if judged.difference <= min(rounding, MOST_ROUNDING):
            return Judged("within", judged.difference, "within the original's own rounding")
        return judged

    def own_noise(self, arrays: Arrays, outputs: list[NDArray[Any]], mode: str) -> set[int]:
        """Return the outputs of the original that are others for the same inputs once more."""
        again, _ = attempt(self.runs[mode][0], arrays)
        if again is None or [one.shape for one in again] != [one.shape for one in outputs]:
            return set()
        return {
            number
            for number, (one, other) in enumerate(zip(outputs, again, strict=True))
            if greatest_difference(one, other) > 0
        }

    def own_rounding(self, arrays: Arrays, output: int) -> float:
        """Return how far the original's output moves by rounding: compiled, and in two halves."""
        import numpy as np

        eager, compiled = (self.runs[mode][0] for mode in ("eager", "compiled"))
        whole, other = attempt(eager, arrays)[0], attempt(compiled, arrays)[0]
        if whole is None:
            return 0.0
        found = [] if other is None else [other[output]]
        half = len(arrays[0]) // 2
        if half and all(spec.batch is None for spec in self.specs):
            parts = [
                attempt(eager, tuple(one[part] for one in arrays))[0]
                for part in (slice(half), slice(half, None))
            ]
            if all(part is not None and part[output].ndim for part in parts):
                found.append(np.concatenate([part[output] for part in parts if part is not None]))
        gaps = [
            relative_difference(whole[output], one)
            for one in found
            if one.shape == whole[output].shape
        ]
        return max([gap for gap in gaps if np.isfinite(gap)], default=0.0)

    def _note(
        self,
        arrays: Arrays,
        expected: list[NDArray[Any]],
        actual: list[NDArray[Any]],
    ) -> None:
        """Keep what the outputs of the original say of this input."""
        if self.first_outputs is None:
            self.first_outputs = (expected, actual)
        unpadded = self.unpadded_rows(arrays)
        if len(self.inputs_seen) < _FEW:
            columns = (_chosen(unpadded, one).tolist() for one in arrays)
            self.inputs_seen |= set(map(repr, zip(*columns, strict=True)))
        left_out = 0
        for spread, output in zip(self.spreads, expected, strict=True):
            rows = _chosen(unpadded, output)
            spread.add(rows)
            if rows.ndim:
                left_out = max(left_out, int((~finite_rows(rows)).sum()))
        self.rows_left_out += left_out

    def unpadded_rows(self, arrays: Arrays) -> NDArray[Any] | None:
        """Return which sequences the guarantee speaks of; None for all."""
        if self.guarantee is not Guarantee.SAME_WHERE_UNPADDED:
            return None
        pairs = zip(self.specs, arrays, strict=True)
        flags = [self.has_padding(spec, one) for spec, one in pairs]
        return ~sum(flags[1:], start=flags[0])

    def counts(self, label: str, mode: str) -> bool:
        """Whether padded sequences are counted: each once, and the user's alone if there are."""
        return mode == "eager" and (label == "data") == self.on_data

    def count_padded(
        self, expected: list[NDArray[Any]], actual: list[NDArray[Any]], which: NDArray[Any]
    ) -> None:
        """Count the padded sequences whose outputs the rewrite changed."""
        import numpy as np

        for row in np.flatnonzero(which):
            gaps = [
                greatest_difference(a[row], b[row]) for a, b in zip(expected, actual, strict=True)
            ]
            self.padded_sequences += 1
            self.changed += max(gaps) > 0
            self.padded_difference = max(self.padded_difference, *gaps)
            tops = zip(expected, actual, strict=True)
            self.classes += any(
                a[row].size > 1 and np.argmax(a[row]) != np.argmax(b[row]) for a, b in tops
            )

    def padding(
        self,
        runs: tuple[Run, Run],
        probing: Probe | None,
        vectors: Sequence[Sequence[Live]],
    ) -> Padding:
        """Measure how far padding moves the outputs of both models."""
        before, after = (
            {} if probing is None else probing.sensitivity(run, each)
            for run, each in zip(runs, vectors, strict=True)
        )
        return Padding(
            self.padded_sequences,
            self.changed,
            self.classes,
            self.padded_difference,
            before,
            after,
            self.on_data,
            probed_data=probing is not None and not probing.made,
        )


def _chosen(unpadded: NDArray[Any] | None, output: NDArray[Any]) -> NDArray[Any]:
    return output if unpadded is None else output[unpadded]


def _finite(expected: NDArray[Any], actual: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the rows that are finite in the original."""
    if not expected.ndim:
        return expected, actual
    finite = finite_rows(expected)
    return expected[finite], actual[finite]


def _contradicts(compiled: list[NDArray[Any]] | None, eager: list[NDArray[Any]]) -> bool:
    """Whether compiled outputs are others than the eager ones, beyond any rounding."""
    if compiled is None or [one.shape for one in compiled] != [one.shape for one in eager]:
        return True
    return any(
        greatest_difference(one, other) > 1e-3 * (1.0 + float(abs(other).max(initial=0.0)))
        for one, other in zip(compiled, eager, strict=True)
        if one.dtype.kind == "f"
    )
