"""Tell whether drawn numbers agree with what a noise layer promises, within error bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pairs = Sequence[tuple[NDArray[Any], NDArray[Any]]]

SIGMAS = 5.0
"""Deviations count from here on: by chance one such in 1.7 million is seen."""

EQUAL = 0.02
"""Factors of units that differ by a smaller share are one factor: 16 bits round so."""

EXPECTATION_FLOOR = 0.005
"""Deviations of the expectation below this share are left to rounding."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What noise did, measured over several runs.

    Parameters
    ----------
    dropped : float
        The share of units, not zero before, that are zero behind it.
    draws : int
        The number of independent draws behind this share.
    expectation : float
        What is left of the input on average, 1 where the expectation is kept.
    error : float
        Standard error of the expectation.
    variance : float
        Of the factors that units were multiplied with.
    shared_axes : tuple of int
        Axes along which the same units are dropped.
    """

    dropped: float
    draws: int
    expectation: float
    error: float
    variance: float
    shared_axes: tuple[int, ...]

    def rate_differs(self, rate: float) -> bool:
        """Whether the share is another than the rate: a binomial bound of `SIGMAS`."""
        bound = SIGMAS * sqrt(rate * (1 - rate) / max(self.draws, 1)) + 1 / max(self.draws, 1)
        return abs(self.dropped - rate) > bound

    @property
    def expectation_differs(self) -> bool:
        """Whether the expectation is not kept: a z-test of `SIGMAS`."""
        gap = abs(self.expectation - 1)
        return gap > SIGMAS * self.error and gap > EXPECTATION_FLOOR

    def variance_differs(self, rate: float) -> bool:
        """Whether the factors vary otherwise than kept units scaled by 1 / (1 - rate) do."""
        expected = rate / (1 - rate)
        error = sqrt(rate / (1 - rate) ** 3 / max(self.draws, 1))
        return abs(self.variance - expected) > SIGMAS * error + 1e-6


def drawn(pairs: Pairs) -> Drawn:
    """Measure noise on what went in and came out of a layer.

    Parameters
    ----------
    pairs : sequence of (array, array)
        Input and output of one shape, of several runs.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.ones((8, 4, 1000))
    >>> keep = np.random.default_rng(0).random(x.shape) > 0.25
    >>> scaled, unscaled = drawn([(x, x * keep / 0.75)]), drawn([(x, x * keep)])
    >>> scaled.rate_differs(0.25), scaled.expectation_differs, unscaled.expectation_differs
    (False, False, True)
    """
    import numpy as np

    gone = [(gave == 0) & (given != 0) for given, gave in pairs]
    alive = [given != 0 for given, _ in pairs]
    shared = tuple(axis for axis in range(gone[0].ndim) if _is_shared(gone, alive, axis))
    units = sum(int(each.sum()) for each in alive)
    dropped = sum(int(each.sum()) for each in gone) / max(units, 1)
    together = int(np.prod([gone[0].shape[axis] for axis in shared])) if shared else 1
    blocks = _blocks(pairs, whole=0 in shared)
    expectation, error = _ratio(blocks)
    factors = np.concatenate(
        [
            (gave[known] / given[known]).ravel()
            for (given, gave), known in zip(pairs, alive, strict=True)
        ]
    )
    return Drawn(
        dropped,
        max(units // together, 1),
        expectation,
        error,
        float(factors.var()) if factors.size else 0.0,
        shared,
    )


def is_mask(pairs: Pairs) -> bool:
    """Whether every unit is either dropped or scaled like all others that are not.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 3.0])
    >>> is_mask([(x, np.array([2.0, 0.0, 6.0]))]), is_mask([(x, np.array([2.0, 0.0, 5.0]))])
    (True, False)
    """
    import numpy as np

    factors = np.concatenate(
        [(gave[given != 0] / given[given != 0]).ravel() for given, gave in pairs]
    )
    kept = factors[factors != 0]
    return bool(kept.size) and float(np.ptp(kept)) <= EQUAL * float(np.abs(kept).max())


def _is_shared(gone: Sequence[NDArray[Any]], alive: Sequence[NDArray[Any]], axis: int) -> bool:
    """Whether the same units are dropped all along an axis, zeros of the input left out."""
    if gone[0].shape[axis] < 2 or not any(each.any() for each in gone):
        return False
    return all(
        not (dropped.any(axis) & (known & ~dropped).any(axis)).any()
        for dropped, known in zip(gone, alive, strict=True)
    )


def _blocks(pairs: Pairs, *, whole: bool) -> NDArray[Any]:
    """Return the sums of xy and xx over each run, or over each row of a batch."""
    import numpy as np

    sums = []
    for given, gave in pairs:
        rows = 1 if whole else len(given)
        x, y = (each.reshape(rows, -1) for each in (given, gave))
        sums.append(np.stack([np.einsum("ij,ij->i", x, each) for each in (y, x)], axis=1))
    return np.concatenate(sums)


def _ratio(blocks: NDArray[Any]) -> tuple[float, float]:
    """Return the ratio of the sums and its standard error, the blocks being independent."""
    import numpy as np

    total = blocks.sum(0)
    if total[1] == 0:
        return 1.0, float("inf")
    ratio = float(total[0] / total[1])
    left = blocks[:, 0] - ratio * blocks[:, 1]
    count = len(blocks)
    scale = count / max(count - 1, 1)
    return ratio, float(np.sqrt((left**2).sum() * scale) / total[1])
