"""A plan's guarantee, measured: the same inputs through the original and the rewritten model.

Both are run eagerly and in one compiled function that takes every batch size and length, for
there are faults that only one of the two shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rewriter.errors import RewriterError
from rewriter.graph import Call, ModelGraph
from rewriter.inputs import (
    InputSpec,
    given_inputs,
    has_padding,
    input_specs,
    make_inputs,
)
from rewriter.live import Live, LiveKeras, layer_at, live_keras
from rewriter.padding import Padding, Probe, greatest_difference, probe, tables
from rewriter.pipeline import Guarantee
from rewriter.structure import leaves, map_leaves

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

ROUNDING = 1e-5
"""How far a compiled model may be from an eager one that it is compared with."""

GIVEN_ROWS = 256
"""So many rows of the user's data are used."""


@dataclass(frozen=True, slots=True)
class Case:
    """One input, run through both models.

    Parameters
    ----------
    inputs : str
        What it was: ``made``, ``made, with zeros``, ``data``.
    batch : int
        Its batch size.
    length : int or None
        Size of its free axes, if there are any.
    mode : str
        ``eager`` or ``compiled``.
    outcome : str
        ``equal`` (to the bit), ``within`` the tolerance, ``padded`` (may differ), ``differs``,
        ``left out`` (the original fails on it).
    difference : float or None
        The greatest difference of an output, in its units; of the sequences without padding
        alone, where padding may change them.
    detail : str
        Why it was left out, or what differs.
    """

    inputs: str
    batch: int
    length: int | None
    mode: str
    outcome: str
    difference: float | None = None
    detail: str = ""


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


@dataclass(frozen=True, slots=True)
class Subject:
    """A live model and its graph."""

    graph: ModelGraph
    model: Live


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
    with _states_kept(keras, before.model), _states_kept(keras, after.model):
        return _verify(keras, before, after, guarantee, tolerance, data)


@contextmanager
def _states_kept(keras: LiveKeras, model: Live) -> Iterator[None]:
    """Give the states of stateful layers back as they were."""
    kept = [(variable, variable.numpy()) for variable in keras.states(model)]
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)


