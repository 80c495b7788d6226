"""Remove noise layers, and set the rates inside other layers to 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from rewriter.analysis.layer_kinds import noise_calls, rates_in, with_inner_layers
from rewriter.analysis.noise_at_inference import TrainingTrue
from rewriter.errors import GraphError
from rewriter.graph import ModelGraph
from rewriter.graph.changes import Action, Change, Note
from rewriter.pipeline import Guarantee, Pass

ACTIVE = "stays: it draws noise at inference too; pinned=remove removes it as well"


@dataclass(frozen=True, slots=True)
class StripDropout(Pass):
    """Remove every noise layer and every rate: the model is for inference only.

    1. A noise layer is removed, inside TimeDistributed too; the layers behind it get its input.
    2. Rates inside recurrent layers, cells and attention layers become 0. A recurrent layer then
       runs another kernel, so its outputs differ by a rounding error.
    3. Noise that draws at inference too stays, with a note: ``always_on``, or ``training=True``
       in the call in Keras 2, which honours it. ``pinned=remove`` removes it as well.
    4. A noise layer that cannot be bypassed stays, with a note.

    Parameters
    ----------
    pinned : str
        ``keep`` noise that draws at inference too, or ``remove`` it; the outputs then change, on
        purpose.
    """

    pinned: Literal["keep", "remove"] = "keep"

    name = "strip-dropout"
    tolerance: ClassVar[float] = 1e-5

    @property
    def guarantee(self) -> Guarantee:
        """Outputs change only where noise is removed that draws at inference too."""
        keep = self.pinned == "keep"
        return Guarantee.SAME if keep else Guarantee.CHANGED_ON_PURPOSE

    def tolerance_of(self, change: Change) -> float:
        """Return 0 for a noise layer, the tolerance for a rate."""
        return self.tolerance if change.action is Action.CONFIGURE else 0.0

    def run_model(self, model: ModelGraph) -> Iterator[Change | Note]:
        """Edit a model with the models nested in it."""
        training_true = TrainingTrue.of(model)
        for graph in list(model.walk()):
            yield from self._noise_layers(graph, training_true)
            for layer in graph.layers:
                yield from self._rates(graph, layer.name, training_true)

    def _noise_layers(
        self, graph: ModelGraph, training_true: TrainingTrue
    ) -> Iterator[Change | Note]:
        for call in noise_calls(graph):
            path, class_name = graph.path_of(call), graph.layer(call).class_name
            active = training_true.draws_at_inference(graph, call)
            # Rule 3
            if active and self.pinned == "keep":
                yield Note(path, class_name, ACTIVE)
                continue
            reason = "noise layers do nothing at inference"
            # Rule 1; rule 4: the graph refuses where its consumers cannot get its input.
            try:
                yield graph.remove(call, reason="pinned=remove removes it" if active else reason)
            except GraphError as error:
                yield Note(path, class_name, f"stays: {error.what}")

    def _rates(
        self, graph: ModelGraph, name: str, training_true: TrainingTrue
    ) -> Iterator[Change | Note]:
        for role in [role for role, _ in with_inner_layers(graph.layer(name))]:
            inner = dict(with_inner_layers(graph.layer(name)))[
                role
            ]  # read again: a change of one inner layer replaces the outer one
            rates = rates_in(inner)
            if not rates:
                continue
            # Rule 3
            if self.pinned == "keep" and training_true.layer_draws_at_inference(graph, name):
                yield Note(graph.path_of(name), inner.class_name, ACTIVE)
                continue
            # Rule 2
            reason = "rates inside a layer do nothing at inference"
            yield graph.configure(name, dict.fromkeys(rates, 0.0), reason=reason, role=role)
