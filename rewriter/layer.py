"""The values that a graph is made of: layers, calls, their arguments and tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from rewriter.structure import leaves

if TYPE_CHECKING:
    from rewriter.graph import ModelGraph


class Call(NamedTuple):
    """One application of a layer to tensors: a node of the graph."""

    layer: str
    number: int = 0

    def __str__(self) -> str:
        return self.layer if self.number == 0 else f"{self.layer} (call {self.number + 1})"


@dataclass(frozen=True, slots=True, order=True)
class Tensor:
    """One output of one call."""

    call: Call
    output: int = 0


@dataclass(frozen=True, slots=True)
class Hole:
    """The place of a tensor in the arguments of a call."""

    index: int


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a layer is called with.

    Parameters
    ----------
    args, kwargs : nested structures
        As Keras wrote them, with a `Hole` in place of each tensor.
    form : Any
        What the dialect must remember to write the call as it was read.
    """

    args: Any = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    form: Any = None

    @property
    def holes(self) -> list[int]:
        """Numbers of the holes in the order in which they stand."""
        both = (*leaves(self.args), *leaves(dict(self.kwargs)))
        return [leaf.index for leaf in both if isinstance(leaf, Hole)]

    @property
    def first(self) -> int | None:
        """Number of the hole that is the first argument; None if that is a constant.

        Examples
        --------
        >>> Arguments([Hole(0)], {"initial_state": Hole(1)}).first
        0
        >>> print(Arguments(["steps"], {"initial_state": Hole(0)}).first)
        None
        """
        named = [value for key, value in self.kwargs.items() if key in _FIRST]
        leaf = next(leaves(self.args or named), None)
        return leaf.index if isinstance(leaf, Hole) else None


# What Keras calls the first argument of its layers.
_FIRST = ("inputs", "sequences")


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as its config tells it; what no pass touches is kept as it was read.

    Parameters
    ----------
    name, class_name : str
        As in the config.
    config : mapping
        The whole config. Where it holds a layer that `inner` has, it holds None.
    envelope : mapping
        The serialised layer around class name and config: module, registered name and
        whatever else stands there, in its order.
    graph : ModelGraph, optional
        The graph of a nested model.
    inner : mapping of str to Layer
        Wrapped layers and cells by their place in the config: ``layer``,
        ``backward_layer``, ``cell``, ``cells/0``.
    origin : tuple of str, optional
        Where the layer stands in the model that was read; None for one that a pass made.
    first_node : int
        Number that Keras gives the layer's first call. It is 1 for most nested models,
        whose own graph counts as the first.
    implicit : bool
        True for the input that a Sequential model has but does not write down.
    functional : bool
        True for a nested Functional model of a class of its own, whose config lists no layers.
    identity : int, optional
        Equal for layers that are one object, where that stands in several places.
    """

    name: str
    class_name: str
    config: Mapping[str, Any]
    envelope: Mapping[str, Any] = field(default_factory=dict)
    graph: ModelGraph | None = None
    inner: Mapping[str, Layer] = field(default_factory=dict)
    origin: tuple[str, ...] | None = None
    first_node: int = 0
    implicit: bool = False
    functional: bool = False
    identity: int | None = None

    def walk(self) -> Iterator[Layer]:
        """Yield this layer and the layers and cells that it wraps, at any depth."""
        yield self
        for layer in self.inner.values():
            yield from layer.walk()


def with_config(layer: Layer, steps: Sequence[str], changes: Mapping[str, Any]) -> Layer:
    """Return a layer with keys of its config set, or of what it wraps at these roles."""
    if not steps:
        return replace(layer, config={**layer.config, **changes})
    inner = dict(layer.inner)
    inner[steps[0]] = with_config(inner[steps[0]], steps[1:], changes)
    return replace(layer, inner=inner)


def with_config_of(layer: Layer, identity: int, changes: Mapping[str, Any]) -> Layer:
    """Return a layer with keys set wherever it, or what it wraps, is the one meant."""
    if layer.identity == identity:
        return replace(layer, config={**layer.config, **changes})
    inner = {role: with_config_of(each, identity, changes) for role, each in layer.inner.items()}
    return layer if inner == layer.inner else replace(layer, inner=inner)


def with_inner(layer: Layer, steps: Sequence[str], new: Layer) -> Layer:
    """Return a layer with another one in the place of one that it holds."""
    if not steps:
        return new
    inner = dict(layer.inner)
    inner[steps[0]] = with_inner(inner[steps[0]], steps[1:], new)
    return replace(layer, inner=inner)
