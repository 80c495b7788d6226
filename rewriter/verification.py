"""A plan's guarantee, measured: the same inputs through the original and the rewritten model.

Both are run eagerly and in one compiled function that takes every batch size and length, for
there are faults that only one of the two shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rewriter.comparison import Case, Comparison, attempt
from rewriter.errors import RewriterError
from rewriter.inputs import (
    InputSpec,
    given_inputs,
    has_padding,
    input_specs,
    make_inputs,
)
from rewriter.live import LiveKeras, layer_at, live_keras
from rewriter.padding import Padding, probe, tables
from rewriter.pipeline import Guarantee
from rewriter.running import (
    Subject,
    first_difference,
    runner,
    states_kept,
    with_vocabularies,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rewriter.distribution import Distribution

    Arrays = tuple[NDArray[Any], ...]
    Run = Callable[[Arrays], list[NDArray[Any]]]

BATCHES = (1, 2, 3, 7)
LENGTHS = (7, 9, 5)
LONGER_LENGTHS = (40, 33, 48)
"""Tried where the original takes none of `LENGTHS`: a convolution may need more steps."""

USUAL_BATCHES = (32, 16, 8, 4, 64, 128)
"""Tried where the original takes none of `BATCHES`: one of them may be written into it."""

GIVEN_ROWS = 256
"""So many rows of the user's data are used."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The measured evidence for a guarantee.

    Parameters
    ----------
    ok : bool
        Whether the guarantee holds on every input that was tried.
    guarantee : Guarantee
        What was promised.
    tolerance : float
        How far outputs may differ that must be the same; 0 is to the bit.
    max_difference : float
        The greatest difference where the outputs must be the same.
    cases : tuple of Case
        Every input.
    padding : Padding or None
        Where the guarantee speaks of padding.
    where : str
        Where the outputs first differ, if they do.
    distribution : Distribution or None
        Where noise is drawn at inference: what it does there.
    """

    ok: bool
    guarantee: Guarantee
    tolerance: float
    max_difference: float
    cases: tuple[Case, ...]
    padding: Padding | None = None
    where: str = ""
    distribution: Distribution | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the verification as plain data."""
        return {
            "ok": self.ok,
            "guarantee": self.guarantee.value,
            "tolerance": self.tolerance,
            "max_difference": self.max_difference,
            "where": self.where,
            "cases": [
                {
                    "inputs": case.inputs,
                    "batch": case.batch,
                    "length": case.length,
                    "mode": case.mode,
                    "outcome": case.outcome,
                    "difference": case.difference,
                    "detail": case.detail,
                }
                for case in self.cases
            ],
            "padding": None if self.padding is None else self.padding.to_json(),
            "distribution": None if self.distribution is None else self.distribution.to_json(),
        }

    def __str__(self) -> str:
        """Return the verification in a few lines."""
        from rewriter.report.verification import verification_text

        return verification_text(self)


def verify_models(
    before: Subject,
    after: Subject,
    *,
    guarantee: Guarantee = Guarantee.SAME,
    tolerance: float = 0.0,
    data: Any = None,
) -> Verification:
    """Measure whether a rewritten model keeps a guarantee.

    Parameters
    ----------
    before, after : Subject
        The original and the rewritten model; neither is changed.
    guarantee : Guarantee
        What was promised.
    tolerance : float
        How far outputs may differ that must be the same.
    data : mapping of str to array, optional
        Inputs of the user's, besides those that are made.

    Raises
    ------
    RewriterError
        The original fails on every input.
    """
    keras = live_keras(before.graph.keras)
    with states_kept(keras, before.model), states_kept(keras, after.model):
        return _verify(keras, before, after, guarantee, tolerance, data)


