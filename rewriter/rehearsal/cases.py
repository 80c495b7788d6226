"""Run training steps at several batch sizes and lengths, eager and compiled."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rewriter.errors import plain
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import map_leaves
from rewriter.live.adapters import Live, LiveKeras
from rewriter.rehearsal.loss import Loss
from rewriter.verification.inputs.given import given_inputs
from rewriter.verification.inputs.made import make_inputs
from rewriter.verification.inputs.specs import InputSpec
from rewriter.verification.layer_traffic import Watch, watching

if TYPE_CHECKING:
    from rewriter.verification.arrays import Arrays

BATCHES = (2, 1, 3, 7, 32)

STEP = 1e-4
"""Learning rate of the steps: enough to be one, too little to break the next."""

TRAINS = "trains"

_TELLING = r"(?i)incompatible|must be|expected|cannot|requires|not supported|dimension"


@dataclass(frozen=True, slots=True)
class TrainingCase:
    """One size, tried in one mode.

    Parameters
    ----------
    batch : int
        Its batch size.
    length : int or None
        Size of the free axes, if there are any.
    mode : str
        ``eager`` or ``compiled``.
    outcome : str
        ``trains``, ``fails``, ``wrong batch`` (another number of rows came out than went in) or
        ``differs`` (compiled outputs are others than the eager ones).
    layer : str
        Path of the layer that fails or gives it, where that was found.
    detail : str
        The error, or the shapes.
    """

    batch: int
    length: int | None
    mode: str
    outcome: str
    layer: str = ""
    detail: str = ""


@dataclass(slots=True)
class TrainingSteps:
    """The cases, and what became of the gradients in them.

    Parameters
    ----------
    cases : list of TrainingCase
        Every size in every mode.
    missing, infinite : set of int
        Numbers of the trainable variables that never got a gradient, and of those whose
        gradient was not finite.
    """

    cases: list[TrainingCase] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)
    infinite: set[int] = field(default_factory=set)


TrainingStep = Callable[..., Any]


def run_cases(
    keras: LiveKeras,
    graph: ModelGraph,
    model: Live,
    layers: dict[str, Live],
    sizes: Sequence[tuple[int, int | None, Arrays]],
    loss: Loss,
) -> TrainingSteps:
    """Run every size, first eagerly, then in one compiled function."""
    import tensorflow as tf

    steps = TrainingSteps(missing=set(range(len(keras.trainable(model)))))
    eager = _make_step(keras, graph, model, loss)
    compiled = tf.function(eager, reduce_retracing=True)
    with watching(layers) as watch:
        for batch, length, arrays in sizes:
            _eager_case(steps, watch, eager, batch, length, arrays)
    for batch, length, arrays in sizes:
        _compiled_case(steps, layers, (eager, compiled), batch, length, arrays)
    return steps


def _make_step(keras: LiveKeras, graph: ModelGraph, model: Live, loss: Loss) -> TrainingStep:
    """Return a function that makes a training step, and gives what came of it."""
    import tensorflow as tf

    variables = keras.trainable(model)

    def step(*tensors: Any) -> tuple[list[Any], list[Any], list[Any]]:
        still = call_model(graph, model, tensors, training=False)
        with tf.GradientTape() as tape:
            outputs = call_model(graph, model, tensors, training=True)
            value = loss.of(outputs)
        gradients = tape.gradient(value, variables) if variables else []
        finite: list[Any] = []
        for variable, gradient in zip(variables, gradients, strict=True):
            if gradient is None:
                finite.append(None)
                continue
            dense = tf.convert_to_tensor(gradient)
            finite.append(tf.reduce_all(tf.math.is_finite(dense)))
            kept = tf.where(tf.math.is_finite(dense), dense, tf.zeros_like(dense))
            variable.assign_sub(tf.cast(STEP, dense.dtype) * kept)
        return tf.nest.flatten(still), tf.nest.flatten(outputs), finite

    return step


def call_model(graph: ModelGraph, model: Live, tensors: Sequence[Any], *, training: bool) -> Any:
    """Return what a model gives for these tensors, in its structure."""
    rest = iter(tensors)
    return model(map_leaves(lambda _: next(rest), graph.inputs), training=training)


def _eager_case(
    steps: TrainingSteps,
    watch: Watch,
    step: TrainingStep,
    batch: int,
    length: int | None,
    arrays: Arrays,
) -> None:
    watch.clear()
    try:
        still, outputs, finite = step(*arrays_to_tensors(arrays))
    except Exception as error:
        layer = watch.culprit or _named(watch.layers, str(error))
        steps.cases.append(
            TrainingCase(batch, length, "eager", "fails", layer, telling_line(error))
        )
        return
    _count(steps, finite)
    wrong = [each for each in (*still, *outputs) if each.shape.rank and each.shape[0] != batch]
    if not wrong:
        steps.cases.append(TrainingCase(batch, length, "eager", TRAINS))
        return
    seen = (path for path, given, gave in watch.shapes if given and gave and given[0] != gave[0])
    detail = f"{wrong[0].shape[0]} rows come out for {batch}"
    steps.cases.append(TrainingCase(batch, length, "eager", "wrong batch", next(seen, ""), detail))


def _compiled_case(
    steps: TrainingSteps,
    layers: dict[str, Live],
    functions: tuple[TrainingStep, TrainingStep],
    batch: int,
    length: int | None,
    arrays: Arrays,
) -> None:
    """Run one size compiled, and compare what it gives at inference with the eager outputs."""
    eager, compiled = functions
    before = next(c for c in steps.cases if (c.batch, c.length, c.mode) == (batch, length, "eager"))
    tensors = arrays_to_tensors(arrays)
    expected = eager(*tensors)[0] if before.outcome == TRAINS else None
    try:
        still, outputs, finite = compiled(*tensors)
    except Exception as error:
        layer = before.layer or _named(layers, str(error)) or _traced(layers, eager, tensors)
        if not layer and before.outcome == TRAINS:
            layer = _known_to_contradict(layers)
        steps.cases.append(
            TrainingCase(batch, length, "compiled", "fails", layer, telling_line(error))
        )
        return
    _count(steps, finite)
    rows = [each.shape[0] for each in (*still, *outputs) if each.shape.rank]
    if any(number != batch for number in rows):
        number = next(number for number in rows if number != batch)
        detail = f"{number} rows come out for {batch}"
        case = TrainingCase(batch, length, "compiled", "wrong batch", before.layer, detail)
    elif expected is not None and (detail := _differs(expected, still, eager, tensors)):
        case = TrainingCase(
            batch, length, "compiled", "differs", _known_to_contradict(layers), detail
        )
    else:
        case = TrainingCase(batch, length, "compiled", TRAINS)
    steps.cases.append(case)


def _known_to_contradict(layers: dict[str, Live]) -> str:
    """Return the layer that is known to go wrong once compiled: TimeDistributed, in Keras 3."""
    wrapped = [path for path, layer in layers.items() if type(layer).__name__ == "TimeDistributed"]
    return wrapped[0] if wrapped else ""


def _differs(
    expected: Sequence[Any], still: Sequence[Any], eager: TrainingStep, tensors: Sequence[Any]
) -> str:
    """Return how compiled outputs differ; empty where eager ones differ from each other too."""
    detail = _difference(expected, still)
    noisy = detail and _difference(expected, eager(*tensors)[0])
    return "" if noisy else detail


def _difference(expected: Sequence[Any], still: Sequence[Any]) -> str:
    import numpy as np

    for one, other in zip(expected, still, strict=True):
        if one.shape != other.shape:
            return f"it gives {tuple(other.shape)}, eagerly {tuple(one.shape)}"
        if one.dtype.is_floating:
            scale = 1 + float(np.abs(one).max(initial=0))
            gap = float(np.abs(np.asarray(one) - np.asarray(other)).max(initial=0))
            if gap > 0.01 * scale:
                return f"its outputs are off by {gap:.3g}"
    return ""


def _count(steps: TrainingSteps, finite: Sequence[Any]) -> None:
    for number, flag in enumerate(finite):
        if flag is not None:
            steps.missing.discard(number)
            if not bool(flag):
                steps.infinite.add(number)


def _named(layers: Mapping[str, Live], message: str) -> str:
    """Return the layer that an error names, the longest name that fits."""
    named = [path for path in layers if f"/{path.rpartition('/')[2]}/" in message]
    quotes = ("'{}'", '"{}"')
    quoted = [
        path
        for path in layers
        if any(quote.format(path.rpartition("/")[2]) in message for quote in quotes)
    ]
    return max(named or quoted, key=len, default="")


def _traced(layers: dict[str, Live], step: TrainingStep, tensors: Sequence[Any]) -> str:
    """Trace the step with open sizes, and return the layer that raises."""
    import tensorflow as tf

    signature = [tf.TensorSpec([None] * one.shape.rank, one.dtype) for one in tensors]
    with watching(layers) as watch:
        try:
            tf.function(step, input_signature=signature).get_concrete_function()
        except Exception:
            return watch.culprit
    return ""


def arrays_to_tensors(arrays: Arrays) -> list[Any]:
    """Return arrays as tensors."""
    import tensorflow as tf

    return [tf.convert_to_tensor(one) for one in arrays]


def telling_line(error: Exception) -> str:
    """Return the line of an error that says most, without colours and names of devices."""
    lines = [line.strip() for line in plain(error).splitlines()]
    lines = [line for line in lines if line and not line.startswith(("\u2022", "-", "*"))]
    telling = [line for line in lines if re.search(_TELLING, line)]
    return " ".join((telling or lines or [type(error).__name__])[0].split())[:200]


def sizes_of(
    specs: Sequence[InputSpec],
    data: Any,
    batches: Sequence[int],
    lengths: Sequence[int],
) -> Iterator[tuple[int, int | None, Arrays]]:
    """Yield the sizes to try, with inputs: every batch size, every length more than once."""
    import numpy as np

    free = [replace(spec, shape=(None, *spec.shape[1:])) for spec in specs]
    if data is not None:
        rows = given_inputs(free, data)
        for batch in batches:
            taken = tuple(np.resize(one, (batch, *one.shape[1:])) for one in rows)
            yield batch, None, taken
        return
    known = any(spec.free for spec in free)
    tried = [(batch, lengths[number % len(lengths)]) for number, batch in enumerate(batches)]
    if known:
        tried += [(3, length) for length in lengths if (3, length) not in tried]
    for number, (batch, length) in enumerate(tried):
        arrays = make_inputs(free, batch, length, seed=number, zeros=False)
        yield batch, length if known else None, _as_declared(free, arrays)


def _as_declared(specs: Sequence[InputSpec], arrays: Arrays) -> Arrays:
    return tuple(
        one if spec.dtype in ("string", "bfloat16") else one.astype(spec.dtype)
        for spec, one in zip(specs, arrays, strict=True)
    )
