"""Choose the inputs that two models are compared on: sizes, scales, ids, padding.

What is always tried are a few batch sizes and lengths; then inputs as a model meets them, as far
as an estimate of the activations allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rewriter.verification.arrays import Arrays
from rewriter.verification.inputs.given import given_inputs
from rewriter.verification.inputs.made import NUMBERS, make_inputs
from rewriter.verification.inputs.specs import InputSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCHES = (1, 2, 3, 7)
LENGTHS = (7, 9, 5)
LONGER_LENGTHS = (40, 33, 48)
"""Tried where the original takes none of `LENGTHS`: a convolution may need more steps."""

USUAL_BATCHES = (32, 16, 8, 4, 64, 128)
"""Tried where the original takes none of `BATCHES`: one of them may be written into it."""

MANY_ROWS = 64
MANY_STEPS = 257

COMPILED = ("compiled",)
"""A loop over many steps takes long where each step is run eagerly."""

GIVEN_ROWS = 256
"""So many rows of the user's data are used."""

MOST_BYTES = 512 * 2**20
"""No input is tried whose activations are estimated to take more."""

MOST_RUNS = 20
"""All that is tried beside the usual sizes takes no more than so many runs of a batch of 7."""

LEAST_RUN = 16 * 2**20
"""A run whose activations take less counts as this many bytes: calls are what it takes."""

Estimate = Callable[[int, int], float]
"""Takes a batch size and a length; returns bytes of activations."""


@dataclass(frozen=True, slots=True)
class Try:
    """One input: what to call it, its sizes, how to make it, and how to run the models on it.

    What outputs give for zeros does not tell whether they say anything: `telling` is False. Where
    `whole`, rows that are not finite are compared too: by where they are not.
    """

    label: str
    batch: int
    length: int | None
    make: Callable[[], Arrays]
    modes: Sequence[str] = ("eager", "compiled")
    telling: bool = True
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Sizes:
    """The batch sizes and lengths that the original takes."""

    batches: Sequence[int]
    lengths: Sequence[int | None]


def sizes(specs: Sequence[InputSpec], takes: Callable[[Arrays], bool]) -> Sizes:
    """Return the sizes for free axes and the batch sizes: the first that the original takes.

    The length that it was seen to take comes first: many inputs have that length, and some of them
    are run compiled alone, where TensorFlow may give anything for a length that fails eagerly.
    """
    fixed = fixed_batch(specs)
    free = any(spec.free for spec in specs)
    for batch in BATCHES[:1] + USUAL_BATCHES if fixed is None else (fixed,):
        batches = BATCHES if batch in BATCHES else (batch,) * len(BATCHES)
        for lengths in (LENGTHS, LONGER_LENGTHS) if free else ((1,),):
            for length in lengths:
                if takes(make_inputs(specs, batch, length, seed=0, zeros=False)):
                    others = [each for each in lengths if each != length]
                    return Sizes(batches, (length, *others) if free else (None,))
    return Sizes(BATCHES, LENGTHS if free else (None,))


def fixed_batch(specs: Sequence[InputSpec]) -> int | None:
    """Return the batch size that a model fixes, if it does."""
    return next((spec.batch for spec in specs if spec.batch is not None), None)


def usual_tries(specs: Sequence[InputSpec], found: Sizes, data: Any) -> Iterator[Try]:
    """Yield what is always tried: ids with and without zeros, and the user's data."""
    fixed = fixed_batch(specs)
    batches = found.batches if fixed is None else (fixed,) * len(set(found.lengths))
    both = _has_ids(specs)
    for number, batch in enumerate(batches):
        length = found.lengths[number % len(found.lengths)]
        for zeros in (False, True) if both else (True,):
            label = "made, with zeros" if both and zeros else "made"
            yield Try(label, batch, length, _maker(specs, batch, length, number, zeros=zeros))
    if data is not None:
        arrays = given_rows(specs, data)
        if fixed is None or all(len(one) == fixed for one in arrays):
            yield Try("data", len(arrays[0]), None, lambda: arrays)


def further_tries(
    specs: Sequence[InputSpec], found: Sizes, estimate: Estimate | None
) -> tuple[list[Try], list[str]]:
    """Return inputs as a model meets them, and what was left out, with the reason."""
    if estimate is None:
        return [], ["scales, many rows and long inputs: the original cannot be compiled"]
    tries: list[Try] = []
    left_out: list[str] = []
    length = found.lengths[0] or 1
    left = MOST_RUNS * max(LEAST_RUN, estimate(max(found.batches), length))
    for each in _further(specs, found):
        takes = estimate(each.batch, each.length or length)
        if takes > MOST_BYTES:
            left_out.append(f"{each.label}: about {takes / 2**20:.0f} MB of activations")
        elif takes > left:
            rows = max(found.batches)
            left_out.append(f"{each.label}: it takes more than {MOST_RUNS} runs of {rows} rows")
        else:
            left -= takes
            tries.append(each)
    return tries, left_out


