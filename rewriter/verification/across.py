"""Measure a port: the file as it was written, run by Keras 3, against the original in Keras 2.

Both are run eagerly and by ``predict``, which takes every batch size and length in one compiled
function: there are faults that only one of the two shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rewriter.analysis.noise_at_inference import TrainingTrue
from rewriter.errors import RewriterError
from rewriter.graph.nested import map_leaves
from rewriter.live.adapters import LiveKeras, live_keras
from rewriter.live.walk import original_layers
from rewriter.pipeline.passes import Guarantee
from rewriter.verification.comparison import Comparison
from rewriter.verification.inputs.specs import InputSpec, input_specs
from rewriter.verification.result import Distribution, Verification
from rewriter.verification.running import Subject, _to_array, runner, states_kept, with_vocabularies
from rewriter.verification.verify import _padding_of, _sizes, _tries

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rewriter.verification.arrays import Run

    Arrays = tuple[NDArray[Any], ...]


class _Relative(Comparison):
    """A comparison whose tolerance is in parts of the greatest output."""

    def judge(
        self,
        arrays: Arrays,
        expected: list[NDArray[Any]] | None,
        actual: list[NDArray[Any]] | None,
        tolerance: float,
    ) -> tuple[str, float | None, str]:
        """Return outcome, difference in parts of the greatest output, and detail of one input."""
        if expected is None or actual is None:
            return Comparison.judge(self, arrays, expected, actual, tolerance)
        if [one.shape for one in expected] != [one.shape for one in actual]:
            return Comparison.judge(self, arrays, expected, actual, tolerance)
        pairs = [_scaled(one, other) for one, other in zip(expected, actual, strict=True)]
        befores, afters = [one for one, _ in pairs], [other for _, other in pairs]
        return Comparison.judge(self, arrays, befores, afters, tolerance)


def _scaled(expected: NDArray[Any], actual: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return two outputs in parts of the greatest number of the first, if they are fractions."""
    import numpy as np

    if expected.dtype.kind != "f" or actual.dtype.kind != "f" or not expected.size:
        return expected, actual
    expected, actual = expected.astype("float64"), actual.astype("float64")
    finite = np.abs(expected[np.isfinite(expected)])
    greatest = float(finite.max(initial=0.0))
    return (expected, actual) if greatest == 0 else (expected / greatest, actual / greatest)


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
    pairs: dict[str, tuple[Run, Run]] = {
        "eager": (
            runner(two, before, specs, compiled=False),
            runner(three, after, specs, compiled=False),
        ),
        "predict": (predictor(two, before, specs), predictor(three, after, specs)),
    }
    comparison = _Relative(
        specs, Guarantee.SAME, tolerance, data is not None, _padding_of(two, before)
    )
    lengths, batches = _sizes(specs, pairs["eager"][0])
    for label, batch, length, arrays in _tries(specs, lengths, data, batches):
        for mode, (old, new) in pairs.items():
            tried = (label, batch, length, mode)
            if not comparison.case(tried, arrays, old, new, truth=pairs["eager"][0]):
                break
    if all(case.outcome == "left out" for case in comparison.cases):
        detail = comparison.cases[0].detail if comparison.cases else "there are none"
        raise RewriterError(
            f"the original fails on every input that was tried: {detail}",
            where=before.graph.name,
            fix="give inputs that it takes with --data, or leave the verification out",
        )
    return Verification(
        comparison.first_failure is None,
        Guarantee.SAME,
        tolerance,
        comparison.max_difference,
        tuple(comparison.cases),
    )


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
        return [_to_array(each) for each in tf.nest.flatten(outputs)]

    return run


def _as_tuples(structure: Any) -> Any:
    """Return a structure in which lists are tuples: a dataset takes a list for one tensor."""
    if isinstance(structure, dict):
        return {key: _as_tuples(each) for key, each in structure.items()}
    if isinstance(structure, list | tuple):
        return tuple(_as_tuples(each) for each in structure)
    return structure
