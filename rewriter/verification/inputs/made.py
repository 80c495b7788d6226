"""Make arrays for a model's inputs: random numbers, ids within the vocabulary, padding.

What is made depends on the graph and the seed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from rewriter.verification.arrays import Arrays
from rewriter.verification.inputs.specs import InputSpec, holds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# Without an Embedding to tell how many ids there are, these two are always safe.
_UNTOLD_IDS = 2

_UNTOLD_WORDS = ("a", "b", "1", "w")

_UNKNOWN_NUMBERS = 4

_UNTOLD_NUMBERS = 100
"""What Hashing is given, which makes ids of numbers: it gives some of them the same id."""

_FORMS: Sequence[Callable[[str], str]] = (str, str, str.upper, "{}!".format, "{},".format)
"""How words stand in texts: what a layer does with capitals and punctuation shows then."""


def _with_zeros(normal: NDArray[Any]) -> NDArray[Any]:
    """Return numbers of which many are 0: single ones, whole steps, and a whole row."""
    import numpy as np

    numbers = np.where(abs(normal) < 0.5, 0.0, normal)
    if numbers.ndim > 2:
        numbers[:, ::2] = 0.0
    numbers[-1] = 0.0
    return numbers


NUMBERS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "usual": lambda normal: normal,
    "at 0.01": lambda normal: 0.01 * normal,
    "from 0 to 255": lambda normal: (128.0 + 64.0 * normal).clip(0.0, 255.0),
    "at 10,000": lambda normal: 10_000.0 * normal,
    "negative": lambda normal: -abs(normal),
    "many of them 0": _with_zeros,
}
"""What numbers are made, from normally distributed ones."""


def make_inputs(
    specs: Sequence[InputSpec],
    batch: int,
    length: int,
    seed: int,
    *,
    zeros: bool,
    numbers: str = "usual",
    ids: str = "random",
) -> Arrays:
    """Return one array for each input.

    Parameters
    ----------
    specs : sequence of InputSpec
        What the inputs take.
    batch, length : int
        Sizes of the axes that are free.
    seed : int
        Of the random numbers.
    zeros : bool
        Whether ids include 0, which is padding where a mask is used.
    numbers : str
        Which numbers of `NUMBERS`; or ``at thresholds``, where configs name some.
    ids : {"random", "spread", "wide", "far"}
        Whether ids are random, or stand from one end of the vocabulary to the other; ``wide``
        are integers up to 255 where nothing tells how many ids there are, and ``far`` are
        integers of both signs, up to 100,000 where the type holds them.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    return tuple(
        _array(spec, _sized(spec, batch, length), random, _Wish(zeros, numbers, ids))
        for spec in specs
    )


class _Wish(NamedTuple):
    """What is to be made."""

    zeros: bool
    numbers: str
    ids: str


def _sized(spec: InputSpec, batch: int, length: int) -> tuple[int, ...]:
    first = batch if spec.shape[0] is None else spec.shape[0]
    return (first, *(length if size is None else size for size in spec.shape[1:]))


def _array(
    spec: InputSpec, shape: tuple[int, ...], random: np.random.Generator, wish: _Wish
) -> NDArray[Any]:
    import numpy as np

    zeros = wish.zeros
    if spec.dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    if spec.words:
        return _texts(spec, shape, random, zeros=zeros)
    kind = {"bfloat16": "float32", "string": "object"}.get(spec.dtype, spec.dtype)
    if spec.dtype == "string" or (spec.vocabulary and spec.ids is None):
        words = _choice(spec, zeros=zeros)
        values: NDArray[Any] = words[random.integers(0, len(words), shape)]
    elif spec.ids is not None or np.issubdtype(np.dtype(kind), np.integer):
        values = _ids(spec, shape, random, wish.ids)
    else:
        values = _numbers(spec, random.standard_normal(shape), wish.numbers)
    if zeros:
        _pad(spec, values, random)
    return values.astype(kind)