def _further(specs: Sequence[InputSpec], found: Sizes) -> Iterator[Try]:
    fixed = fixed_batch(specs)
    batch = fixed or min(3, max(found.batches))
    length = found.lengths[0]
    numeric = [spec for spec in specs if spec.dtype.startswith(("float", "bfloat"))]
    if any(spec.ids is None for spec in numeric):
        for number, scale in enumerate(NUMBERS):
            if scale != "usual":
                make = _maker(specs, batch, length, 10 + number, zeros=False, numbers=scale)
                telling = scale != "many of them 0"
                yield Try(f"made, {scale}", batch, length, make, COMPILED, telling)
    if any(spec.ids is not None for spec in specs):
        rows = fixed or max(found.batches)
        make = _maker(specs, rows, length, 20, zeros=False, ids="spread")
        yield Try("made, ids at both ends", rows, length, make)
    if any(spec.ids is None and spec.dtype.startswith(("int", "uint")) for spec in specs):
        make = _maker(specs, batch, length, 21, zeros=False, ids="wide")
        yield Try("made, integers up to 255", batch, length, make)
        make = _maker(specs, batch, length, 27, zeros=False, ids="far")
        yield Try("made, integers of both signs", batch, length, make)
    if any(spec.thresholds for spec in specs):
        rows = fixed or max(found.batches)
        make = _maker(specs, rows, length, 28, zeros=False, numbers="at thresholds")
        yield Try("made, at thresholds", rows, length, make)
    if _has_ids(specs):
        yield Try("made, a row wholly padded", batch, length, _padded_maker(specs, batch, length))
    if length is not None:
        yield Try("made, length 1", batch, 1, _maker(specs, batch, 1, 23, zeros=False))
    if fixed is None and len(set(found.batches)) > 1:
        make = _maker(specs, MANY_ROWS, length, 24, zeros=_has_ids(specs))
        yield Try(f"made, {MANY_ROWS} rows", MANY_ROWS, length, make, COMPILED)
    if length is not None:
        rows = fixed or min(2, max(found.batches))
        make = _maker(specs, rows, MANY_STEPS, 25, zeros=False)
        yield Try(f"made, {MANY_STEPS} steps", rows, MANY_STEPS, make, COMPILED)


def with_nan(specs: Sequence[InputSpec], found: Sizes) -> list[Try]:
    """Return an input some numbers of which are NaN, where the inputs are numbers."""
    batch = fixed_batch(specs) or min(3, max(found.batches))
    numeric = [_takes_any_number(spec) for spec in specs]
    if not any(numeric):
        return []

    def make() -> Arrays:
        arrays = make_inputs(specs, batch, found.lengths[0] or 1, 29, zeros=False)
        return tuple(map(_with_nan, arrays, numeric))

    # Compiled kernels that are made of several layers treat NaN as they like.
    tried = Try("made, with NaN", batch, found.lengths[0], make, ("eager",), False, True)
    return [tried]


def _takes_any_number(spec: InputSpec) -> bool:
    numbers = spec.dtype.startswith(("float", "bfloat")) and spec.form == "dense"
    return numbers and spec.ids is None and not spec.vocabulary


def _with_nan(array: NDArray[Any], numeric: bool) -> NDArray[Any]:
    """Put NaN in one number of the first row; a row whose numbers are finite stays behind it."""
    if not numeric or not array.size:
        return array
    array = array.copy()
    array[0].reshape(-1)[:1] = float("nan")
    return array


def second_call(specs: Sequence[InputSpec], found: Sizes) -> Try:
    """Return an input that is given twice in a row: what a stateful layer keeps shows then."""
    batch = fixed_batch(specs) or max(found.batches)
    make = _maker(specs, batch, found.lengths[0], 26, zeros=False)
    return Try("made, a second call", batch, found.lengths[0], make, ("again",))


def given_rows(specs: Sequence[InputSpec], data: Any) -> Arrays:
    """Return the first rows of the user's data."""
    return tuple(one[: fixed_batch(specs) or GIVEN_ROWS] for one in given_inputs(specs, data))


def _has_ids(specs: Sequence[InputSpec]) -> bool:
    return any(spec.ids is not None or spec.padding is not None for spec in specs)


def _maker(
    specs: Sequence[InputSpec], batch: int, length: int | None, seed: int, **wishes: Any
) -> Callable[[], Arrays]:
    return lambda: make_inputs(specs, batch, length or 1, seed, **wishes)


def _padded_maker(
    specs: Sequence[InputSpec], batch: int, length: int | None
) -> Callable[[], Arrays]:
    """Return what makes inputs whose first row is padding alone."""

    def make() -> Arrays:
        arrays = make_inputs(specs, batch, length or 1, 22, zeros=False)
        return tuple(map(_first_row_padded, specs, arrays))

    return make


def _first_row_padded(spec: InputSpec, array: NDArray[Any]) -> NDArray[Any]:
    if spec.padding is None and spec.ids is None:
        return array
    array = array.copy()
    array[0] = "" if spec.words else 0 if spec.padding is None else spec.padding
    return array
