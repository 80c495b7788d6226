"""Remove noise layers, for deployment."""

from __future__ import annotations

from collections.abc import Iterator

from rewriter.changes import Change, Note
from rewriter.errors import GraphError
from rewriter.graph import ModelGraph
from rewriter.kinds import NOISE, is_pinned
from rewriter.pipeline import Guarantee, Pass


class StripDropout(Pass):
    """Remove every noise layer: at inference they do nothing.

    1. A noise layer goes, and its consumers get its input.
    2. One that is active at inference stays, with a note: ``always_on``, or a
       ``training=True`` baked into the call in Keras 2, which honours it.
    3. One that is the whole of a nested model stays, with a note.
    """

    name = "strip-dropout"
    guarantee = Guarantee.SAME

    def run(self, graph: ModelGraph) -> Iterator[Change | Note]:
        """Edit one graph."""
        for call in graph.calls(NOISE):
            layer = graph.layer(call)
            if is_pinned(layer, graph.arguments(call).kwargs, graph.keras):
                reason = "stays: it is active at inference as well"
                yield Note(graph.path_of(call), layer.class_name, reason)
                continue
            try:
                yield graph.remove(call, reason="noise layers do nothing at inference")
            except GraphError as error:
                yield Note(graph.path_of(call), layer.class_name, f"stays: {error.what}")
