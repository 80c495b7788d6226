"""Test whether a plan keeps its guarantee: run both models on the same inputs.

Both are run eagerly and in one compiled function that takes every batch size and length, for
there are faults that only one of the two shows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rewriter.analysis.noise_at_inference import draws_at_inference
from rewriter.errors import RewriterError
from rewriter.live.adapters import LiveKeras, live_keras
from rewriter.live.walk import layer_at
from rewriter.pipeline.passes import Guarantee
from rewriter.verification.beside_outputs import other_masks, other_tables
from rewriter.verification.changed_parts import compare_parts
from rewriter.verification.compared_models import Models, Promise
from rewriter.verification.comparison import Comparison
from rewriter.verification.distribution import measure, without_noise
from rewriter.verification.ends import Ends, compare_dtypes, compare_ends, not_verified
from rewriter.verification.evidence import copies_of, find_evidence
from rewriter.verification.fewer_rows import fails_with_fewer_rows
from rewriter.verification.inputs.padded import has_padding
from rewriter.verification.inputs.specs import InputSpec, input_specs
from rewriter.verification.inputs.tries import (
    Try,
    further_tries,
    given_rows,
    second_call,
    sizes,
    usual_tries,
    with_nan,
)
from rewriter.verification.other_weights import NoCopyError
from rewriter.verification.padding_probe import embedding_matrices, probe
from rewriter.verification.result import Padding, Verification
from rewriter.verification.running import (
    Subject,
    activations,
    attempt,
    compiled_call,
    explain,
    first_difference,
    runner,
    states_kept,
    with_vocabularies,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


def verify(  # noqa: PLR0913
    before: Subject,
    after: Subject,
    *,
    guarantee: Guarantee = Guarantee.SAME,
    silent: Guarantee = Guarantee.SAME,
    tolerance: float = 0.0,
    data: Any = None,
    custom_objects: Mapping[str, Any] | None = None,
    changed: Collection[str] | None = None,
    copies: bool = True,
    drops_states: bool = False,
) -> Verification:
    """Measure whether a rewritten model keeps a guarantee; in distribution where it draws noise.

    Parameters
    ----------
    before, after : Subject
        The original and the rewritten model, each with its graph; neither is changed.
    guarantee : Guarantee
        What was promised.
    silent : Guarantee
        What holds without noise where outputs are changed on purpose.
    tolerance : float
        How far outputs may differ that must be the same, as a share of the greatest magnitude of
        each within a case.
    data : mapping of str to array, optional
        Inputs of the user's, besides those that are made.
    custom_objects : mapping of str to class or function, optional
        What is needed to make copies of the models.
    changed : collection of str, optional
        Paths of the layers that a plan changes: what it lists, names and dtypes of outputs may
        follow.
    copies : bool
        Whether copies of the models may be made where their outputs say nothing.
    drops_states : bool
        Whether a plan takes the states from layers on purpose: the first calls alone are then
        compared.

    Raises
    ------
    RewriterError
        The original fails on every input.
    """
    objects = dict(custom_objects or {})
    on_purpose = guarantee is Guarantee.CHANGED_ON_PURPOSE
    still = silent if on_purpose else guarantee
    promise = Promise(still, tolerance, data, objects, changed, copies, drops_states)
    unseen = not_verified(before.graph, after.graph)
    if not (on_purpose or draws_at_inference(before.graph) or draws_at_inference(after.graph)):
        return replace(_compare(before, after, promise), not_verified=unseen)
    old, new = (without_noise(each, objects) for each in (before, after))
    compared = _compare(old, new, promise)
    noise = measure(before, after, objects, same=not on_purpose)
    return replace(
        compared,
        ok=compared.ok and noise.ok,
        guarantee=guarantee,
        distribution=noise,
        reason=compared.reason or noise.reason,
        not_verified=unseen,
    )


def _compare(before: Subject, after: Subject, promise: Promise) -> Verification:
    keras = live_keras(before.graph.keras)
    ends = compare_ends(before.graph, after.graph, promise.changed)
    if ends.broken:
        return Verification(
            False, promise.guarantee, promise.tolerance, 0.0, (), reason=ends.broken
        )
    with states_kept(keras, before.model), states_kept(keras, after.model):
        return _compare_outputs(keras, before, after, promise, ends)


def _compare_outputs(
    keras: LiveKeras, before: Subject, after: Subject, promise: Promise, ends: Ends
) -> Verification:
    specs = with_vocabularies(keras, before, input_specs(before.graph, after.graph))
    old, new = compiled_call(before, specs), compiled_call(after, specs)
    runs = {
        "eager": (runner(keras, before, specs), runner(keras, after, specs)),
        "compiled": (
            runner(keras, before, specs, compiled=old),
            runner(keras, after, specs, compiled=new),
        ),
    }
    found = sizes(specs, lambda arrays: attempt(runs["eager"][0], arrays)[0] is not None)
    models = Models(keras, before, after, specs, found, promise)
    why = tuple(partial(explain, keras, each, specs) for each in (before, after))
    comparison = Comparison(
        specs,
        promise.guarantee,
        promise.tolerance,
        promise.data is not None,
        runs,
        padding_of(keras, before),
        (why[0], why[1]),
        [models.spread() for _ in models.ends],
    )
    further, left_out = further_tries(specs, found, activations(old))
    if not promise.drops_states and (keras.states(before.model) or keras.states(after.model)):
        further.append(second_call(specs, found))
        runs["again"] = (
            runner(keras, before, specs, calls=2),
            runner(keras, after, specs, calls=2),
        )
    further += with_nan(specs, found)
    for tried in (*usual_tries(specs, found, promise.data), *further):
        try_inputs(comparison, tried)
    refuse_if_all_fail(before, comparison)
    types = _types(models, comparison)
    verification = Verification(
        True,
        promise.guarantee,
        promise.tolerance,
        comparison.max_difference,
        tuple(comparison.cases),
        _padding(models, comparison),
        structure=(*ends.listed, *types.listed),
        planned=promise.changed is not None,
        rows_left_out=comparison.rows_left_out,
        inputs_left_out=tuple(left_out),
    )
    if types.broken:
        return replace(verification, ok=False, reason=types.broken)
    fewer_rows = fails_with_fewer_rows(models, runs["eager"])
    if fewer_rows:
        return replace(verification, ok=False, reason=fewer_rows)
    failed = comparison.first_failure
    if failed is not None:
        where = first_difference(keras, before, after, specs, failed)
        return replace(verification, ok=False, where=where)
    beside = other_masks(models) or other_tables(models)
    if beside:
        return replace(verification, ok=False, reason=beside)
    verification = _with_evidence(verification, models, comparison)
    return _with_parts(verification, models) if verification.ok else verification


def try_inputs(comparison: Comparison, tried: Try) -> None:
    """Run one input through both models, eagerly and compiled."""
    arrays = tried.make()
    for mode in tried.modes:
        # What fails eagerly may give anything once compiled: no modes after one that fails.
        if not comparison.case(tried, arrays, mode):
            break


def _with_evidence(
    verification: Verification, models: Models, comparison: Comparison
) -> Verification:
    """Return the verification with what each output was compared by."""
    outputs, differs = find_evidence(models, comparison)
    if differs:
        return replace(verification, ok=False, reason=differs, outputs=outputs)
    silent = next((each for each in outputs if not each.by), None)
    if silent is not None:
        return replace(
            verification,
            ok=False,
            compared=False,
            reason=f"output {silent.name}: {silent.detail}",
            outputs=outputs,
        )
    return replace(verification, outputs=outputs)


def _with_parts(verification: Verification, models: Models) -> Verification:
    """Return the verification with what the parts that were changed gave, each alone."""
    parts = compare_parts(models)
    if parts.differs:
        return replace(verification, ok=False, reason=parts.differs)
    if parts.not_compared:
        return replace(verification, ok=False, compared=False, reason=parts.not_compared)
    if not parts.not_run:
        return verification
    said = f"the changed layers alone: {parts.not_run}"
    return replace(verification, inputs_left_out=(*verification.inputs_left_out, said))


def _types(models: Models, comparison: Comparison) -> Ends:
    if comparison.first_outputs is None:
        return Ends()
    graphs = models.before.graph, models.after.graph
    return compare_dtypes(*graphs, *comparison.first_outputs, models.promise.changed)


def _padding(models: Models, comparison: Comparison) -> Padding | None:
    if models.promise.guarantee is not Guarantee.SAME_WHERE_UNPADDED:
        return None
    specs, before, after = models.specs, models.before, models.after
    data = models.promise.data
    given = None if data is None else given_rows(specs, data)
    probing = probe(specs, before.graph, models.sizes.lengths[0], given)
    if probing is None or not probing.fixed:
        return comparison.padding(comparison.runs["eager"], probing, ((), ()))
    try:
        copies = copies_of(models)
    except NoCopyError:
        return comparison.padding(comparison.runs["eager"], probing, ((), ()))
    runs = tuple(runner(models.keras, each, specs) for each in copies)
    vectors = [
        embedding_matrices(models.keras, each.graph, after.graph, each.model) for each in copies
    ]
    return comparison.padding((runs[0], runs[1]), probing, vectors)


def refuse_if_all_fail(before: Subject, comparison: Comparison) -> None:
    """Refuse to judge where the original fails on every input."""
    if all(case.outcome == "left out" for case in comparison.cases):
        detail = comparison.cases[0].detail if comparison.cases else "there are none"
        raise RewriterError(
            f"the original fails on every input that was tried: {detail}",
            where=before.graph.name,
            fix="give inputs that it takes with --data, or leave the verification out",
        )


def padding_of(
    keras: LiveKeras, subject: Subject
) -> Callable[[InputSpec, NDArray[Any]], NDArray[Any]]:
    """Return a function that tells which sequences have padding; texts, by the model's layer."""

    def pads_of(spec: InputSpec, array: NDArray[Any]) -> NDArray[Any]:
        if not spec.words or spec.padding is None:
            return has_padding(spec, array)
        from rewriter.live.vocabulary import pads

        return pads(layer_at(keras, subject.model, spec.lookup), array)

    return pads_of
