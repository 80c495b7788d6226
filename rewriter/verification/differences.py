"""Measure how far two arrays are apart, and whether an array says anything at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_VALUES = 2**20
_MOST_ROWS = 64
_MOST_STEPS = 4096


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


def relative_difference(expected: NDArray[Any], actual: NDArray[Any]) -> float:
    """Return the greatest difference as a share of the greatest magnitude that is expected.

    Examples
    --------
    >>> import numpy as np
    >>> round(relative_difference(np.array([1e-6, 2e-6]), np.array([1e-6, 1e-6])), 3)
    0.5
    """
    import numpy as np

    gap = greatest_difference(expected, actual)
    if gap == 0.0 or not np.isfinite(gap):
        return gap
    size = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
    return float(gap / size) if size else float("inf")


def finite_rows(array: NDArray[Any]) -> NDArray[Any]:
    """Return for each row of a batch whether all of it is finite; words and integers are."""
    import numpy as np

    if array.dtype.kind not in "fc":
        return np.ones(len(array), bool)
    return np.asarray(np.isfinite(array).all(axis=tuple(range(1, array.ndim))))


@dataclass(slots=True)
class Spread:
    """What a tensor gave for many inputs, to tell whether it says anything of them.

    A feature, that is a place on the last axis, says something where it varies from row to row
    by more than `resolution` of the greatest magnitude, and takes more than two values: a
    saturated sigmoid or a rounded one hides what it was made of. Batches of one magnitude are
    looked at together: beside numbers of 10,000, those of 0.01 would all seem to be equal.

    Parameters
    ----------
    resolution : float
        Below this share of the greatest magnitude, values count as equal.
    two_values : bool
        Whether two values are enough: where there are no more than a few inputs.

    Examples
    --------
    >>> import numpy as np
    >>> spread = Spread(resolution=1e-6)
    >>> spread.add(np.array([[0.1, 1.0], [0.2, 1.0], [0.4, 1.0]]))
    >>> spread.features().tolist()
    [True, False]
    """

    resolution: float
    two_values: bool = False
    groups: dict[tuple[tuple[int, ...], int | None], list[NDArray[Any]]] = field(
        default_factory=dict
    )
    """Batches by the shape of a row, and by their magnitude in powers of ten; all at None."""

    def add(self, array: NDArray[Any]) -> None:
        """Add the rows of one batch that are finite; integers and words are not counted."""
        import numpy as np

        if array.dtype.kind not in "fc" or array.ndim == 0:
            return
        a_row = max(1, array[0].size) if len(array) else 1
        rows = array[finite_rows(array)][: max(2, min(_MOST_ROWS, _MOST_VALUES // a_row))]
        if len(rows):
            size = float(np.abs(rows).max(initial=0.0))
            magnitude = int(np.floor(np.log10(size))) if size else None
            for key in {None, magnitude}:
                self.groups.setdefault((array.shape[1:], key), []).append(rows)

    def features(self) -> NDArray[Any]:
        """Return for each feature whether it says something."""
        import numpy as np

        found: NDArray[Any] = np.zeros(1, bool)
        for rows in map(np.concatenate, self.groups.values()):
            flat = rows.reshape(len(rows), -1, rows.shape[-1] if rows.ndim > 1 else 1)
            if not flat.size:
                continue
            resolution = max(self.resolution, 4 * float(np.finfo(rows.dtype).eps))
            least = resolution * np.abs(flat).max()
            some = (np.ptp(flat, axis=0) > least).any(0)
            if not self.two_values:
                values = np.sort(flat.reshape(-1, flat.shape[-1])[:_MOST_STEPS], axis=0)
                some &= (np.diff(values, axis=0) > least).sum(0) > 1
            found = some if found.shape != some.shape else found | some
        return found
