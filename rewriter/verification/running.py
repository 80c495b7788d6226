"""Run a live model as a function from arrays to arrays, or layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from rewriter.errors import first_line
from rewriter.graph.calls import Arguments, Call
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves, map_leaves
from rewriter.live.adapters import Live, LiveKeras, live_keras
from rewriter.live.walk import layer_at, with_sublayers
from rewriter.verification.arrays import Arrays, Run
from rewriter.verification.differences import greatest_difference
from rewriter.verification.inputs.specs import InputSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Subject:
    """A live model and its graph."""

    graph: ModelGraph
    model: Live


def settled(graph: ModelGraph) -> ModelGraph:
    """Return a copy of a graph as it would be read from the model that was made of it.

    Each layer comes from where it stands, so that copies can be made of that model.
    """
    copy, seen = graph.copy(), set[int]()

    def settle(graph: ModelGraph, place: tuple[str, ...]) -> None:
        if id(graph) not in seen:
            seen.add(id(graph))
            graph.map_layers(lambda layer: at(layer, (*place, layer.name)))

    def at(layer: Layer, place: tuple[str, ...]) -> Layer:
        if layer.graph is not None:
            settle(layer.graph, place)
        inner = {role: at(each, (*place, role)) for role, each in layer.inner.items()}
        return replace(layer, origin=place, inner=inner)

    settle(copy, ())
    return copy


def with_vocabularies(
    keras: LiveKeras, subject: Subject, specs: Sequence[InputSpec]
) -> list[InputSpec]:
    """Return what the inputs take with the words that the model's lookups know."""

    def told(spec: InputSpec) -> InputSpec:
        if not spec.lookup:
            return spec
        from rewriter.live.vocabulary import vocabulary

        return replace(spec, vocabulary=vocabulary(layer_at(keras, subject.model, spec.lookup)))

    return [told(spec) for spec in specs]


@contextmanager
def states_kept(keras: LiveKeras, model: Live) -> Iterator[None]:
    """Give the states of stateful layers, and what noise is drawn from, back as they were."""
    import numpy as np

    seeds = [seed for layer in with_sublayers(model, keras) for seed in keras.seeds(layer)]
    kept = [(variable, np.array(variable)) for variable in (*keras.states(model), *seeds)]
    try:
        yield
    finally:
        for variable, value in kept:
            if not np.array_equal(variable, value):
                variable.assign(value)


def runner(
    keras: LiveKeras,
    subject: Subject,
    specs: Sequence[InputSpec],
    *,
    compiled: Callable[..., list[Any]] | None = None,
    calls: int = 1,
) -> Run:
    """Return a function from arrays to the model's outputs, at inference.

    It runs eagerly, or what `compiled_call` returned. States are zero before the first of `calls`;
    what the last gives is returned.
    """
    call = compiled or call_of(subject)
    states = keras.states(subject.model)

    def run(arrays: Arrays) -> list[NDArray[Any]]:
        reset(states)
        tensors = to_tensors(specs, arrays)
        for _ in range(calls - 1):
            call(*tensors)
        return [to_array(output) for output in call(*tensors)]

    return run


def activations(compiled: Any) -> Callable[[int, int], float] | None:
    """Return an estimate of the bytes that a run makes, by batch size and length.

    It is the sum over all that a compiled call calculates; None where it cannot be compiled.
    """
    try:
        operations = compiled.get_concrete_function().graph.get_operations()
    except Exception:
        return None
    outputs = [output for operation in operations for output in operation.outputs]
    shapes = [(output.shape, output.dtype.size) for output in outputs if output.shape.rank]

    def estimate(batch: int, length: int) -> float:
        total = 0.0
        for shape, size in shapes:
            first, *rest = shape.as_list()
            free = [length if each is None else each for each in rest]
            total += float(prod(free)) * (batch if first is None else first) * size
        return total

    return estimate


def call_of(subject: Subject) -> Callable[..., list[Any]]:
    """Return a function from tensors to the model's outputs, one after another."""
    import tensorflow as tf

    graph, model = subject.graph, subject.model

    def call(*tensors: Any) -> list[Any]:
        rest = iter(tensors)
        return list(
            tf.nest.flatten(model(map_leaves(lambda _: next(rest), graph.inputs), training=False))
        )

    return call


def compiled_call(subject: Subject, specs: Sequence[InputSpec]) -> Any:
    """Return `call_of`, compiled once for every batch size and length."""
    import tensorflow as tf

    kinds = {"sparse": tf.SparseTensorSpec, "ragged": tf.RaggedTensorSpec}
    signature = [kinds.get(one.form, tf.TensorSpec)(one.shape, one.dtype) for one in specs]
    keras, call = live_keras(subject.graph.keras), call_of(subject)

    def forward(*tensors: Any) -> list[Any]:
        with keras.forward_only():
            return call(*tensors)

    return tf.function(forward, input_signature=signature)