def _verify(
    keras: LiveKeras,
    before: Subject,
    after: Subject,
    guarantee: Guarantee,
    tolerance: float,
    data: Any,
) -> Verification:
    specs = with_vocabularies(keras, before, input_specs(before.graph, after.graph))
    pairs = {
        mode: (
            runner(keras, before, specs, compiled=compiled),
            runner(keras, after, specs, compiled=compiled),
        )
        for mode, compiled in (("eager", False), ("compiled", True))
    }
    comparison = Comparison(
        specs, guarantee, tolerance, data is not None, _padding_of(keras, before)
    )
    lengths, batches = _sizes(specs, pairs["eager"][0])
    for label, batch, length, arrays in _tries(specs, lengths, data, batches):
        for mode, (old, new) in pairs.items():
            # What fails eagerly may give anything once compiled: no modes after one that fails.
            tried = (label, batch, length, mode)
            if not comparison.case(tried, arrays, old, new, truth=pairs["eager"][0]):
                break
    padding = None
    if guarantee is Guarantee.SAME_WHERE_UNPADDED:
        given = None if data is None else _given(specs, data)
        probing = probe(specs, before.graph, lengths[0], given)
        vectors = [tables(keras, one.graph, after.graph, one.model) for one in (before, after)]
        padding = comparison.padding(pairs["eager"], probing, vectors)
    if all(case.outcome == "left out" for case in comparison.cases):
        detail = comparison.cases[0].detail if comparison.cases else "there are none"
        raise RewriterError(
            f"the original fails on every input that was tried: {detail}",
            where=before.graph.name,
            fix="give inputs that it takes with --data, or leave the verification out",
        )
    failed = comparison.first_failure
    where = "" if failed is None else first_difference(keras, before, after, failed)
    return Verification(
        failed is None,
        guarantee,
        tolerance,
        comparison.max_difference,
        tuple(comparison.cases),
        padding,
        where,
    )


def _padding_of(
    keras: LiveKeras, subject: Subject
) -> Callable[[InputSpec, NDArray[Any]], NDArray[Any]]:
    """Return a function that tells which sequences have padding; texts, by the model's layer."""

    def pads_of(spec: InputSpec, array: NDArray[Any]) -> NDArray[Any]:
        if not spec.words or spec.padding is None:
            return has_padding(spec, array)
        from rewriter.live.vocabulary import pads

        return pads(layer_at(keras, subject.model, spec.lookup), array)

    return pads_of


def _tries(
    specs: Sequence[InputSpec],
    lengths: Sequence[int | None],
    data: Any,
    usual: Sequence[int] = BATCHES,
) -> Iterator[tuple[str, int, int | None, Arrays]]:
    """Yield inputs with what to call them; ids with and without zeros."""
    fixed = next((spec.batch for spec in specs if spec.batch is not None), None)
    batches = usual if fixed is None else (fixed,) * len(set(lengths))
    both = any(spec.ids is not None or spec.padding is not None for spec in specs)
    for number, batch in enumerate(batches):
        length = lengths[number % len(lengths)]
        for zeros in (False, True) if both else (True,):
            label = "made, with zeros" if both and zeros else "made"
            arrays = make_inputs(specs, batch, length or 1, seed=number, zeros=zeros)
            yield label, batch, length, arrays
    if data is not None:
        arrays = _given(specs, data)
        if fixed is None or all(len(one) == fixed for one in arrays):
            yield "data", len(arrays[0]), None, arrays


def _given(specs: Sequence[InputSpec], data: Any) -> Arrays:
    """Return the first rows of the user's data."""
    fixed = next((spec.batch for spec in specs if spec.batch is not None), None)
    return tuple(one[: fixed or GIVEN_ROWS] for one in given_inputs(specs, data))


def _sizes(specs: Sequence[InputSpec], run: Run) -> tuple[Sequence[int | None], Sequence[int]]:
    """Return the sizes for free axes and the batch sizes: the first that the original takes."""
    fixed = next((spec.batch for spec in specs if spec.batch is not None), None)
    free = any(spec.free for spec in specs)
    for batch in BATCHES[:1] + USUAL_BATCHES if fixed is None else (fixed,):
        batches = BATCHES if batch in BATCHES else (batch,) * len(BATCHES)
        for lengths in (LENGTHS, LONGER_LENGTHS) if free else ((1,),):
            for length in lengths:
                arrays = make_inputs(specs, batch, length, seed=0, zeros=False)
                if attempt(run, arrays)[0] is not None:
                    return lengths if free else (None,), batches
    return LENGTHS if free else (None,), BATCHES
