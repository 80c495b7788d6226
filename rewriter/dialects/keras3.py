"""Config <-> graph for Keras 3.

A node is ``{"args": [...], "kwargs": {...}}``, a tensor in it
``{"class_name": "__keras_tensor__", "config": {shape, dtype, keras_history}}``
(keras/src/models/functional.py, `serialize_node`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rewriter.dialects.model import Reference
from rewriter.graph import Arguments, Hole, Layer
from rewriter.structure import map_leaves

TENSOR = "__keras_tensor__"

keras = 3
input_shape_key = "batch_shape"


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
    return 0 if layer.graph is None or layer.graph.sequential else 1
