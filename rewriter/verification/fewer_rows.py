"""Tell whether a model whose batch size was freed gives the same rows at other batch sizes."""

from __future__ import annotations

from rewriter.analysis.batch_in_arguments import input_batches
from rewriter.verification.arrays import Run
from rewriter.verification.compared_models import Models
from rewriter.verification.differences import greatest_difference
from rewriter.verification.inputs.made import make_inputs
from rewriter.verification.running import attempt

ROUNDING = 1e-5
"""How far kernels may differ for another batch size, in units of the greatest output."""


def fails_with_fewer_rows(models: Models, runs: tuple[Run, Run]) -> str:
    """Return how the rewritten model fails where a batch has fewer rows; empty if it does not.

    The original tells the outputs at the one size that its inputs fix.

    Parameters
    ----------
    models : Models
        The original and the rewritten model, and what their inputs take.
    runs : pair of callables
        Give the outputs of the two.
    """
    freed = input_batches(models.before.graph) - input_batches(models.after.graph)
    fixed = next((spec.batch for spec in models.specs if spec.batch in freed), None)
    if fixed is None:
        return ""
    length = models.sizes.lengths[0] or 1
    arrays = make_inputs(models.specs, fixed, length, seed=0, zeros=False)
    whole, _ = attempt(runs[0], arrays)
    for rows in sorted({1, fixed - 1} - {0, fixed}) if whole is not None else ():
        some, failure = attempt(runs[1], tuple(one[:rows] for one in arrays))
        if some is None:
            return f"with {rows} of {fixed} rows the rewritten model fails: {failure}"
        for one, other in zip(whole or [], some, strict=True):
            numbers = one.dtype.kind in "fiu"
            limit = ROUNDING * (1.0 + float(abs(one).max(initial=0.0))) if numbers else 0.0
            if one[:rows].shape != other.shape or greatest_difference(one[:rows], other) > limit:
                return (
                    f"with {rows} rows the rewritten model gives other outputs for them than with "
                    f"all {fixed}"
                )
    return ""
