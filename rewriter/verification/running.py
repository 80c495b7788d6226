"""A live model, run: as a function from arrays to arrays, and layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rewriter.errors import first_line
from rewriter.graph.calls import Call
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves, map_leaves
from rewriter.live.adapters import Live, LiveKeras
from rewriter.live.walk import layer_at
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
    """Give the states of stateful layers back as they were."""
    kept = [(variable, variable.numpy()) for variable in keras.states(model)]
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)


def runner(
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


def first_difference(
    keras: LiveKeras,
    before: Subject,
    after: Subject,
    arrays: Arrays,
) -> str:
    """Return the path of the first layer whose output differs on an input, if one can be told."""
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


def attempt(run: Run, arrays: Arrays) -> tuple[list[NDArray[Any]] | None, str]:
    """Return the outputs, or why there are none."""
    try:
        return run(arrays), ""
    except Exception as error:
        return None, first_line(error)