def reset(states: Sequence[Live]) -> None:
    """Set states to zero."""
    import tensorflow as tf

    for variable in states:
        variable.assign(tf.zeros(variable.shape, variable.dtype))


def to_tensors(specs: Sequence[InputSpec], arrays: Arrays) -> list[Any]:
    """Return arrays as the tensors that a model takes."""
    import tensorflow as tf

    forms = {"sparse": tf.sparse.from_dense, "ragged": _to_ragged}
    return [
        forms.get(spec.form, tf.identity)(tf.convert_to_tensor(one, dtype=spec.dtype))
        for spec, one in zip(specs, arrays, strict=True)
    ]


def _to_ragged(tensor: Any) -> Any:
    """Return rows of several lengths: the first is whole, the next two are one and two shorter."""
    import tensorflow as tf

    rows, steps = tensor.shape[:2]
    lengths = [max(min(1, steps), steps - row % 3) for row in range(rows)]
    return tf.RaggedTensor.from_tensor(tensor, lengths=lengths)


def to_array(output: Any) -> NDArray[Any]:
    """Return a tensor as an array, whatever its form."""
    import numpy as np
    import tensorflow as tf

    if isinstance(output, tf.RaggedTensor):
        output = output.to_tensor()
    elif isinstance(output, tf.SparseTensor):
        output = tf.sparse.to_dense(output)
    if getattr(output, "dtype", None) == tf.bfloat16:
        output = tf.cast(output, tf.float32)
    return np.asarray(output)


class LayerError(Exception):
    """A layer failed while a model was run layer by layer."""

    def __init__(self, path: str, error: Exception) -> None:
        super().__init__(f"layer {path}: {first_line(error)}")


@dataclass(frozen=True, slots=True)
class Value:
    """What a call gave: its outputs, and the mask of each."""

    outputs: Sequence[NDArray[Any]]
    masks: Sequence[NDArray[Any] | None]


def trace(
    keras: LiveKeras, subject: Subject, specs: Sequence[InputSpec], arrays: Arrays
) -> dict[Call, Value]:
    """Run a model layer by layer, eagerly, and return what each call gave.

    Raises
    ------
    LayerError
        A layer fails; names it.
    """
    graph, live = subject.graph, keras.layers(subject.model)
    reset(keras.states(subject.model))
    ends = (end.call for end in leaves(graph.inputs))
    tensors = {end: [one] for end, one in zip(ends, to_tensors(specs, arrays), strict=True)}
    for call in graph.calls():
        if call in tensors:
            continue
        given = [tensors[one.call][one.output] for one in graph.fillings(call).values()]
        try:
            arguments = at_inference(live[call.layer], graph.arguments(call))
            tensors[call] = keras.call_layer(live[call.layer], arguments, given)
        except Exception as error:
            raise LayerError(graph.path_of(call), error) from error
    return {call: _value(outputs) for call, outputs in tensors.items()}


def at_inference(layer: Live, arguments: Arguments) -> Arguments:
    """Return the arguments of a call that is made alone, and not by a model at inference.

    Some layers, such as RandomZoom, take a call that does not say so for one in training.
    """
    takes = getattr(layer, "_call_has_training_arg", getattr(layer, "_expects_training_arg", False))
    if not takes or arguments.kwargs.get("training") is not None:
        return arguments
    return replace(arguments, kwargs={**arguments.kwargs, "training": False})


def _value(outputs: Sequence[Any]) -> Value:
    masks = [getattr(each, "_keras_mask", None) for each in outputs]
    return Value(
        [to_array(each) for each in outputs],
        [None if mask is None else to_array(mask) for mask in masks],
    )


def first_difference(
    keras: LiveKeras,
    before: Subject,
    after: Subject,
    specs: Sequence[InputSpec],
    arrays: Arrays,
) -> str:
    """Return the path of the first layer whose output differs on an input, if one can be told."""
    try:
        old = trace(keras, before, specs, arrays)
        new = trace(keras, after, specs, arrays)
    except Exception:
        return ""
    for call, value in new.items():
        if call not in old:
            continue
        expected = old[call].outputs
        same_shapes = [one.shape for one in value.outputs] == [one.shape for one in expected]
        if not same_shapes or any(map(greatest_difference, expected, value.outputs)):
            return after.graph.path_of(call)
    return ""


def explain(
    keras: LiveKeras,
    subject: Subject,
    specs: Sequence[InputSpec],
    arrays: Arrays,
    failure: str,
) -> str:
    """Return why a model fails on an input, with the layer that does if one can be told."""
    try:
        trace(keras, subject, specs, arrays)
    except LayerError as error:
        return str(error)
    except Exception:
        return failure
    return failure


def attempt(run: Run, arrays: Arrays) -> tuple[list[NDArray[Any]] | None, str]:
    """Return the outputs, or why there are none."""
    try:
        return run(arrays), ""
    except Exception as error:
        return None, first_line(error)