def _ids(
    spec: InputSpec, shape: tuple[int, ...], random: np.random.Generator, wish: str
) -> NDArray[Any]:
    """Return ids: all, or from 1 on where 0 is padding, or is put in later."""
    import numpy as np

    high = spec.ids or _UNTOLD_IDS
    if spec.ids is None and wish == "wide":
        high = 256 if holds(spec.dtype, 255) else 128
    if spec.ids is None and spec.padding not in (None, 0):
        high = _UNTOLD_NUMBERS
    is_zero_left_out = spec.ids is None or spec.padding is not None
    low = min(1, high - 1) if is_zero_left_out else 0
    if spec.ids is None and wish == "far":
        return _far(spec, shape, random)
    if wish == "random":
        return random.integers(low, high, shape)
    spread = np.linspace(high - 1, low, int(np.prod(shape))).round().astype(int)
    return random.permutation(spread).reshape(shape)


def _numbers(spec: InputSpec, normal: NDArray[Any], wish: str) -> NDArray[Any]:
    if wish != "at thresholds":
        return NUMBERS[wish](normal)
    return numbers_around(spec.thresholds, normal.shape) if spec.thresholds else normal


def numbers_around(thresholds: Sequence[float], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return thresholds and what lies between each and the next, over and over."""
    import numpy as np

    known = np.unique(np.asarray(thresholds, "float64"))
    middles = (known[1:] + known[:-1]) / 2
    values = np.concatenate([middles, known, [known[0] - 1.0, known[-1] + 1.0]])
    return np.resize(values, shape)


def _far(spec: InputSpec, shape: tuple[int, ...], random: np.random.Generator) -> NDArray[Any]:
    import numpy as np

    limits = np.iinfo(spec.dtype)
    low, high = max(int(limits.min), -100_000), min(int(limits.max), 100_000)
    return random.integers(low, high, shape, endpoint=True)


def _choice(spec: InputSpec, *, zeros: bool) -> NDArray[Any]:
    """Return the words or numbers that a lookup gets: known ones, and unknown if it takes any."""
    import numpy as np

    known = [word for word in spec.vocabulary if holds(spec.dtype, word)]
    words: list[str | int] = list(known)
    if not (spec.closed and known):
        words += _unknown(spec)
    return np.array([word for word in words if zeros or word != spec.padding], object)


def _unknown(spec: InputSpec) -> list[str | int]:
    """Return words, or numbers, that are not in a vocabulary."""
    if spec.dtype == "string":
        other_case = {str(word).swapcase() for word in spec.vocabulary[:1]}
        untold = () if spec.vocabulary else _UNTOLD_WORDS
        return [*untold, *sorted(other_case - {*spec.vocabulary}), "", "the model", "wörd"]
    known = {*spec.vocabulary, spec.padding}
    return list(islice((number for number in count() if number not in known), _UNKNOWN_NUMBERS))


def _texts(
    spec: InputSpec, shape: tuple[int, ...], random: np.random.Generator, *, zeros: bool
) -> NDArray[Any]:
    """Return texts of as many words as none of them is padded; with `zeros` of fewer."""
    import numpy as np

    known = [word for word in map(str, spec.vocabulary) if len(word.split()) == 1]
    words = np.array([*(known or _UNTOLD_WORDS), "wörd"], object)
    texts = np.empty(shape, object)
    for place in np.ndindex(shape):
        count = random.integers(0, spec.words + 1) if zeros else spec.words
        chosen = words[random.integers(0, len(words), count)]
        forms = random.integers(0, len(_FORMS), count)
        texts[place] = " ".join(
            _FORMS[form](word) for form, word in zip(forms, chosen, strict=True)
        )
    return texts


def _pad(spec: InputSpec, values: NDArray[Any], random: np.random.Generator) -> None:
    """Put padding in front of some sequences and behind the others; a zero in the midst."""
    if spec.ids is not None and values.size > 1:
        values.reshape(-1)[random.integers(values.size)] = 0
    length = values.shape[spec.axis] if values.ndim > spec.axis else 0
    if length < 2 or (spec.ids is None and spec.padding is None):
        return
    value = 0 if spec.padding is None else spec.padding
    rows = values.reshape(-1, *values.shape[spec.axis :])
    for row, steps in enumerate(random.integers(1, length, len(rows))):
        if row % 2:
            rows[row, :steps] = value
        else:
            rows[row, -steps:] = value
