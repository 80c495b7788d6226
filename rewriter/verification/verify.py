"""A plan's guarantee, measured: the same inputs through the original and the rewritten model.

Both are run eagerly and in one compiled function that takes every batch size and length, for
there are faults that only one of the two shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rewriter.analysis.batch_in_arguments import input_batches
from rewriter.analysis.noise_at_inference import draws_at_inference
from rewriter.errors import RewriterError
from rewriter.graph.model_graph import ModelGraph
from rewriter.live.adapters import LiveKeras, live_keras
from rewriter.live.walk import layer_at
from rewriter.pipeline.passes import Guarantee
from rewriter.verification.arrays import Arrays, Run
from rewriter.verification.comparison import ROUNDING, Comparison
from rewriter.verification.distribution import measure, without_noise
from rewriter.verification.inputs.given import given_inputs
from rewriter.verification.inputs.made import make_inputs
from rewriter.verification.inputs.padded import has_padding
from rewriter.verification.inputs.specs import InputSpec, input_specs
from rewriter.verification.padding_probe import probe, tables
from rewriter.verification.result import Verification
from rewriter.verification.running import (
    Subject,
    attempt,
    first_difference,
    runner,
    states_kept,
    with_vocabularies,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCHES = (1, 2, 3, 7)
LENGTHS = (7, 9, 5)
LONGER_LENGTHS = (40, 33, 48)
"""Tried where the original takes none of `LENGTHS`: a convolution may need more steps."""

USUAL_BATCHES = (32, 16, 8, 4, 64, 128)
"""Tried where the original takes none of `BATCHES`: one of them may be written into it."""

GIVEN_ROWS = 256
"""So many rows of the user's data are used."""


def verify(
    before: Subject,
    after: Subject,
    *,
    guarantee: Guarantee = Guarantee.SAME,
    tolerance: float = 0.0,
    data: Any = None,
    custom_objects: Mapping[str, Any] | None = None,
) -> Verification:
    """Measure whether a rewritten model keeps a guarantee; in distribution where it draws noise.

    Parameters
    ----------
    before, after : Subject
        The original and the rewritten model, each with its graph; neither is changed.
    guarantee : Guarantee
        What was promised.
    tolerance : float
        How far outputs may differ that must be the same.
    data : mapping of str to array, optional
        Inputs of the user's, besides those that are made.
    custom_objects : mapping of str to class or function, optional
        What is needed to make copies of the models.

    Raises
    ------
    RewriterError
        The original fails on every input.
    """
    on_purpose = guarantee is Guarantee.CHANGED_ON_PURPOSE
    if not (on_purpose or draws_at_inference(before.graph) or draws_at_inference(after.graph)):
        return _compare(before, after, guarantee, tolerance, data)
    objects = dict(custom_objects or {})
    silent = tuple(without_noise(each, objects) for each in (before, after))
    still = Guarantee.SAME if on_purpose else guarantee
    compared = _compare(silent[0], silent[1], still, tolerance, data)
    noise = measure(before, after, objects)
    return replace(compared, ok=compared.ok and noise.ok, guarantee=guarantee, distribution=noise)


def _compare(
    before: Subject, after: Subject, guarantee: Guarantee, tolerance: float, data: Any
) -> Verification:
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
    smaller = _at_other_batches(specs, pairs["eager"], before.graph, after.graph, comparison)
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
    failed = comparison.first_failure or smaller.first_failure
    where = "" if failed is None else first_difference(keras, before, after, failed)
    return Verification(
        failed is None,
        guarantee,
        tolerance,
        comparison.max_difference,
        (*comparison.cases, *smaller.cases),
        padding,
        where,
    )


def _at_other_batches(
    specs: Sequence[InputSpec],
    runs: tuple[Run, Run],
    before: ModelGraph,
    after: ModelGraph,
    comparison: Comparison,
) -> Comparison:
    """Compare fewer rows of the rewritten model with the same rows of the original.

    That is for models whose batch size a pass frees: the original tells it at one size alone.
    Kernels may round otherwise at another size.
    """
    tolerance = max(comparison.tolerance, ROUNDING)
    found = Comparison(specs, Guarantee.SAME, tolerance, False, comparison.has_padding)
    freed = input_batches(before) - input_batches(after)
    fixed = next((spec.batch for spec in specs if spec.batch in freed), None)
    old, new = runs
    for rows in {1, fixed - 1} - {0, fixed} if fixed else ():
        arrays = make_inputs(specs, fixed or 1, LENGTHS[0], seed=0, zeros=False)

        def some_of_all(given: Arrays, rows: int = rows) -> list[NDArray[Any]]:
            return [one[:rows] for one in old(given)]

        def of_some(given: Arrays, rows: int = rows) -> list[NDArray[Any]]:
            return list(new(tuple(one[:rows] for one in given)))

        tried = ("made, fewer rows", rows, None, "eager")
        found.case(tried, arrays, some_of_all, of_some, truth=some_of_all)
    return found


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
