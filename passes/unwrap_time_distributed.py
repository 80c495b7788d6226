"""Remove TimeDistributed from around layers that treat every step alike without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from rewriter.analysis.each_step import without_time_distributed
from rewriter.analysis.known_layers import class_of
from rewriter.analysis.layer_kinds import NOISE
from rewriter.graph import Arguments, ModelGraph
from rewriter.graph.changes import Change, Note
from rewriter.pipeline import Guarantee, Pass


class UnwrapTimeDistributed(Pass):
    """Replace TimeDistributed by the layer that it wraps, where that does the same.

    1. Dense, activations, LayerNormalization, Embedding and noise layers do the same at every
       time step without it. They take the name of the wrapper and keep their weights, and their
       axes count the time axis.
    2. From Keras 3.14 on, a compiled TimeDistributed over an unknown number of steps gives wrong
       outputs from its second length on, mostly without an error; without it they are right.
    3. It declines, with a note, for other layers, for an Embedding that makes a mask, and for
       noise whose shape or rank leaves no room for the time axis.

    The layer then runs another kernel, so its outputs differ by a rounding error.
    """

    name = "unwrap-time-distributed"
    guarantee = Guarantee.SAME
    tolerance: ClassVar[float] = 1e-5

    def run(self, graph: ModelGraph) -> Iterator[Change | Note]:
        """Edit one graph."""
        for layer in graph.layers:
            if class_of(layer) != "TimeDistributed" or "layer" not in layer.inner:
                continue
            unwrapped = without_time_distributed(layer)
            # Rule 3: the table of layers that work on every step alike says why not.
            if isinstance(unwrapped, str):
                path = graph.path_of(layer.name)
                yield Note(path, layer.inner["layer"].class_name, f"stays wrapped: {unwrapped}")
                continue
            # Rule 1: the layer takes the name of its wrapper.
            config = {**unwrapped.config, "name": layer.name}
            new = replace(unwrapped, name=layer.name, config=config, first_node=layer.first_node)
            # Rule 2: the reason to do it, in Keras 3.14 and later.
            reason = f"{new.class_name} does the same at every step without TimeDistributed"
            yield graph.replace(layer.name, new, reason=reason)
            for call in graph.calls_of(layer.name):
                arguments = graph.arguments(call)
                kept = _arguments(arguments, noise=new.class_name in NOISE)
                if dict(kept.kwargs) != dict(arguments.kwargs):
                    reason = f"{new.class_name} does not take the arguments of TimeDistributed"
                    yield graph.rewire(call, kept, reason=reason)


def _arguments(arguments: Arguments, *, noise: bool) -> Arguments:
    """Return the arguments without those that the wrapper alone takes."""
    taken = ("training",) if noise else ()
    kwargs = {key: value for key, value in arguments.kwargs.items() if key in taken}
    return replace(arguments, kwargs=kwargs)
