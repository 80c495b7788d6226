"""Two models on one input: whether the outputs are those that a guarantee promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rewriter.live.adapters import Live
from rewriter.pipeline.passes import Guarantee
from rewriter.verification.arrays import Arrays, Run
from rewriter.verification.differences import greatest_difference
from rewriter.verification.inputs.specs import InputSpec
from rewriter.verification.padding_probe import Probe
from rewriter.verification.result import Case, Padding
from rewriter.verification.running import attempt

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDING = 1e-5
"""How far a compiled model may be from an eager one that it is compared with."""


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
        How far outputs may differ that must be the same.
    on_data : bool
        Whether there are inputs of the user's.
    has_padding : callable
        Tells for each sequence of an input whether it has a step of padding.
    """

    specs: Sequence[InputSpec]
    guarantee: Guarantee
    tolerance: float
    on_data: bool
    has_padding: Callable[[InputSpec, NDArray[Any]], NDArray[Any]]
    cases: list[Case] = field(default_factory=list)
    max_difference: float = 0.0
    first_failure: Arrays | None = None
    padded_sequences: int = 0
    changed: int = 0
    classes: int = 0
    padded_difference: float = 0.0

    def case(
        self,
        tried: tuple[str, int, int | None, str],
        arrays: Arrays,
        old: Run,
        new: Run,
        truth: Run,
    ) -> bool:
        """Run one input through both models; return whether the original took it.

        Where the original contradicts itself, compiled against eager, eager is right.
        """
        expected, failure = attempt(old, arrays)
        if expected is None and old is truth:
            self.cases.append(Case(*tried, "left out", None, failure))
            return False
        actual, broken = attempt(new, arrays)
        judged = self.judge(arrays, expected, actual, self.tolerance)
        if judged[0] in ("differs", "left out") and old is not truth and actual is not None:
            eager, _ = attempt(truth, arrays)
            if eager is not None and _contradicts(expected, eager):
                expected, failure, old = eager, "", truth
                judged = self.judge(arrays, eager, actual, max(self.tolerance, ROUNDING))
        if expected is None:
            self.cases.append(Case(*tried, "left out", None, failure))
            return False
        outcome, difference, detail = judged
        if actual is None:
            outcome, detail = "differs", f"the rewritten model fails: {broken}"
        elif outcome == "differs" and (noise := _noise(old, arrays, expected)):
            detail = (
                f"the original's own outputs differ from run to run, by {noise:.3g}, so that "
                "nothing can be said"
            )
        elif self.counts(tried) and (kept := self.kept(arrays)) is not None:
            self.count_padded(expected, actual, ~kept)
        self.max_difference = max(self.max_difference, difference or 0.0)
        self.cases.append(Case(*tried, outcome, difference, detail))
        if outcome == "differs" and self.first_failure is None:
            self.first_failure = arrays
        return True

    def judge(
        self,
        arrays: Arrays,
        expected: list[NDArray[Any]] | None,
        actual: list[NDArray[Any]] | None,
        tolerance: float,
    ) -> tuple[str, float | None, str]:
        """Return outcome, difference and detail of one input."""
        if expected is None or actual is None:
            return "left out", None, ""
        if [one.shape for one in expected] != [one.shape for one in actual]:
            shapes = ", ".join(str(one.shape) for one in actual)
            return "differs", None, f"the rewritten model's outputs have the shapes {shapes}"
        kept = self.kept(arrays)
        if kept is not None:
            if not kept.any():
                return "padded", None, ""
            expected = [one[kept] for one in expected]
            actual = [one[kept] for one in actual]
        difference = max(map(greatest_difference, expected, actual), default=0.0)
        if difference == 0.0:
            return "equal", 0.0, ""
        if difference <= tolerance:
            return "within", difference, ""
        return "differs", difference, f"an output differs by {difference:.3g}"

    def kept(self, arrays: Arrays) -> NDArray[Any] | None:
        """Return which sequences the guarantee speaks of; None for all."""
        if self.guarantee is not Guarantee.SAME_WHERE_UNPADDED:
            return None
        pairs = zip(self.specs, arrays, strict=True)
        flags = [self.has_padding(spec, one) for spec, one in pairs]
        return ~sum(flags[1:], start=flags[0])

    def counts(self, tried: tuple[str, int, int | None, str]) -> bool:
        """Whether padded sequences are counted: each once, and the user's alone if there are."""
        label, _, _, mode = tried
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
        self, runs: tuple[Run, Run], probing: Probe | None, vectors: Sequence[Sequence[Live]]
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


def _noise(run: Run, arrays: Arrays, outputs: list[NDArray[Any]]) -> float:
    """Return how far a model's outputs are from what it gives for the same inputs once more."""
    again, _ = attempt(run, arrays)
    if again is None or [one.shape for one in again] != [one.shape for one in outputs]:
        return 0.0
    return max(map(greatest_difference, outputs, again), default=0.0)


def _contradicts(compiled: list[NDArray[Any]] | None, eager: list[NDArray[Any]]) -> bool:
    """Whether compiled outputs are others than the eager ones, beyond any rounding."""
    if compiled is None or [one.shape for one in compiled] != [one.shape for one in eager]:
        return True
    return any(
        greatest_difference(one, other) > 1e-3 * (1.0 + float(abs(other).max(initial=0.0)))
        for one, other in zip(compiled, eager, strict=True)
        if one.dtype.kind == "f"
    )
