"""Number the calls of a model as its config does, and name their tensors.

A tensor is ``[layer, call, output]``. The calls of a layer count from 0, but those of nested
models often from 1, because their own graph is the first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from rewriter.errors import UnsupportedModelError
from rewriter.graph.calls import Arguments
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves

GRAPH_KEYS = ("layers", "input_layers", "output_layers")


class Reference(NamedTuple):
    """A tensor as a config names it, and what is written beside the name."""

    layer: str
    node: int
    output: int
    spec: Any = None


class Dialect(Protocol):
    """How one Keras writes calls."""

    keras: int

    def decode_call(self, node: Any, names: Collection[str]) -> tuple[Arguments, list[Reference]]:
        """Return a node's arguments and what goes into its holes, in their order."""

    def encode_call(self, arguments: Arguments, references: Mapping[int, Reference]) -> Any:
        """Return the node of a call."""

    def first_node(self, layer: Layer) -> int:
        """Return the number of the first call of a nested model."""

    def end_offset(self, layer: Layer) -> int:
        """Return how much higher a layer's calls are numbered in the inputs and outputs."""

    def is_functional(
        self,
        layer: Layer,
        calls: Sequence[Arguments],
        inside: Collection[int],
        ends: Collection[int],
    ) -> bool | None:
        """Tell a nested Functional model whose config lists no layers; None if it cannot be."""


def is_reference(value: Any) -> bool:
    """Whether a value has the form [layer, node, output] of a tensor in a config."""
    return (
        isinstance(value, list | tuple)
        and len(value) >= 3
        and isinstance(value[0], str)
        and type(value[1]) is int
        and type(value[2]) is int
    )


def decode_ends(ends: Any, offsets: Mapping[str, int]) -> Any:
    """Return the references in the inputs or outputs of a model, numbered as elsewhere in it."""
    if is_reference(ends) and len(ends) == 3:
        layer, node, output = ends
        return Reference(layer, node - offsets.get(layer, 0), output)
    if isinstance(ends, dict):
        return {key: decode_ends(value, offsets) for key, value in ends.items()}
    return [decode_ends(value, offsets) for value in ends]


Calls = Sequence[Sequence[tuple[Arguments, list[Reference]]]]
"""The calls of each layer, with what goes into the holes of their arguments."""


def tell_models(
    layers: Sequence[Layer],
    calls: Calls,
    config: Mapping[str, Any],
    dialect: Dialect,
    graph: ModelGraph,
) -> list[Layer]:
    """Mark the layers that are Functional models of classes of their own.

    Raises
    ------
    UnsupportedModelError
        It cannot be told of a layer; names it.
    """
    inside = _numbers([each for found in calls for _, held in found for each in held])
    ends = _numbers([each for key in GRAPH_KEYS[1:] for each in _ends(config[key])])
    told = []
    for layer, found in zip(layers, calls, strict=True):
        functional: bool | None = False
        if layer.graph is None and layer.name in ends:
            arguments = [each for each, _ in found]
            used = inside.get(layer.name, set())
            functional = dialect.is_functional(layer, arguments, used, ends[layer.name])
        if functional is None:
            raise UnsupportedModelError(
                f"which call of {layer.class_name} is an output cannot be told from the config "
                "alone, for it does not say whether the class is one of Functional models",
                where="/".join((*graph.path, layer.name)),
                fix="rewrite it, which loads it, or give the live model",
            )
        told.append(replace(layer, functional=True) if functional else layer)
    return told


def _ends(ends: Any) -> list[Reference]:
    return list(leaves([decode_ends(ends, {})]))


def _numbers(references: Sequence[Reference]) -> dict[str, set[int]]:
    """Return the numbers of the calls that are referred to, by layer."""
    found: dict[str, set[int]] = {}
    for reference in references:
        found.setdefault(reference.layer, set()).add(reference.node)
    return found


def numbered(layer: Layer, calls: int, used: set[int], dialect: Dialect) -> Layer:
    """Tell the number of a nested model's first call from the numbers that are in use."""
    if layer.graph is None and calls not in used:
        return layer
    first = 0
    if 0 not in used:
        first = 1 if calls in used else dialect.first_node(layer)
    return replace(layer, first_node=first) if first else layer
