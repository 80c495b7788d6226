"""Translate configs of Keras 2: tf_keras, and files that tf.keras and Keras 2.x saved.

A node is a nested structure of ``[layer, node, output, kwargs]``, the first argument of the
call; every leaf repeats the keyword arguments, in which a tensor is ``[layer, node, output]``
(tf_keras/src/engine/node.py, `Node.serialize`; functional.py, `reconstruct_from_config`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewriter.dialects.numbering import Reference, is_reference
from rewriter.graph.calls import Arguments, Constant, Hole
from rewriter.graph.graph import Layer
from rewriter.graph.nested import map_leaves

CONSTANT = "_CONSTANT_VALUE"

keras = 2


@dataclass(frozen=True, slots=True)
class LeafLength:
    """Whether leaves carry keyword arguments (4) or, in old files, none (3)."""

    items: int


def decode_call(node: Any, names: Collection[str]) -> tuple[Arguments, list[Reference]]:
    """Return a node's arguments and what goes into its holes, in their order."""
    references: list[Reference] = []
    leaf_kwargs: Any = {}
    length = 4

    def hole(layer: str, number: int, output: int) -> Hole:
        references.append(Reference(layer, number, output))
        return Hole(len(references) - 1)

    def first(value: Any) -> Any:
        nonlocal leaf_kwargs, length
        if _is_leaf(value):
            length = len(value)
            leaf_kwargs = value[3] if length == 4 else {}
            if not isinstance(leaf_kwargs, dict):
                raise TypeError(f"{leaf_kwargs!r} stands where keyword arguments do")
            return Constant(value[2]) if value[0] == CONSTANT else hole(*value[:3])
        if not isinstance(value, list | tuple | dict):
            raise TypeError(f"{value!r} stands where a tensor is named")
        return _map_items(first, value)

    def keyword(value: Any) -> Any:
        if is_reference(value) and len(value) == 3 and value[0] in names:
            return hole(*value)
        return _map_items(keyword, value)

    args = [first(node)]
    kwargs = keyword(leaf_kwargs)
    return Arguments(args, kwargs, LeafLength(length)), references


def encode_call(arguments: Arguments, references: Mapping[int, Reference]) -> Any:
    """Return the node of a call."""

    def name(leaf: Any) -> Any:
        return list(references[leaf.index][:3]) if isinstance(leaf, Hole) else leaf

    kwargs = map_leaves(name, dict(arguments.kwargs))
    form = arguments.form or LeafLength(4)
    tail = [kwargs] if form.items == 4 else []

    def leaf(value: Any) -> Any:
        if isinstance(value, Constant):
            return [CONSTANT, -1, value.value, *tail]
        return [*references[value.index][:3], *tail]

    node = map_leaves(leaf, arguments.args[0])
    written = arguments.form is not None or not isinstance(arguments.args[0], Hole)
    return node if written else [node]


def first_node(layer: Layer) -> int:
    """Return 1 for models that were built before they were called.

    tf_keras/src/engine/functional.py, `_should_skip_first_node`.
    """
    if layer.graph is None:
        return 0
    return 0 if any(each.implicit for each in layer.graph.layers) else 1


def end_offset(layer: Layer) -> int:
    """Return 0: calls are numbered everywhere alike."""
    return 0


def is_functional(
    layer: Layer, calls: Sequence[Arguments], inside: Collection[int], ends: Collection[int]
) -> bool | None:
    """Return False: whether a layer is a model makes no difference to its numbers."""
    return False


def _is_leaf(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) not in (3, 4):
        return False
    return (
        value[0] == CONSTANT
        if isinstance(value[0], str) and value[1] == -1
        else (is_reference(value))
    )


def _map_items(function: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: function(each) for key, each in value.items()}
    if isinstance(value, list):
        return [function(each) for each in value]
    if type(value) is tuple:
        return tuple(function(each) for each in value)
    return value
