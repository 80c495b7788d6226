"""Check the arguments of `DynamicDropout`, and compute the shape of its noise, for both Keras.

Plain Python, so that neither dialect has to import the other's Keras.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import SupportsIndex, TypeVar

from rewriter.errors import RewriterError

Length = TypeVar("Length")

# Uniform numbers of 16 bits come in steps of 2**-10 (float16) or 2**-7 (bfloat16), so that a rate
# between two steps is rounded up: in bfloat16 a rate of 0.001 would drop 0.8 % of the units.
_NOISE_DTYPES = {"float16": "float32", "bfloat16": "float32"}


class LayerArgumentError(RewriterError, ValueError):
    """An argument of a layer is out of its range.

    It is a `ValueError` too, which is what the layers of Keras raise.
    """


def checked_rate(rate: float, where: str) -> float:
    """Return the rate as a Python float.

    Parameters
    ----------
    rate : float
        The fraction of units to drop, at least 0 and less than 1.
    where : str
        The layer to name in the error.

    Raises
    ------
    LayerArgumentError
        For anything else, 1 included: nothing would be left to scale up.

    Examples
    --------
    >>> checked_rate(0, "DynamicDropout")
    0.0
    """
    if isinstance(rate, Real) and 0 <= rate < 1:
        return float(rate)
    raise LayerArgumentError(
        f"rate is {rate!r}", where=where, fix="give a number of at least 0 and less than 1"
    )


def checked_axes(axes: SupportsIndex | Iterable[SupportsIndex], where: str) -> tuple[int, ...]:
    """Return axes as a tuple of Python integers.

    Parameters
    ----------
    axes : int or iterable of int
        One axis or several, counted from the end where negative.
    where : str
        The layer to name in the error.

    Raises
    ------
    LayerArgumentError
        If an axis is no integer.

    Examples
    --------
    >>> checked_axes(1, "DynamicDropout"), checked_axes([1, -1], "DynamicDropout")
    ((1,), (1, -1))
    """
    try:
        several = axes if isinstance(axes, Iterable) else (axes,)
        return tuple(operator.index(axis) for axis in several)
    except TypeError:
        raise LayerArgumentError(
            f"shared_axes is {axes!r}", where=where, fix="give an integer or a list of integers"
        ) from None


def minimum_rank(axes: Iterable[int]) -> int:
    """Return the least rank of a tensor that has all these axes.

    Examples
    --------
    >>> minimum_rank(()), minimum_rank((1,)), minimum_rank((-3,))
    (0, 2, 3)
    """
    return max((axis + 1 if axis >= 0 else -axis for axis in axes), default=0)


def noise_shape(shape: Sequence[Length], shared_axes: Iterable[int]) -> list[Length | int]:
    """Return the shape of the noise for a tensor of this shape.

    Parameters
    ----------
    shape : sequence
        The length of each axis: integers, or scalar tensors where it is known at run time only.
    shared_axes : iterable of int
        The axes along which the noise is the same. Naming one twice changes nothing.

    Examples
    --------
    >>> noise_shape((32, 7, 64), (-2,))
    [32, 1, 64]
    """
    shared = {axis % len(shape) for axis in shared_axes}
    return [1 if axis in shared else length for axis, length in enumerate(shape)]


def noise_dtype(dtype: str) -> str:
    """Return the dtype to draw the noise in for a tensor of this dtype.

    Examples
    --------
    >>> noise_dtype("bfloat16"), noise_dtype("float64")
    ('float32', 'float64')
    """
    return _NOISE_DTYPES.get(dtype, dtype)