def _verify(
    keras: LiveKeras,
    before: Subject,
    after: Subject,
    guarantee: Guarantee,
    tolerance: float,
    data: Any,
) -> Verification:
    specs = _with_vocabularies(keras, before, input_specs(before.graph, after.graph))
    pairs = {
        mode: (
            _runner(keras, before, specs, compiled=compiled),
            _runner(keras, after, specs, compiled=compiled),
        )
        for mode, compiled in (("eager", False), ("compiled", True))
    }
    comparison = _Comparison(
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
    where = ""
    if comparison.first_failure is not None:
        where = _first_difference(keras, before, after, comparison)
    return Verification(
        comparison.first_failure is None,
        guarantee,
        tolerance,
        comparison.max_difference,
        tuple(comparison.cases),
        padding,
        where,
    )


def _with_vocabularies(
    keras: LiveKeras, subject: Subject, specs: Sequence[InputSpec]
) -> list[InputSpec]:
    """Return what the inputs take with the words that the model's lookups know."""

    def told(spec: InputSpec) -> InputSpec:
        if not spec.lookup:
            return spec
        from rewriter.live.lookup import vocabulary

        return replace(spec, vocabulary=vocabulary(layer_at(keras, subject.model, spec.lookup)))

    return [told(spec) for spec in specs]


def _padding_of(
    keras: LiveKeras, subject: Subject
) -> Callable[[InputSpec, NDArray[Any]], NDArray[Any]]:
    """Return a function that tells which sequences have padding; texts, by the model's layer."""

    def pads_of(spec: InputSpec, array: NDArray[Any]) -> NDArray[Any]:
        if not spec.words or spec.padding is None:
            return has_padding(spec, array)
        from rewriter.live.lookup import pads

        return pads(layer_at(keras, subject.model, spec.lookup), array)

    return pads_of


@dataclass(slots=True)
class _Comparison:
    specs: Sequence[InputSpec]
    guarantee: Guarantee
    tolerance: float
    on_data: bool
    has_padding: Callable[[InputSpec, NDArray[Any]], NDArray[Any]]
    cases: list[Case] = field(default_factory=list)
    max_difference: float = 0.0
    first_failure: Arrays | None = None
    padded_sequences: int = 0
    changed: int = 0
    classes: int = 0
    padded_difference: float = 0.0

    def case(
        self,
        tried: tuple[str, int, int | None, str],
        arrays: Arrays,
        old: Run,
        new: Run,
        truth: Run,
    ) -> bool:
        """Run one input through both models; return whether the original took it.

        Where the original contradicts itself, compiled against eager, eager is right.
        """
        expected, failure = _attempt(old, arrays)
        if expected is None and old is truth:
            self.cases.append(Case(*tried, "left out", None, failure))
            return False
        actual, broken = _attempt(new, arrays)
        judged = self.judge(arrays, expected, actual, self.tolerance)
        if judged[0] in ("differs", "left out") and old is not truth and actual is not None:
            eager, _ = _attempt(truth, arrays)
            if eager is not None and _contradicts(expected, eager):
                expected, failure, old = eager, "", truth
                judged = self.judge(arrays, eager, actual, max(self.tolerance, ROUNDING))
        if expected is None:
            self.cases.append(Case(*tried, "left out", None, failure))
            return False
        outcome, difference, detail = judged
        if actual is None:
            outcome, detail = "differs", f"the rewritten model fails: {broken}"
        elif outcome == "differs" and (noise := _noise(old, arrays, expected)):
            detail = (
                f"the original's own outputs differ from run to run, by {noise:.3g}, so that "
                "nothing can be said"
            )
        elif self.counts(tried) and (kept := self.kept(arrays)) is not None:
            self.count_padded(expected, actual, ~kept)
        self.max_difference = max(self.max_difference, difference or 0.0)
        self.cases.append(Case(*tried, outcome, difference, detail))
        if outcome == "differs" and self.first_failure is None:
            self.first_failure = arrays
        return True

    def judge(
        self,
        arrays: Arrays,
        expected: list[NDArray[Any]] | None,
        actual: list[NDArray[Any]] | None,
        tolerance: float,
    ) -> tuple[str, float | None, str]:
        """Return outcome, difference and detail of one input."""
        if expected is None or actual is None:
            return "left out", None, ""
        if [one.shape for one in expected] != [one.shape for one in actual]:
            shapes = ", ".join(str(one.shape) for one in actual)
            return "differs", None, f"the rewritten model's outputs have the shapes {shapes}"
        kept = self.kept(arrays)
        if kept is not None:
            if not kept.any():
                return "padded", None, ""
            expected = [one[kept] for one in expected]
            actual = [one[kept] for one in actual]
        difference = max(map(greatest_difference, expected, actual), default=0.0)
        if difference == 0.0:
            return "equal", 0.0, ""
        if difference <= tolerance:
            return "within", difference, ""
        return "differs", difference, f"an output differs by {difference:.3g}"

    def kept(self, arrays: Arrays) -> NDArray[Any] | None:
        """Return which sequences the guarantee speaks of; None for all."""
        if self.guarantee is not Guarantee.SAME_WHERE_UNPADDED:
            return None
        pairs = zip(self.specs, arrays, strict=True)
        flags = [self.has_padding(spec, one) for spec, one in pairs]
        return ~sum(flags[1:], start=flags[0])

    def counts(self, tried: tuple[str, int, int | None, str]) -> bool:
        """Whether padded sequences are counted: each once, and the user's alone if there are."""
        label, _, _, mode = tried
        return mode == "eager" and (label == "data") == self.on_data

    def count_padded(
        self, expected: list[NDArray[Any]], actual: list[NDArray[Any]], which: NDArray[Any]
    ) -> None:
        """Count the padded sequences whose outputs the rewrite changed."""
        import numpy as np

        for row in np.flatnonzero(which):
            gaps = [
                greatest_difference(a[row], b[row]) for a, b in zip(expected, actual, strict=True)
            ]
            self.padded_sequences += 1
            self.changed += max(gaps) > 0
            self.padded_difference = max(self.padded_difference, *gaps)
            tops = zip(expected, actual, strict=True)
            self.classes += any(
                a[row].size > 1 and np.argmax(a[row]) != np.argmax(b[row]) for a, b in tops
            )

    def padding(
        self, runs: tuple[Run, Run], probing: Probe | None, vectors: Sequence[Sequence[Live]]
    ) -> Padding:
        """Measure how far padding moves the outputs of both models."""
        before, after = (
            {} if probing is None else probing.sensitivity(run, each)
            for run, each in zip(runs, vectors, strict=True)
        )
        return Padding(
            self.padded_sequences,
            self.changed,
            self.classes,
            self.padded_difference,
            before,
            after,
            self.on_data,
            probed_data=probing is not None and not probing.made,
        )


def _attempt(run: Run, arrays: Arrays) -> tuple[list[NDArray[Any]] | None, str]:
    """Return the outputs, or why there are none."""
    try:
        return run(arrays), ""
    except Exception as error:
        lines = str(error).strip().splitlines()
        return None, lines[0][:200] if lines else repr(error)


def _noise(run: Run, arrays: Arrays, outputs: list[NDArray[Any]]) -> float:
    """Return how far a model's outputs are from what it gives for the same inputs once more."""
    again, _ = _attempt(run, arrays)
    if again is None or [one.shape for one in again] != [one.shape for one in outputs]:
        return 0.0
    return max(map(greatest_difference, outputs, again), default=0.0)


def _contradicts(compiled: list[NDArray[Any]] | None, eager: list[NDArray[Any]]) -> bool:
    """Whether compiled outputs are others than the eager ones, beyond any rounding."""
    if compiled is None or [one.shape for one in compiled] != [one.shape for one in eager]:
        return True
    return any(
        greatest_difference(one, other) > 1e-3 * (1.0 + float(abs(other).max(initial=0.0)))
        for one, other in zip(compiled, eager, strict=True)
        if one.dtype.kind == "f"
    )


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
                if _attempt(run, arrays)[0] is not None:
                    return lengths if free else (None,), batches
    return LENGTHS if free else (None,), BATCHES


def _runner(
    keras: LiveKeras,
    subject: Subject,
    specs: Sequence[InputSpec],
    *,
    compiled: bool,
) -> Run:
    """Return a function from arrays to the model's outputs, at inference."""
    import tensorflow as tf

    graph, model = subject.graph, subject.model

    def call(*tensors: Any) -> list[Any]:
        rest = iter(tensors)
        return list(
            tf.nest.flatten(model(map_leaves(lambda _: next(rest), graph.inputs), training=False))
        )

    if compiled:
        kinds = {"sparse": tf.SparseTensorSpec, "ragged": tf.RaggedTensorSpec}
        signature = [kinds.get(one.form, tf.TensorSpec)(one.shape, one.dtype) for one in specs]
        call = tf.function(call, input_signature=signature)
    states = keras.states(model)

    def run(arrays: Arrays) -> list[NDArray[Any]]:
        for variable in states:
            variable.assign(tf.zeros(variable.shape, variable.dtype))
        forms = {"sparse": tf.sparse.from_dense, "ragged": tf.RaggedTensor.from_tensor}
        tensors = [
            forms.get(spec.form, tf.identity)(tf.convert_to_tensor(one, dtype=spec.dtype))
            for spec, one in zip(specs, arrays, strict=True)
        ]
        return [_to_array(output) for output in call(*tensors)]

    return run


def _to_array(output: Any) -> NDArray[Any]:
    import numpy as np
    import tensorflow as tf

    if isinstance(output, tf.RaggedTensor | tf.SparseTensor):
        output = (
            output.to_tensor()
            if isinstance(output, tf.RaggedTensor)
            else (tf.sparse.to_dense(output))
        )
    if getattr(output, "dtype", None) == tf.bfloat16:
        output = tf.cast(output, tf.float32)
    return np.asarray(output)


def _first_difference(
    keras: LiveKeras,
    before: Subject,
    after: Subject,
    comparison: _Comparison,
) -> str:
    """Return the first layer whose output differs, on the input that showed it."""
    arrays = comparison.first_failure
    assert arrays is not None
    try:
        old = _trace(keras, before, arrays)
        new = _trace(keras, after, arrays)
    except Exception:
        return ""
    for call, outputs in new.items():
        expected = old.get(call)
        if expected is None:
            continue
        same_shapes = [one.shape for one in outputs] == [one.shape for one in expected]
        if not same_shapes or max(map(greatest_difference, expected, outputs), default=0.0) > 0:
            return after.graph.path_of(call)
    return ""


def _trace(keras: LiveKeras, subject: Subject, arrays: Arrays) -> dict[Call, list[NDArray[Any]]]:
    """Run a model layer by layer, eagerly, and return what each call gave."""
    import tensorflow as tf

    graph, live = subject.graph, keras.layers(subject.model)
    entrances = dict(zip((end.call for end in leaves(graph.inputs)), arrays, strict=True))
    tensors: dict[Call, list[Any]] = {}
    for call in graph.calls():
        if call in entrances:
            tensors[call] = [tf.convert_to_tensor(entrances[call])]
            continue
        given = [tensors[one.call][one.output] for one in graph.fillings(call).values()]
        tensors[call] = keras.call_layer(live[call.layer], graph.arguments(call), given)
    return {call: [_to_array(one) for one in outputs] for call, outputs in tensors.items()}
