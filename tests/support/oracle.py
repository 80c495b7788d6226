"""What Keras really carries, beside what the mask flow predicts.

Keras is run eagerly: masks hang on the tensors that it hands from layer to layer, and what its
symbolic tensors say of them is not always true.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from support.built_in import SHAPES, Case

from rewriter.analysis.masks import CallFlow, Join, Mask, mask_flow
from rewriter.dialects import DIALECTS
from rewriter.dialects import decoder as dialect_model
from rewriter.graph import Arguments, Hole, Layer, ModelGraph, Tensor

WORDS = {"ids": (2, 6), "single ids": (2, 1), "grids": (2, 6, 5), "words": (2, 6), "text": (2,)}


@dataclass(frozen=True)
class Carried:
    """The masks that a layer gave, whether one changed what it computes, or why it failed."""

    masks: tuple[np.ndarray | None, ...] = ()
    uses: bool = False
    fails: str = ""


def array(kind: str, random: np.random.Generator) -> Any:
    """Return an input of a kind that a `Case` names."""
    if kind in ("ids", "single ids", "grids"):
        return tf.constant(random.integers(0, 9, WORDS[kind]))
    if kind == "words":
        return tf.constant(random.choice(["a", "b", "c"], WORDS[kind]))
    if kind == "text":
        return tf.constant(["a b", "b"])
    return tf.constant(random.random(SHAPES[kind]).astype("float32"))


def mask_for(kind: str, random: np.random.Generator) -> np.ndarray:
    """Return a mask over the time axis: some steps are hidden, the first is not."""
    mask = random.random((WORDS.get(kind) or SHAPES[kind])[:2]) > 0.4
    mask[..., 0], mask[..., -1] = True, False
    return mask


def mask_of(tensor: Any) -> np.ndarray | None:
    """Return the mask that hangs on a tensor."""
    mask = getattr(tensor, "_keras_mask", None)
    return None if mask is None else np.asarray(mask)


def run(layer: Any, case: Case, arrays: list[Any], masks: list[np.ndarray | None]) -> Carried:
    """Call a layer eagerly, with masks and without."""
    plain = _called(layer, case, arrays, [None] * len(masks))
    try:
        outputs = _called(layer, case, arrays, masks)
    except Exception as error:
        return Carried(fails=str(error))
    uses = any(
        not np.array_equal(np.asarray(one), np.asarray(other))
        for one, other in zip(plain, outputs, strict=True)
    )
    return Carried(tuple(map(mask_of, outputs)), uses)


def _called(layer: Any, case: Case, arrays: list[Any], masks: list[Any]) -> list[Any]:
    tensors = [tf.identity(each) for each in arrays]
    for tensor, mask in zip(tensors, masks, strict=True):
        if mask is not None:
            tensor._keras_mask = tf.constant(mask)
    kwargs = {"training": False} if "training" in inspect.signature(layer.call).parameters else {}
    if case.call == "tensor":
        outputs = layer(tensors[0], **kwargs)
    elif case.call == "list":
        outputs = layer(tensors, **kwargs)
    else:
        outputs = layer(*tensors, **kwargs)
    return list(tf.nest.flatten(outputs))


def predicted(layer: Any, case: Case, keras: int, serialize: Any) -> CallFlow:
    """Return what the mask flow says of the layer alone, its masks those of Masking layers."""
    graph = ModelGraph(keras=keras, class_name="Functional", name="m")
    ends = []
    for number, masked in enumerate(case.masked):
        kind = case.inputs[number]
        shape = (None, *(WORDS.get(kind) or SHAPES[kind])[1:])
        call = graph.add(Layer(f"input_{number}", "InputLayer", {"batch_shape": shape}))
        graph.inputs.append(Tensor(call))
        if masked:
            # A Masking layer hides steps of what has features; these masks are of steps alone.
            call = graph.add(
                Layer(f"mask_{number}", "CarryMask", {}), [Tensor(call), source(graph)]
            )
        ends.append(Tensor(call))
    arguments = None
    if case.call == "list":
        arguments = Arguments(args=[[Hole(number) for number in range(len(ends))]])
    decoder = dialect_model._Decoder(DIALECTS[keras])
    call = graph.add(decoder.layer(serialize(layer), (), ()), ends, arguments=arguments)
    graph.outputs = [Tensor(call)]
    return mask_flow(graph)[-1]


def source(graph: ModelGraph) -> Tensor:
    """Add a layer that makes a mask over time, and return its output."""
    number = len(graph.layers)
    shape = Layer(f"steps_{number}", "InputLayer", {"batch_shape": (None, 6, 1)})
    steps = graph.add(shape)
    graph.inputs.append(Tensor(steps))
    return Tensor(graph.add(Layer(f"source_{number}", "Masking", {}), [Tensor(steps)]))


def evaluated(
    mask: Mask,
    values: Mapping[str, Any],
    shape: tuple[int, ...],
    lengths: Mapping[Mask, Sequence[int]] | None = None,
) -> Any:
    """Return the mask that an expression stands for; None for no mask.

    `lengths` has the steps of the parts of those that stand one behind the other; by default
    these are equal.
    """
    lengths = lengths or {}
    if mask.join is None:
        return None
    if mask.join is Join.SOURCE:
        return values[mask.sources[0]]
    if mask.join is Join.EVERY:
        return np.ones(shape, bool)
    if mask.join is Join.THEN:
        steps = lengths.get(mask) or [shape[1] // len(mask.parts)] * len(mask.parts)
        parts = [
            evaluated(part, values, (shape[0], length), lengths)
            for part, length in zip(mask.parts, steps, strict=True)
        ]
        return np.concatenate(parts, axis=1)
    parts = [evaluated(part, values, shape, lengths) for part in mask.parts]
    if mask.join is Join.ANY:
        return parts[0].any(axis=-1)
    assert mask.join in (Join.AND, Join.OR), mask.join
    return (np.logical_and if mask.join is Join.AND else np.logical_or).reduce(parts)
