"""Measure how far two arrays are apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def greatest_difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the greatest difference; NaN equals NaN, and infinity itself."""
    import numpy as np

    if one.dtype.kind not in "fc":
        return 0.0 if np.array_equal(one, other) else float("inf")
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    if same.all():
        return 0.0
    gap = np.abs(np.where(same, 0, one) - np.where(same, 0, other))
    return float("inf") if np.isnan(gap).any() else float(gap.max())
