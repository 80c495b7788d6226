"""Measure a port: the file as it was written, run by Keras 3, against the original in Keras 2.

Both are run eagerly and by ``predict``, which takes every batch size and length in one compiled
function: there are faults that only one of the two shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rewriter.analysis.noise_at_inference import TrainingTrue
from rewriter.graph.nested import leaves, map_leaves
from rewriter.live.adapters import LiveKeras, live_keras
from rewriter.live.walk import original_layers
from rewriter.pipeline.passes import Guarantee
from rewriter.verification.comparison import Comparison
from rewriter.verification.differences import Spread
from rewriter.verification.inputs.specs import InputSpec, input_specs
from rewriter.verification.inputs.tries import further_tries, sizes, usual_tries
from rewriter.verification.result import Distribution, Verification
from rewriter.verification.running import (
    Subject,
    activations,
    attempt,
    compiled_call,
    explain,
    runner,
    states_kept,
    to_array,
    with_vocabularies,
)
from rewriter.verification.verify import padding_of, refuse_if_all_fail, try_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rewriter.verification.arrays import Run

    Arrays = tuple[NDArray[Any], ...]


def verify_port(
    before: Subject, after: Subject, tolerance: float, data: Any = None
) -> Verification:
    """Measure whether a model of Keras 3 gives the outputs of the one of Keras 2 it comes from.

    Parameters
    ----------
    before, after : Subject
        The original, and the written file as Keras 3 loads it; neither is changed.
    tolerance : float
        How far outputs may differ, in parts of the greatest of each output.
    data : mapping of str to array, optional
        Inputs of the user's, besides those that are made.

    Raises
    ------
    RewriterError
        The original fails on every input.
    """
    two, three = live_keras(2), live_keras(3)
    with (
        states_kept(two, before.model),
        states_kept(three, after.model),
        without_noise(two, before) as noisy,
        without_noise(three, after),
    ):
        verification = _verify(two, three, before, after, tolerance, data)
    return replace(verification, distribution=Distribution((), (), ())) if noisy else verification


@contextmanager
def without_noise(keras: LiveKeras, subject: Subject) -> Iterator[bool]:
    """Switch off the noise that a model draws at inference; tell whether there is any."""
    pins = TrainingTrue.of(subject.graph)
    noisy = {
        (*graph.path, call.layer)
        for graph in subject.graph.walk()
        for call in graph.calls()
        if pins.draws_at_inference(graph, call)
    }
    layers = [
        place.live
        for place in original_layers(subject.graph, subject.model, keras)
        if place.origin in noisy and hasattr(place.live, "rate")
    ]
    rates = [layer.rate for layer in layers]
    try:
        for layer in layers:
            layer.rate = 0.0
        yield bool(layers)
    finally:
        for layer, rate in zip(layers, rates, strict=True):
            layer.rate = rate
        if layers:
            subject.model.predict_function = None  # it has the rates of before in it


def _verify(
    two: LiveKeras,
    three: LiveKeras,
    before: Subject,
    after: Subject,
    tolerance: float,
    data: Any,
) -> Verification:
    specs = with_vocabularies(two, before, input_specs(before.graph))
    runs: dict[str, tuple[Run, Run]] = {
        "eager": (
            runner(two, before, specs),
            runner(three, after, specs),
        ),
        "compiled": (predictor(two, before, specs), predictor(three, after, specs)),
    }
    found = sizes(specs, lambda arrays: attempt(runs["eager"][0], arrays)[0] is not None)
    outputs = leaves(before.graph.outputs)
    comparison = Comparison(
        specs,
        Guarantee.SAME,
        tolerance,
        data is not None,
        runs,
        padding_of(two, before),
        (partial(explain, two, before, specs), partial(explain, three, after, specs)),
        [Spread(tolerance) for _ in outputs],
    )
    further, left_out = further_tries(specs, found, activations(compiled_call(before, specs)))
    for tried in (*usual_tries(specs, found, data), *further):
        try_inputs(comparison, tried)
    refuse_if_all_fail(before, comparison)
    verification = Verification(
        comparison.first_failure is None,
        Guarantee.SAME,
        tolerance,
        comparison.max_difference,
        tuple(comparison.cases),
        rows_left_out=comparison.rows_left_out,
        inputs_left_out=tuple(left_out),
    )
    return _not_compared(verification, comparison, before) if verification.ok else verification


def _not_compared(
    verification: Verification, comparison: Comparison, before: Subject
) -> Verification:
    """Say so where an output is the same whatever the input: then nothing was compared of it."""
    if len(comparison.inputs_seen) == 1:  # the model takes one input alone
        return verification
    outputs = leaves(before.graph.outputs)
    for tensor, spread in zip(outputs, comparison.spreads, strict=True):
        if not spread.features().any():
            name = before.graph.path_of(tensor.call)
            reason = f"output {name}: it is the same for every input that was tried"
            return replace(verification, ok=False, compared=False, reason=reason)
    return verification


def predictor(keras: LiveKeras, subject: Subject, specs: Sequence[InputSpec]) -> Run:
    """Return a function from arrays to what ``predict`` gives for them as one batch."""
    import tensorflow as tf

    model, states = subject.model, keras.states(subject.model)

    def run(arrays: Arrays) -> list[NDArray[Any]]:
        for variable in states:
            variable.assign(tf.zeros(variable.shape, variable.dtype))
        forms = {"sparse": tf.sparse.from_dense, "ragged": tf.RaggedTensor.from_tensor}
        tensors = iter(
            forms.get(spec.form, tf.identity)(tf.convert_to_tensor(one, dtype=spec.dtype))
            for spec, one in zip(specs, arrays, strict=True)
        )
        given = map_leaves(lambda _: next(tensors), subject.graph.inputs)
        batch = tf.data.Dataset.from_tensors((_as_tuples(given),))
        outputs = model.predict(batch, verbose=0)
        return [to_array(each) for each in tf.nest.flatten(outputs)]

    return run


def _as_tuples(structure: Any) -> Any:
    """Return a structure in which lists are tuples: a dataset takes a list for one tensor."""
    if isinstance(structure, dict):
        return {key: _as_tuples(each) for key, each in structure.items()}
    if isinstance(structure, list | tuple):
        return tuple(_as_tuples(each) for each in structure)
    return structure
