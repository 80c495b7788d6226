"""What every model is put to: its config, a rewrite, its weights, its outputs, the original."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

import rewriter
from rewriter.dialects import decode, encode
from rewriter.graph import ModelGraph
from rewriter.graph.nested import map_leaves
from rewriter.live import keras_of, live_keras
from rewriter.pipeline import Guarantee
from rewriter.verification.inputs.made import make_inputs
from rewriter.verification.inputs.specs import input_specs


def document(model: Any) -> dict[str, Any]:
    return live_keras(keras_of(model)).document(model)


def plain(value: Any) -> str:
    """A config as text: keys in their order, what is not JSON by its repr."""
    return json.dumps(value, default=lambda each: getattr(each, "__name__", type(each).__name__))


def check_config(written: dict[str, Any], keras: int) -> ModelGraph:
    """A config comes back key for key, in the order of the keys."""
    graph = decode(written, keras)
    assert plain(encode(graph)) == plain(written)
    graph.validate()
    return graph


def outputs(model: Any, graph: ModelGraph, *, zeros: bool = True) -> list[np.ndarray]:
    """What a model gives at inference for inputs made from its graph, its states at zero."""
    import tensorflow as tf

    keras = live_keras(keras_of(model))
    states = [(each, np.asarray(each)) for each in keras.states(model)]
    for each, value in states:
        each.assign(np.zeros_like(value))
    specs = input_specs(graph)
    arrays = make_inputs(specs, 3, 7, seed=0, zeros=zeros)
    live = [graph.layer(spec.name) for spec in specs]
    rest = iter([_given(one, *both) for one, *both in zip(live, specs, arrays, strict=True)])
    found = model(map_leaves(lambda _: next(rest), graph.inputs), training=False)
    found = [_dense(each) for each in tf.nest.flatten(found)]
    for each, value in states:
        each.assign(value)
    return found


def _given(layer: Any, spec: Any, array: np.ndarray) -> Any:
    import tensorflow as tf

    tensor = tf.convert_to_tensor(array, dtype=spec.dtype)
    if layer.config.get("ragged"):
        return tf.RaggedTensor.from_tensor(tensor)
    return tf.sparse.from_dense(tensor) if layer.config.get("sparse") else tensor


def _dense(value: Any) -> np.ndarray:
    import tensorflow as tf

    if isinstance(value, tf.SparseTensor):
        value = tf.sparse.to_dense(value)
    return np.asarray(value.to_tensor() if isinstance(value, tf.RaggedTensor) else value)


def same(left: list[np.ndarray], right: list[np.ndarray]) -> bool:
    """Whether arrays are equal to the bit, in shape and dtype too."""
    return len(left) == len(right) and all(
        (a.shape, a.dtype) == (b.shape, b.dtype)
        and (a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes())
        for a, b in zip(left, right, strict=True)
    )


def every_layer(model: Any) -> Iterator[Any]:
    """The model and all that it holds, at any depth, each once."""
    keras = live_keras(keras_of(model))
    pending, seen = [model], set()
    while pending:
        layer = pending.pop()
        if id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            pending.extend(reversed(keras.sublayers(layer)))


def fingerprint(model: Any) -> list[Any]:
    """What a rewrite must leave alone: weights, states, seeds, calls, config."""
    keras = live_keras(keras_of(model))
    layers = list(every_layer(model))
    return [
        [np.asarray(each).tobytes() for each in keras.variables(model)],
        [np.asarray(seed).tobytes() for layer in layers for seed in keras.seeds(layer)],
        [np.asarray(state).tobytes() for state in keras.states(model)],
        [len(getattr(layer, "_inbound_nodes", ())) for layer in layers],
        [len(getattr(layer, "_outbound_nodes", ())) for layer in layers],
        [getattr(layer, "trainable", None) for layer in layers],
        plain(document(model)),
    ]


def check_identity(model: Any) -> Any:
    """A rewrite without passes gives the same model again, made of other layers."""
    written, graph = document(model), rewriter.read(model)
    wanted = outputs(model, graph)
    before = fingerprint(model)
    new = rewriter.rewrite(model, [], verify=False).model
    assert fingerprint(model) == before, "the original was changed"
    assert not set(map(id, every_layer(model))) & set(map(id, every_layer(new)))
    if "layers" in written["config"]:
        assert plain(document(new)) == plain(written)
    assert [each.name for each in new.layers] == [each.name for each in model.layers]
    assert same(weights(new), weights(model)), "other weights"
    assert len(list(every_layer(new))) == len(list(every_layer(model))), "sharing was lost"
    assert same(outputs(new, graph), wanted), "other outputs"
    return new


def weights(model: Any) -> list[np.ndarray]:
    return [np.asarray(each) for each in model.weights if hasattr(each, "shape")]


def check_pass(model: Any, name: str) -> None:
    """A pass keeps its guarantee, to the bit or within the tolerance that it names, and acts once.

    What is changed on purpose is not looked at; what is not changed, `check_identity` tries.
    """
    graph, before = rewriter.read(model), fingerprint(model)
    if not rewriter.plan(model, [name]).changes:
        assert fingerprint(model) == before, "the original was changed"
        return
    result = rewriter.rewrite(model, [name], verify=False)
    assert fingerprint(model) == before, "the original was changed"
    if result.plan.guarantee is not Guarantee.CHANGED_ON_PURPOSE:
        zeros, tolerance = result.plan.guarantee is Guarantee.SAME, result.plan.tolerance
        # The rewritten model alone shows which ids are padding where a pass switched masks on.
        asked = graph if zeros else rewriter.read(result.model)
        wanted, found = (outputs(each, asked, zeros=zeros) for each in (model, result.model))
        if tolerance:
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)
        else:
            assert same(found, wanted), "other outputs"
    assert not rewriter.plan(result.model, [name]).changes
