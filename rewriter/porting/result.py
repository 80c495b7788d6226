"""Hold what a translation gives: the graph of Keras 3, changes, notes and refusals."""

from __future__ import annotations

from dataclasses import dataclass, field

from rewriter.graph.changes import Change, Note
from rewriter.graph.model_graph import ModelGraph
from rewriter.porting.hard_sigmoid import Scaling
from rewriter.porting.refusals import Refusal

PACKAGE_LAYERS = "rewriter.layers.keras3"
"""The module to import before Keras opens a file that holds layers or functions of this package."""


@dataclass(slots=True)
class Translation:
    """A model of Keras 2 beside the same model of Keras 3.

    Parameters
    ----------
    before, after : ModelGraph
        The graph that was read, and the one that it becomes.
    changes : list of Change
        Every key that is dropped, renamed or converted, every layer that is put in.
    notes : list of Note
        What is different in training, and what else the user should know.
    refusals : list of Refusal
        What keeps the model from being ported; `after` is whole only if there are none.
    package : list of str
        Paths of layers that need this package in order to be loaded.
    tolerance : float
        How far outputs may differ, in parts of the greatest of each output.
    scalings : dict of tuple to Scaling
        Whose weights are scaled, by where the layers stand in the original.
    """

    before: ModelGraph
    after: ModelGraph
    changes: list[Change] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    package: list[str] = field(default_factory=list)
    tolerance: float = 0.0
    scalings: dict[tuple[str, ...], Scaling] = field(default_factory=dict)
