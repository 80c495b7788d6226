"""Translate configs of Keras 3.

A node is ``{"args": [...], "kwargs": {...}}``, a tensor in it
``{"class_name": "__keras_tensor__", "config": {shape, dtype, keras_history}}``
(keras/src/models/functional.py, `serialize_node`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rewriter.analysis.known_layers import is_known
from rewriter.dialects.numbering import Reference
from rewriter.graph.calls import Arguments, Hole
from rewriter.graph.graph import Layer
from rewriter.graph.nested import map_leaves

TENSOR = "__keras_tensor__"

_TAKE_MASKS = """
AdditiveAttention Attention BatchNormalization Bidirectional ConvLSTM1D ConvLSTM2D ConvLSTM3D
GRU GlobalAveragePooling1D LSTM Lambda RNN SimpleRNN Softmax TimeDistributed
"""

_MASKED = frozenset(_TAKE_MASKS.split())
"""Keras' own layers whose calls take ``mask``; files without modules have their names alone."""

keras = 3


def decode_call(node: Any, names: Collection[str]) -> tuple[Arguments, list[Reference]]:
    """Return a node's arguments and what goes into its holes, in their order."""
    references: list[Reference] = []

    def visit(value: Any) -> Any:
        if isinstance(value, dict):
            if value.get("class_name") == TENSOR:
                layer, number, output = value["config"]["keras_history"]
                references.append(Reference(layer, number, output, value))
                return Hole(len(references) - 1)
            return {key: visit(each) for key, each in value.items()}
        if isinstance(value, list):
            return [visit(each) for each in value]
        return tuple(visit(each) for each in value) if type(value) is tuple else value

    if not isinstance(node["args"], list | tuple) or not isinstance(node["kwargs"], dict):
        raise TypeError(f"{node!r} is no call with arguments")
    return Arguments(visit(node["args"]), visit(node["kwargs"])), references


def encode_call(arguments: Arguments, references: Mapping[int, Reference]) -> Any:
    """Return the node of a call."""

    def name(leaf: Any) -> Any:
        if not isinstance(leaf, Hole):
            return leaf
        reference = references[leaf.index]
        spec = reference.spec or {"class_name": TENSOR, "config": {"shape": None, "dtype": None}}
        history = list(reference[:3])
        return {**spec, "config": {**spec["config"], "keras_history": history}}

    return {
        "args": map_leaves(name, arguments.args),
        "kwargs": map_leaves(name, dict(arguments.kwargs)),
    }


def first_node(layer: Layer) -> int:
    """Return 0: calls are counted from there."""
    return 0


def end_offset(layer: Layer) -> int:
    """Return 1 for nested models that are no Sequential, whose own graph counts there.

    keras/src/models/functional.py: `Functional.get_config` numbers outputs so, and
    `serialize_node` does not.
    """
    if layer.graph is None:
        return int(layer.functional)
    return 0 if layer.graph.sequential else 1


def is_functional(
    layer: Layer, calls: Sequence[Arguments], inside: Collection[int], ends: Collection[int]
) -> bool | None:
    """Tell a nested Functional model whose config lists no layers from any other layer.

    Numbers of calls tell it: where tensors go into layers they count from 0, in the model's
    outputs from `end_offset`, and each call is used somewhere. Where both readings hold, a call
    without ``mask`` is none of a model, which takes one.

    Parameters
    ----------
    layer : Layer
        One without a graph.
    calls : sequence of Arguments
        What the layer is called with.
    inside, ends : collection of int
        The numbers of its calls as other layers, and as inputs and outputs have them.

    Returns
    -------
    bool or None
        None where it cannot be told.
    """
    known = is_known(layer) if layer.envelope.get("module") else layer.class_name in _MASKED
    if known:
        return False
    every = set(range(len(calls)))
    as_layer = {*inside, *ends} == every
    as_model = {*inside, *(number - 1 for number in ends)} == every
    if as_layer and as_model and ends:
        takes_mask = all("mask" in each.kwargs for each in calls)
        return None if takes_mask else False
    return as_model and not as_layer
