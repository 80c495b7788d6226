"""Hold what a pass may know beside the graph: the user's data, what custom layers declare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of a model beside its graph.

    Parameters
    ----------
    data : mapping of str to array
        What the user gave for the inputs, by their names.
    declared_masks : mapping of str to str
        What the classes of custom layers declare to do with masks, by the layer's path: the
        name of a rule of `rewriter.analysis.masks`. Only a live model has classes to ask.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    declared_masks: Mapping[str, str] = field(default_factory=dict)
