"""Define a pass: its name, its options, its guarantee and its edits.

A pass is a dataclass with options as fields and one method:

    >>> from rewriter.graph import Layer, ModelGraph, Tensor
    >>> class DropAll(Pass):
    ...     '''Remove every Dropout.'''
    ...     name = "drop-all"
    ...     guarantee = Guarantee.SAME
    ...     def run(self, graph):
    ...         for call in graph.calls({"Dropout"}):
    ...             yield graph.remove(call, reason="dropout does nothing at inference")
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> ids = graph.add(Layer("ids", "InputLayer", {}))
    >>> drop = graph.add(Layer("drop", "Dropout", {"rate": 0.5}), [Tensor(ids)])
    >>> graph.inputs, graph.outputs = [Tensor(ids)], [Tensor(drop)]
    >>> next(DropAll().run(graph)).layer
    'drop'
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, ClassVar

from rewriter.errors import RewriterError
from rewriter.graph.changes import Change, Note
from rewriter.graph.model_graph import ModelGraph
from rewriter.pipeline.context import Context


class Guarantee(str, Enum):
    """What a pass promises of the outputs at inference, the strongest first."""

    SAME = "same"
    SAME_WHERE_UNPADDED = "same-where-unpadded"
    CHANGED_ON_PURPOSE = "changed-on-purpose"

    @classmethod
    def named(cls, name: str) -> Guarantee:
        """Return the guarantee of this name.

        Raises
        ------
        RewriterError
            There is none.
        """
        if name not in {each.value for each in cls}:
            there_are = ", ".join(each.value for each in cls)
            raise RewriterError(f"unknown guarantee {str(name)!r}", fix=f"there are {there_are}")
        return cls(name)

    @classmethod
    def weakest(cls, guarantees: Iterable[Guarantee]) -> Guarantee:
        """Return the weakest; of none, the strongest there is.

        Examples
        --------
        >>> Guarantee.weakest([Guarantee.SAME, Guarantee.SAME_WHERE_UNPADDED]).value
        'same-where-unpadded'
        """
        order = list(cls)
        return max(guarantees, key=order.index, default=cls.SAME)


class Pass(ABC):
    """One named rewrite.

    A subclass defines one of `run` (one graph), `run_model` (a model with the models nested in
    it) and `run_with` (a model, and what is known beside its graph); the others follow from it.
    A subclass that has options is a dataclass, its fields the options, each with a default.
    Run twice, a pass changes nothing the second time.

    Attributes
    ----------
    name : str
        As on the command line.
    guarantee : Guarantee
        What it promises of the outputs at inference; a property where an option decides.
    tolerance : float
        How far outputs may differ where the guarantee says that they are the same, as a share of
        the greatest magnitude of each; 0 promises them equal to the bit.
    """

    name: ClassVar[str]
    tolerance: ClassVar[float] = 0.0

    @property
    def drops_states(self) -> bool:
        """Whether layers lose their states on purpose: its guarantee is then of a first call."""
        return False

    @property
    @abstractmethod
    def guarantee(self) -> Guarantee:
        """What it promises of the outputs at inference."""

    def tolerance_of(self, change: Change) -> float:
        """Return how far one of its changes may move the outputs: by default `tolerance`."""
        return self.tolerance

    def run(self, graph: ModelGraph) -> Iterator[Change | Note]:
        """Edit one graph; yield each change, and a note where the pass declines."""
        yield from self.run_model(graph)

    def run_model(self, model: ModelGraph) -> Iterator[Change | Note]:
        """Edit a model with the models nested in it; by default `run` edits one after the other."""
        if self._defines("run"):
            for graph in list(model.walk()):
                yield from self.run(graph)
        else:
            yield from self.run_with(model, Context())

    def run_with(self, model: ModelGraph, context: Context) -> Iterator[Change | Note]:
        """Edit a model as `run_model` does, knowing what stands beside the graph.

        The pipeline calls this one; a pass that needs the user's data, or what custom layers
        declare, defines it.
        """
        if not (self._defines("run") or self._defines("run_model")):
            raise NotImplementedError(f"{type(self).__name__} defines neither run nor run_model")
        yield from self.run_model(model)

    def _defines(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(Pass, method)

    def __str__(self) -> str:
        """Return the pass as it is written on the command line."""
        if not dataclasses.is_dataclass(self):
            return self.name
        changed = [
            f"{field.name}={spelled(value)}"
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != field.default
        ]
        return f"{self.name}:{','.join(changed)}" if changed else self.name


def spelled(value: Any) -> str:
    """Return the value of an option as it is written on the command line."""
    if isinstance(value, tuple):
        return f"({','.join(map(str, value))})"
    return str(value).lower() if isinstance(value, bool) else str(value)
