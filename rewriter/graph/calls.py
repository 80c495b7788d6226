"""Define calls of layers, their arguments and their tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rewriter.graph.nested import leaves


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
class Constant:
    """A value in the first argument that is no tensor of the model."""

    value: Any


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
