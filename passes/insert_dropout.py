"""Insert noise behind layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.layer_kinds import is_recurrent, noise_in, returns_sequences
from rewriter.analysis.misplaced_noise import faults_behind
from rewriter.analysis.noise_layers import Noise, make_noise
from rewriter.analysis.shapes import rank_of
from rewriter.analysis.value_flow import gives_model_output
from rewriter.analysis.whole_numbers import gives_whole_numbers
from rewriter.graph import Call, Layer, ModelGraph, Tensor
from rewriter.graph.changes import Change, Note
from rewriter.graph.nested import leaves
from rewriter.layers.noise_shape import checked_rate
from rewriter.pipeline import Guarantee, Pass


@dataclass(frozen=True, slots=True)
class InsertDropout(Pass):
    """Insert a noise layer behind layers that fit a pattern.

    1. A noise layer is put behind every call of a layer whose name or class fits, and named
       after it; by default behind each recurrent layer that returns sequences.
    2. It declines, with a note, behind a layer whose output is an output of the model, in front
       of Masking, of BatchNormalization and of other noise, that of a recurrent layer included,
       and where the kind of noise does not fit the tensor.
    3. A layer that has noise behind it stays as it is.

    Parameters
    ----------
    after : str
        Name or class of the layers, with ``*``, ``?`` and ``[...]`` as in a shell; case counts.
    rate : float
        The rate of the noise.
    to : str
        The kind of noise: ``dynamic``, ``standard``, ``spatial``, ``gaussian`` or ``alpha``.
    shared_axes : tuple of int
        Axes along which the noise is the same; ``(1,)`` for all time steps.
    """

    after: str = ""
    rate: float = 0.5
    to: Literal["dynamic", "standard", "spatial", "gaussian", "alpha"] = "dynamic"
    shared_axes: tuple[int, ...] = ()

    name = "insert-dropout"
    guarantee = Guarantee.SAME

    def __post_init__(self) -> None:
        checked_rate(self.rate, "insert-dropout")

    def run(self, graph: ModelGraph) -> Iterator[Change | Note]:
        """Edit one graph."""
        ranks: dict[Tensor, int | None] = {}  # noise leaves them as they are
        whole: dict[Tensor, bool] = {}  # and puts nothing where this is true
        for call in graph.calls():
            layer = graph.layer(call)
            # Rule 1: the layers that fit; noise itself gets none.
            if self._fits(layer) and noise_in(layer) is None:
                yield from self._insert(graph, call, layer, ranks, whole)

    def _fits(self, layer: Layer) -> bool:
        if not self.after:
            return is_recurrent(layer) and returns_sequences(layer)
        return any(fnmatchcase(word, self.after) for word in (layer.name, layer.class_name))

    def _asked_for(self) -> str:
        return f"what after={self.after} names" if self.after else "recurrent and gives sequences"

    def _insert(
        self,
        graph: ModelGraph,
        call: Call,
        layer: Layer,
        ranks: dict[Tensor, int | None],
        whole: dict[Tensor, bool],
    ) -> Iterator[Change | Note]:
        consumers = [graph.layer(consumer) for consumer, _ in graph.consumers(Tensor(call))]
        # Rule 3: so that a second run inserts nothing.
        if consumers and all(noise_in(consumer) is not None for consumer in consumers):
            return
        # Rule 2
        refusal = _refusal(graph, call, consumers, whole)
        if refusal is None:
            dropout = make_noise(
                self.to,
                graph.unique_name(f"{layer.name}_dropout"),
                Noise(self.rate, self.shared_axes),
                rank=rank_of(graph, Tensor(call), ranks),
                keras=graph.keras,
                like=layer.config,
            )
            if isinstance(dropout, Layer):
                reason = f"{layer.name} ({layer.class_name}) is {self._asked_for()}"
                yield graph.insert_after(Tensor(call), dropout, reason=reason)
                return
            refusal = dropout
        yield Note(graph.path_of(call), layer.class_name, f"gets no noise: {refusal}")


def _refusal(
    graph: ModelGraph, call: Call, consumers: list[Layer], whole: dict[Tensor, bool]
) -> str | None:
    """Return why noise must not stand behind a call, if so."""
    if gives_model_output(graph, call):
        return "its output is an output of the model"
    classes = {class_of(consumer) for consumer in consumers}
    if "Masking" in classes:
        return "Masking gets its output, and noise makes steps look like padding"
    if "Embedding" in classes:
        return "its output goes into an Embedding as ids"
    faults = faults_behind(graph, call)
    if faults:
        return next(iter(faults.values()))
    if not consumers and Tensor(call) not in leaves(graph.outputs):
        return "nothing gets its output"
    if gives_whole_numbers(graph, Tensor(call), whole):
        return "its output is of whole numbers, or of text"
    return None
